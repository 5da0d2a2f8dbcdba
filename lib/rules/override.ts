/**
 * Puts an own method before the one that `target` has, which no listing shows.
 * `wrap` is given the method that was there, bound. Returns what takes it back.
 */
export function override<T extends object, K extends keyof T> (
  target: T, name: K, wrap: (original: T[K]) => T[K]
): () => void {
  const own = Object.getOwnPropertyDescriptor(target, name)
  const original = target[name]
  if (typeof original !== 'function') return () => {}
  const value = wrap(original.bind(target) as T[K])
  Object.defineProperty(target, name, { configurable: true, writable: true, enumerable: false, value })
  return () => {
    // Another one has been put before this one since: it goes on, and ours only hands on.
    if (Object.getOwnPropertyDescriptor(target, name)?.value !== value) return
    if (own === undefined) Reflect.deleteProperty(target, name)
    else Object.defineProperty(target, name, own)
  }
}
