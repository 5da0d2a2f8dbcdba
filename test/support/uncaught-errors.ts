import type { Test } from 'tap'

/**
 * Collects what would end a process, until the test is over: uncaught errors and unhandled rejections.
 */
export function watchUncaughtErrors (t: Test): readonly unknown[] {
  const uncaught: unknown[] = []
  const note = (error: unknown): void => { uncaught.push(error) }
  process.on('uncaughtException', note)
  process.on('unhandledRejection', note)
  t.teardown(() => {
    process.off('uncaughtException', note)
    process.off('unhandledRejection', note)
  })
  return uncaught
}
