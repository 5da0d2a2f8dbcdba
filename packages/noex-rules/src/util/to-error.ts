/** Returns an `Error` with a readable message for anything that was thrown; never throws. */
export function toError (thrown: unknown): Error {
  try {
    if (thrown instanceof Error && typeof thrown.message === 'string') return thrown
    return new Error(String(thrown))
  } catch {
    return new Error('Something was thrown that has no text')
  }
}
