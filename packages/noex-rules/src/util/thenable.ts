/** Returns whether `await` would wait for a value. Throws an error of its `then` getter. */
export function isThenable (value: unknown): value is PromiseLike<unknown> {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false
  return typeof (value as { then?: unknown }).then === 'function'
}
