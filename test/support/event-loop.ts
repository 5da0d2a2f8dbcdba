import { setImmediate } from 'node:timers/promises'

/** Lets the event loop turn: a burst continues in the turn after the next one at the latest. */
export async function turns (): Promise<void> {
  for (let i = 0; i < 3; i++) await setImmediate()
}

/** Whether a promise is still pending in the next turn. */
export async function isPending (promise: Promise<unknown>): Promise<boolean> {
  return await Promise.race([promise.then(() => false), setImmediate(true)])
}
