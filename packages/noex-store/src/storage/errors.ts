/** Operation of an adapter that has failed. */
export type StorageOperation = 'save' | 'load' | 'delete' | 'exists' | 'listKeys' | 'cleanup' | 'close'

/** Says that an operation of a storage adapter failed; `cause` is the reason, where there is one. */
export class StorageError extends Error {
  override readonly name = 'StorageError'
  readonly operation: StorageOperation

  constructor (operation: StorageOperation, message: string, cause?: Error) {
    super(message, causeOption(cause))
    this.operation = operation
  }
}

/** Says that persisting failed for a reason outside the adapter, such as a missing driver. */
export class PersistenceError extends Error {
  override readonly name = 'PersistenceError'

  constructor (message: string, cause?: Error) {
    super(message, causeOption(cause))
  }
}

/** Says that a value cannot be written as text. */
export class SerializationError extends Error {
  override readonly name = 'SerializationError'

  constructor (message: string, cause?: Error) {
    super(message, causeOption(cause))
  }
}

/** Says that a text is not what a serializer writes. */
export class DeserializationError extends Error {
  override readonly name = 'DeserializationError'

  constructor (message: string, cause?: Error) {
    super(message, causeOption(cause))
  }
}

/** Says that what is stored under a key is readable but is not a saved state of that key. */
export class CorruptedStateError extends Error {
  override readonly name = 'CorruptedStateError'
  readonly key: string

  constructor (key: string, reason: string) {
    super(`The state saved under "${key}" is corrupted: ${reason}`)
    this.key = key
  }
}

/** Says that what is stored under a key has changed since it was saved. */
export class ChecksumMismatchError extends Error {
  override readonly name = 'ChecksumMismatchError'
  readonly key: string
  /** The checksum stored with the state. */
  readonly expected: string
  /** The checksum of what is there now. */
  readonly actual: string

  constructor (key: string, expected: string, actual: string) {
    super(`The state saved under "${key}" has the checksum ${actual} instead of ${expected}`)
    this.key = key
    this.expected = expected
    this.actual = actual
  }
}

function causeOption (cause: Error | undefined): ErrorOptions | undefined {
  return cause === undefined ? undefined : { cause }
}

/** Returns `thrown` itself when it is an Error, and otherwise an Error with its text. */
export function toError (thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown))
}
