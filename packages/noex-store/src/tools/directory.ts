import { existsSync, readdirSync, statSync } from 'node:fs'
import { isLogFile, readIdentity } from '../log/identity.js'

/** @throws where there is no directory, or no log of a store in it */
export function requireLog (directory: string): void {
  if (!existsSync(directory)) throw new Error(`${directory}: there is no such directory`)
  if (!statSync(directory).isDirectory()) throw new Error(`${directory} is no directory`)
  const names = readdirSync(directory)
  if (names.includes('store.json') || names.some(isLogFile)) return
  // Throws with a better reason, where there is one.
  readIdentity(directory)
  throw new Error(`${directory} has no log of a store`)
}
