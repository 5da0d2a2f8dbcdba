import type { Environment } from './environment.js'
import { none } from './report.js'

/** Longest time that a server has for the answer to a test, in milliseconds. */
const ANSWER_MS = 2_000

/** Delay of a timer that shows that the program itself stood still, in milliseconds. */
const LATE_MS = 500

/** The signs of life of one connection. */
export interface Liveness {
  /** To be called with each message; `silenceMs`: time after which a test is due. */
  readonly heard: (silenceMs: number) => void
  /** Tests the connection at once. */
  readonly test: () => void
  readonly stop: () => void
}

/**
 * Notices that a connection is dead, which no event may tell: when nothing has come for a time, it calls
 * `sendPing`, and `onDead` when nothing has come after the same time again, but two seconds at most.
 */
export function watchLiveness (
  { now, after }: Environment, sendPing: () => void, onDead: () => void
): Liveness {
  let cancel = none
  let isTesting = false
  let answerMs = ANSWER_MS

  const ask = (): void => {
    isTesting = true
    sendPing()
    cancel()
    const due = now() + answerMs + LATE_MS
    // A phone that has slept, a tab that was frozen: the answer may wait behind this timer.
    cancel = after(answerMs, () => { now() > due ? ask() : onDead() })
  }

  return {
    heard: silenceMs => {
      isTesting = false
      answerMs = Math.min(ANSWER_MS, silenceMs)
      cancel()
      cancel = after(silenceMs, ask)
    },
    test: () => { if (!isTesting) ask() },
    stop: () => { cancel() }
  }
}
