import type { Clock } from './clock.js'

/** Waits for `done`, at most `limitMs`. Rejects when `done` rejects in time. */
export async function withTimeout (limitMs: number, done: Promise<unknown>, clock: Clock): Promise<void> {
  await withTimeoutResult(limitMs, done, clock, () => {})
}

/**
 * Waits for the result of `work`, at most `limitMs`; then settles as `onTimeout` returns or throws. A later
 * result of `work`, which may be any thenable, is ignored.
 */
export async function withTimeoutResult<T> (
  limitMs: number, work: PromiseLike<T>, clock: Clock, onTimeout: () => T
): Promise<T> {
  return await new Promise<T>((resolve, reject) => {
    const cancel = clock.after(limitMs, () => {
      try {
        resolve(onTimeout())
      } catch (error) {
        reject(error)
      }
    })
    Promise.resolve(work).finally(cancel).then(resolve, reject)
  })
}
