/** Tells whether `await` would wait for a value. Throws what its `then` throws when it is read. */
export function isThenable (value: unknown): value is PromiseLike<unknown> {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false
  return typeof (value as { then?: unknown }).then === 'function'
}
