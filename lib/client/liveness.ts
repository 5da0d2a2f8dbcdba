import type { Environment } from './environment.js'

/** Longest time that a server has for the answer to a test, in milliseconds. */
const ANSWER_MS = 2_000

/** Delay beyond which a timer shows that the program itself stood still, in milliseconds. */
const LATE_MS = 500

/**
 * Notices that a connection is dead, which no event may tell: when nothing has come for `silenceMs`, it tests it,
 * and calls `onDead` when nothing comes then either, within `silenceMs` once more but at most two seconds.
 */
export class Liveness {
  /** In milliseconds. */
  silenceMs: number
  readonly #environment: Environment
  readonly #sendPing: () => void
  readonly #onDead: () => void
  #isTesting = false
  #cancel = (): void => {}

  constructor (environment: Environment, silenceMs: number, sendPing: () => void, onDead: () => void) {
    this.#environment = environment
    this.silenceMs = silenceMs
    this.#sendPing = sendPing
    this.#onDead = onDead
  }

  /** To be called with each message. */
  heard (): void {
    this.#isTesting = false
    this.#wait(this.silenceMs, () => { this.test() })
  }

  /** Tests the connection at once. */
  test (): void {
    if (this.#isTesting) return
    this.#isTesting = true
    this.#sendPing()
    const answerMs = Math.min(ANSWER_MS, this.silenceMs)
    const due = this.#environment.now() + answerMs
    this.#wait(answerMs, () => {
      if (this.#environment.now() <= due + LATE_MS) return this.#onDead()
      // A phone that has slept, a frozen tab: the answer may wait behind this timer.
      this.#isTesting = false
      this.test()
    })
  }

  stop (): void {
    this.#cancel()
  }

  #wait (delayMs: number, run: () => void): void {
    this.#cancel()
    this.#cancel = this.#environment.after(delayMs, run)
  }
}
