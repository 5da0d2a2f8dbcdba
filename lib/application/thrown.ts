/** Returns the message of any thrown value. Never throws. */
export function messageOf (thrown: unknown): string {
  try {
    return String(thrown instanceof Error ? thrown.message : thrown)
  } catch {
    return 'an error without a text'
  }
}

/**
 * Reads the texts of an error once: its getters may throw. Returns `undefined` for a value that is no error,
 * or whose texts cannot be read. Never throws.
 */
export function readError (thrown: unknown): { readonly name: string, readonly message: string } | undefined {
  try {
    if (!(thrown instanceof Error)) return undefined
    const { name, message, stack } = thrown
    const isReadable = [name, message, stack ?? ''].every(text => typeof text === 'string')
    return isReadable ? { name, message } : undefined
  } catch {
    return undefined
  }
}

/** Returns a thrown error, or another error where it cannot be read and a logger would fail. */
export function readableError (thrown: unknown): Error {
  return readError(thrown) === undefined ? new Error(messageOf(thrown)) : thrown as Error
}
