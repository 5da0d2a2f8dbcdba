import type { Test } from 'tap'

/** Has `Math.random` return `value` until the test is over. */
export function withoutChance (t: Test, value: number): void {
  const { random } = Math
  Math.random = () => value
  t.teardown(() => { Math.random = random })
}
