/** The longest delay that a Node.js timer takes, in milliseconds; it makes longer ones 1 ms. */
const MAX_DELAY_MS = 2 ** 31 - 1

/**
 * Starts a timer that does not keep the process alive.
 * A delay beyond 24.8 days, `Infinity` too, is cut to that.
 */
export function startUnrefTimer (onTime: () => void, delayMs: number): NodeJS.Timeout {
  return setTimeout(onTime, Math.min(delayMs, MAX_DELAY_MS)).unref()
}
