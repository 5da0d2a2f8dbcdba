/**
 * Puts an own method before the one that `target` has, without anybody else seeing it in a listing.
 * `wrap` is given the method that was there, bound. Returns what takes it back.
 */
export function override<T extends object, K extends keyof T> (target: T, name: K, wrap: (original: T[K]) => T[K]): () => void {
  const own = Object.getOwnPropertyDescriptor(target, name)
  const original = target[name]
  if (typeof original !== 'function') return () => {}
  const value = wrap(original.bind(target) as T[K])
  Object.defineProperty(target, name, { configurable: true, writable: true, enumerable: false, value })
  return () => {
    // Somebody else has put a method before this one since: theirs goes on, and ours only hands on.
    if (Object.getOwnPropertyDescriptor(target, name)?.value !== value) return
    if (own === undefined) Reflect.deleteProperty(target, name)
    else Object.defineProperty(target, name, own)
  }
}
