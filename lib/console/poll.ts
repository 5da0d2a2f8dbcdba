import type { Client } from '../client/index.js'

/** Something that is asked for again and again. */
export interface Poll {
  /** Asks at once. */
  readonly now: () => void
  readonly stop: () => void
}

/** Longest time until what has failed is tried again, in milliseconds. */
const MAX_DELAY_MS = 30_000

/**
 * Calls `ask` at once and then `everyMs` after it has ended, as long as the page is seen and there is a
 * connection; more seldom while it fails. A page that is hidden costs the server nothing.
 */
export function poll (
  { state }: Client, everyMs: number, ask: () => Promise<void>, onError: (error: unknown) => void
): Poll {
  let timer: ReturnType<typeof setTimeout> | undefined
  let isAsking = false
  let isWanted = false
  let isStopped = false
  let delayMs = everyMs

  const isPossible = (): boolean => document.visibilityState === 'visible' && state.value === 'open'

  const run = (): void => {
    clearTimeout(timer)
    if (isStopped || !isPossible()) return
    if (isAsking) {
      isWanted = true
      return
    }
    isAsking = true
    ask().then(() => { delayMs = everyMs }, error => {
      delayMs = Math.min(Math.max(delayMs * 2, everyMs), MAX_DELAY_MS)
      if (!isStopped) onError(error)
    }).finally(() => {
      isAsking = false
      if (isStopped) return
      if (!isWanted) {
        timer = setTimeout(run, delayMs)
        return
      }
      isWanted = false
      run()
    })
  }
  const wake = (): void => { if (isPossible()) run() }

  document.addEventListener('visibilitychange', wake)
  const unsubscribe = state.subscribe(wake)
  run()
  return {
    now: run,
    stop: () => {
      isStopped = true
      clearTimeout(timer)
      document.removeEventListener('visibilitychange', wake)
      unsubscribe()
    }
  }
}

/** Returns a function that calls `run` once `delayMs` have passed without another call. */
export function debounced (delayMs: number, run: () => void): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined
  return () => {
    clearTimeout(timer)
    timer = setTimeout(run, delayMs)
  }
}
