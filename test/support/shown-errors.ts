import type { Test } from 'tap'

/** Collects what is shown by `console.error` until the test is over. */
export function shownErrors (t: Test): unknown[] {
  const shown: unknown[] = []
  t.intercept(console, 'error', { value: (error: unknown) => { shown.push(error) } })
  return shown
}
