import type { Clock } from './clock.js'

/** Waits for `done`, but no longer than `limitMs`. Rejects when that does in time. */
export async function within (limitMs: number, done: Promise<unknown>, clock: Clock): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const cancel = clock.after(limitMs, resolve)
    done.finally(cancel).then(() => { resolve() }, reject)
  })
}
