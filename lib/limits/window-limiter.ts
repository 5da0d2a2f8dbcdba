import { createHash } from 'node:crypto'
import type { Clock } from '../util/clock.js'

/** Length limit of a key, in characters. Longer ones are kept as a digest, which has one character more. */
const MAX_KEY_CHARS = 64

/** The limits of each key of a `WindowLimiter`, and of the number of keys. */
export interface WindowLimits {
  /** Sum of costs of a key within one window; an integer of at least 1. */
  readonly max: number
  readonly windowMs: number
  /**
   * Number of keys in memory, each of at most about 350 bytes.
   * @default 65536
   */
  readonly maxKeys?: number
}

/**
 * Counts costs by key, and refuses costs above the limit. A window begins with the first count of a key and
 * ends `windowMs` later. No call waits, and each takes constant time.
 *
 * Memory is bounded: when `maxKeys` windows are open, a new key replaces the one whose window ends first. So
 * a key can be unlocked early, but only by `maxKeys` counts on as many other keys within one window, which an
 * attacker could rather use as guesses.
 *
 * The memory limiter of rate-limiter-flexible 11 is not used: it has no bound on keys, a timer for each (one
 * above 24.8 days fires at once), its own clock, and it counts what it refuses. It also answers by promise,
 * whereas two limits have to be checked and counted in one step.
 */
export class WindowLimiter {
  readonly #max: number
  readonly #windowMs: number
  readonly #maxKeys: number
  readonly #clock: Clock
  readonly #windows = new Map<string, Window>()
  /**
   * The sentinel of the ring of windows, which end in the order of their start. The map has that order too,
   * but finding its first entry takes longer with each deleted one.
   */
  readonly #ring = new Window('', Infinity)

  constructor ({ max, windowMs, maxKeys = 65_536 }: WindowLimits, clock: Clock) {
    this.#max = max
    this.#windowMs = windowMs
    this.#maxKeys = maxKeys
    this.#clock = clock
  }

  /** Number of windows in memory; each new one removes up to two that are over. */
  get size (): number {
    return this.#windows.size
  }

  /**
   * Counts `cost`, an integer from 1 to `max`, and returns a function that takes it back: once, and without
   * effect when the window is over or cleared. Returns `undefined`, and counts nothing, when the limit would
   * be exceeded.
   */
  take (key: string, cost = 1): (() => void) | undefined {
    const name = storedKey(key)
    const now = this.#clock.ticks()
    let window = this.#windows.get(name)
    if (window === undefined || this.#isOver(window, now)) window = this.#open(name, now, window)
    else if (window.used + cost > this.#max) return undefined
    const counted = window
    let owed = cost
    counted.used += cost
    return () => {
      counted.used -= owed
      owed = 0
      // A window begins with its first count, so one without any has not begun.
      if (counted.used === 0) this.#forget(counted)
    }
  }

  /**
   * Counts a cost that has already arisen, also above the limit: then `take` is refused until the window
   * ends.
   */
  charge (key: string, cost: number): void {
    const name = storedKey(key)
    const now = this.#clock.ticks()
    let window = this.#windows.get(name)
    if (window === undefined || this.#isOver(window, now)) window = this.#open(name, now, window)
    window.used += cost
  }

  /**
   * Returns the time after which `cost` is allowed if nothing is counted meanwhile, in whole milliseconds; 0
   * when it is allowed now.
   */
  retryAfterMs (key: string, cost = 1): number {
    const window = this.#windows.get(storedKey(key))
    if (window === undefined || window.used + cost <= this.#max) return 0
    return Math.max(0, Math.ceil(this.#windowMs - (this.#clock.ticks() - window.startedAt)))
  }

  /** Clears the counts of a key. */
  clear (key: string): void {
    const window = this.#windows.get(storedKey(key))
    if (window !== undefined) this.#forget(window)
  }

  #open (name: string, now: number, former: Window | undefined): Window {
    if (former !== undefined) this.#forget(former)
    // Two for each new one: old windows are removed gradually, and no call takes long.
    for (let i = 0; i < 2 && this.#isOver(this.#ring.newer, now); i++) this.#forget(this.#ring.newer)
    if (this.#windows.size >= this.#maxKeys) this.#forget(this.#ring.newer)
    const window = new Window(name, now)
    window.link(this.#ring)
    this.#windows.set(name, window)
    return window
  }

  #isOver (window: Window, now: number): boolean {
    return now - window.startedAt >= this.#windowMs
  }

  #forget (window: Window): void {
    if (this.#windows.get(window.key) !== window) return
    this.#windows.delete(window.key)
    window.unlink()
  }
}

/** The counts of one key, linked to the windows that began before and after it. */
class Window {
  readonly key: string
  /** In ticks of the clock. */
  readonly startedAt: number
  used = 0
  older: Window = this
  newer: Window = this

  constructor (key: string, startedAt: number) {
    this.key = key
    this.startedAt = startedAt
  }

  /** Makes this window the newest of the ring. */
  link (ring: Window): void {
    this.older = ring.older
    this.newer = ring
    this.older.newer = this
    ring.older = this
  }

  unlink (): void {
    this.older.newer = this.newer
    this.newer.older = this.older
    // A function that takes a cost back may keep this window, but must not keep later ones in memory.
    this.older = this.newer = this
  }
}

function storedKey (key: string): string {
  if (key.length <= MAX_KEY_CHARS) return key
  // As UTF-16: UTF-8 writes all lone surrogates alike, so different keys would become one.
  return `#${createHash('sha256').update(key, 'utf16le').digest('hex')}`
}
