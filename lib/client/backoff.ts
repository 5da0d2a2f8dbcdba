/**
 * Returns the delay before the next attempt, in milliseconds; `undefined` where there is to be none.
 * `openMs`: how long the last connection has been open, absent where the attempt has failed.
 */
export type NextDelay = (openMs?: number) => number | undefined

/**
 * Returns delays with full jitter: each is a random part of a bound, which doubles. A connection that has
 * been open for as long as the bound begins anew: one that is lost at once, again and again, does not.
 */
export function backoff (minMs: number, maxMs: number): (openMs?: number) => number {
  let boundMs = minMs
  return (openMs = 0) => {
    const delayMs = Math.min(openMs < boundMs ? boundMs : minMs, maxMs)
    boundMs = delayMs * 2
    return delayMs * Math.random()
  }
}
