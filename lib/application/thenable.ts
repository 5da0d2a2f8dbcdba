/** Tells whether `await` would wait for a value. Throws what its `then` throws when it is read. */
export function isThenable (value: unknown): value is PromiseLike<unknown> {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false
  return typeof (value as { then?: unknown }).then === 'function'
}

/**
 * Calls `onRejected` when what may be a promise rejects, so that its rejection does not end the process. It
 * is not waited for. Never throws: what reading its `then` throws goes to `onRejected` too.
 */
export function catchRejection (returned: unknown, onRejected: (error: unknown) => void): void {
  try {
    if (isThenable(returned)) Promise.resolve(returned).catch(onRejected)
  } catch (error) {
    onRejected(error)
  }
}

/** Lets what may be a promise reject without any effect. */
export function ignoreRejection (returned: unknown): void {
  catchRejection(returned, () => {})
}
