/** Returns whether `await` would wait for a value. Throws when reading its `then` throws. */
export function isThenable (value: unknown): value is PromiseLike<unknown> {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false
  return typeof (value as { then?: unknown }).then === 'function'
}

/**
 * Calls `onRejected` when a value that may be a promise rejects, so that its rejection does not end the
 * process. Never throws: an error of reading its `then` goes to `onRejected`, too.
 */
export function catchRejection (returned: unknown, onRejected: (error: unknown) => void): void {
  try {
    if (isThenable(returned)) Promise.resolve(returned).catch(onRejected)
  } catch (error) {
    onRejected(error)
  }
}

/** Ignores the rejection of a value that may be a promise. */
export function ignoreRejection (returned: unknown): void {
  catchRejection(returned, () => {})
}
