// Must be the first import of a simulation: the clock, the turns and the random numbers of the process are
// those of the seed from here on, and the modules that are loaded later take them as their own.
import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import { EventLoop } from './event-loop.js'
import { Random } from './random.js'

/** Seed of the run: `SEED`, or one of the moment. */
export const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)

/** The one event loop of this process. */
export const loop = new EventLoop(seed)

const random = new Random(seed, 'globals')

/** As much of a timer of Node as code asks for. */
class Timer {
  readonly cancel: () => void

  constructor (cancel: () => void) {
    this.cancel = cancel
  }

  ref (): this { return this }
  unref (): this { return this }
  hasRef (): boolean { return true }
}

const cancelTimer = (timer: unknown): void => { if (timer instanceof Timer) timer.cancel() }

function every (callback: (...args: unknown[]) => void, ms: number, ...args: unknown[]): Timer {
  let cancel = (): void => {}
  const next = (): void => {
    cancel = loop.after(ms, () => {
      next()
      callback(...args)
    })
  }
  next()
  return new Timer(() => { cancel() })
}

Object.assign(globalThis, {
  setTimeout: (callback: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) =>
    new Timer(loop.after(ms, () => { callback(...args) })),
  setInterval: every,
  setImmediate: (callback: (...args: unknown[]) => void, ...args: unknown[]) =>
    new Timer(loop.inNextTurn(() => { callback(...args) })),
  clearTimeout: cancelTimer,
  clearInterval: cancelTimer,
  clearImmediate: cancelTimer
})
Date.now = () => loop.wallClock
performance.now = () => loop.readTicks()
Math.random = () => random.next()

const uuid = (): string => {
  const hex = random.bytes(16).toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}
Object.assign(crypto, { randomUUID: uuid, randomBytes: (count: number) => random.bytes(count) })
syncBuiltinESMExports()
