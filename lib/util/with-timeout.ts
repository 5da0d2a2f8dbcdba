import type { Clock } from './clock.js'

/** Waits for `done`, but no longer than `limitMs`. Rejects when that does in time. */
export async function withTimeout (limitMs: number, done: Promise<unknown>, clock: Clock): Promise<void> {
  await withTimeoutResult(limitMs, done, clock, () => {})
}

/**
 * Waits for the result of `work`, but no longer than `limitMs`; then for what `onOverdue` returns or throws
 * instead. What `work` comes to afterwards is dropped. It may be a promise of any making: it settles once.
 */
export async function withTimeoutResult<T> (
  limitMs: number, work: PromiseLike<T>, clock: Clock, onOverdue: () => T
): Promise<T> {
  return await new Promise<T>((resolve, reject) => {
    const cancel = clock.after(limitMs, () => {
      try {
        resolve(onOverdue())
      } catch (error) {
        reject(error)
      }
    })
    Promise.resolve(work).finally(cancel).then(resolve, reject)
  })
}
