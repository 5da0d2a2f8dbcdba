import { chmodSync, lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Leaves a directory (0700) and the files of a log in it (0600) to their owner alone.
 * @throws when they belong to another user
 */
export function makePrivate (directory: string): void {
  if (process.platform === 'win32') return
  setMode(directory, 0o700)
  for (const name of readdirSync(directory)) {
    const path = join(directory, name)
    const isFile = lstatSync(path, { throwIfNoEntry: false })?.isFile() === true
    if (isFile && /^(store|snapshot)\./.test(name)) setMode(path, 0o600)
  }
}

function setMode (path: string, mode: number): void {
  if ((lstatSync(path).mode & 0o777) === mode) return
  try {
    chmodSync(path, mode)
  } catch (error) {
    const { message } = error as Error
    throw new Error(`${path} belongs to another user: give it to the user of this process (${message})`)
  }
}
