/** Returns the message of anything that is thrown. Never throws. */
export function messageOf (thrown: unknown): string {
  try {
    return String(thrown instanceof Error ? thrown.message : thrown)
  } catch {
    return 'an error without a text'
  }
}

/**
 * Reads the texts of an error once, so that no later reader of them can fail. Returns `undefined` for what is
 * no error and for one that cannot be read. Never throws.
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

/** Returns what is thrown, or an error in its place when it cannot be read: a logger would fail on it. */
export function readableError (thrown: unknown): Error {
  return readError(thrown) === undefined ? new Error(messageOf(thrown)) : thrown as Error
}
