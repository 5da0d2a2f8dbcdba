import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** Attempts to read files that are changing. */
const ATTEMPTS = 5
const PAUSE_MS = 100

/**
 * Reads the files of a directory that a server may be writing to: again, up to four times, when the result is
 * not good or the reading throws and the files have changed meanwhile.
 * @throws what the last attempt throws
 */
export async function readSteadily<T> (
  directory: string, read: () => T | Promise<T>, isGood: (result: T) => boolean
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const before = traceOf(directory)
    const hasMoved = (): boolean => attempt < ATTEMPTS && traceOf(directory) !== before
    try {
      const result = await read()
      if (isGood(result) || !hasMoved()) return result
    } catch (error) {
      if (!hasMoved()) throw error
    }
    await sleep(PAUSE_MS)
  }
}

/** Returns a text that is another one when a file has come, gone or changed. */
function traceOf (directory: string): string {
  return readdirSync(directory).map(name => {
    const { size, mtimeMs } = statSync(join(directory, name), { throwIfNoEntry: false }) ?? {}
    return `${name} ${size} ${mtimeMs}`
  }).join('\n')
}
