import { existsSync, readdirSync, statSync } from 'node:fs'
import { isLogFile, readIdentity } from '../log/identity.js'

const REMEDY = 'name that of a store'

/** @throws where there is no directory, or no log of a store in it */
export function requireLog (directory: string): void {
  if (!existsSync(directory)) throw new Error(`${directory}: there is no such directory: ${REMEDY}`)
  if (!statSync(directory).isDirectory()) throw new Error(`${directory} is no directory: ${REMEDY}`)
  const names = readdirSync(directory)
  if (names.includes('store.json') || names.some(isLogFile)) return
  // Throws with a better reason, where there is one.
  readIdentity(directory)
  throw new Error(`${directory} has no log of a store: name the directory of one`)
}
