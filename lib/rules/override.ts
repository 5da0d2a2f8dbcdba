/**
 * Replaces a method of `target` by a non-enumerable one. `wrap` receives the original method, bound. Returns
 * a function that restores it.
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
    // The method has been replaced again since: ours stays below it, and only calls the original.
    if (Object.getOwnPropertyDescriptor(target, name)?.value !== value) return
    if (own === undefined) Reflect.deleteProperty(target, name)
    else Object.defineProperty(target, name, own)
  }
}
