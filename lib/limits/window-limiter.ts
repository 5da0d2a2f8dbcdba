import { createHash } from 'node:crypto'
import type { Clock } from '../util/clock.js'

/**
 * Longer keys are kept as a digest. It has one character more than this, so it is never equal to a key kept
 * as it is.
 */
const MAX_KEY_CHARS = 64

/** The limits that hold for each key of a `WindowLimiter`, and for their number. */
export interface WindowLimits {
  /** Units that a key may use up within one window; an integer of at least 1. */
  readonly max: number
  readonly windowMs: number
  /**
   * Keys that are remembered at a time, each in at most about 350 bytes.
   * @default 65536
   */
  readonly maxKeys?: number
}

/**
 * Counts what each key uses up, and refuses what is above the limit. A window starts with the first count of
 * a key and ends `windowMs` later, regardless of later counts. Nothing waits, and every call takes the
 * same time however many keys there are.
 *
 * Memory is bounded: when `maxKeys` windows are open, the next key takes the place of the one that ends
 * first. So a key can be unlocked before its time, but only by `maxKeys` counts on as many other keys within
 * one window. Where each count is worth something (a guess of a password), they are worth far more than the
 * `max` that they free.
 *
 * The memory limiter of rate-limiter-flexible 11 does not do here: it has no bound on keys, a timer for each
 * (one above 24.8 days fires at once and forgets the key), its own clock, and it counts what it refuses. It
 * also answers by promise, and what two limits must agree on has to be asked and counted in one step.
 */
export class WindowLimiter {
  readonly #max: number
  readonly #windowMs: number
  readonly #maxKeys: number
  readonly #clock: Clock
  readonly #windows = new Map<string, Window>()
  /**
   * Where the ring of windows begins and ends; never over. All are of one length, so they end in the order of
   * their start. The map has that order too, but finding its first entry takes longer with each one that has
   * been deleted.
   */
  readonly #ring = new Window('', Infinity)

  constructor ({ max, windowMs, maxKeys = 65_536 }: WindowLimits, clock: Clock) {
    this.#max = max
    this.#windowMs = windowMs
    this.#maxKeys = maxKeys
    this.#clock = clock
  }

  /** Windows in memory; of those that are over, each new one removes up to two. */
  get size (): number {
    return this.#windows.size
  }

  /**
   * Counts `cost`, an integer from 1 to `max`, and returns a function that gives it back: once, and without
   * effect when the window is over or cleared by then. Returns `undefined`, and counts nothing, when that
   * would be above the limit.
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
      // A window starts with its first count, so one without any has not started.
      if (counted.used === 0) this.#forget(counted)
    }
  }

  /**
   * Counts units that are used up already, above the limit too: then nothing more is allowed until the window
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
   * Milliseconds, rounded up, after which `cost` is sure to be allowed if nothing is counted meanwhile; 0
   * when it is allowed now.
   */
  retryAfterMs (key: string, cost = 1): number {
    const window = this.#windows.get(storedKey(key))
    if (window === undefined || window.used + cost <= this.#max) return 0
    return Math.max(0, Math.ceil(this.#windowMs - (this.#clock.ticks() - window.startedAt)))
  }

  /** Forgets all counts of a key. */
  clear (key: string): void {
    const window = this.#windows.get(storedKey(key))
    if (window !== undefined) this.#forget(window)
  }

  #open (name: string, now: number, former: Window | undefined): Window {
    if (former !== undefined) this.#forget(former)
    // Two for one: what is over goes away by and by, and no call has to wait for much of it.
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

/** One key's counts, linked to the windows that started just before and after it. */
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

  /** Becomes the newest of the ring. */
  link (ring: Window): void {
    this.older = ring.older
    this.newer = ring
    this.older.newer = this
    ring.older = this
  }

  unlink (): void {
    this.older.newer = this.newer
    this.newer.older = this.older
    // A caller that may still give back holds this window, and must not hold all that came after it.
    this.older = this.newer = this
  }
}

function storedKey (key: string): string {
  if (key.length <= MAX_KEY_CHARS) return key
  // As UTF-16: UTF-8 writes all lone surrogates alike, so different keys would become one.
  return `#${createHash('sha256').update(key, 'utf16le').digest('hex')}`
}
