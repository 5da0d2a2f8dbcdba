import { lstatSync, readdirSync, realpathSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { isLogFile } from '../log/identity.js'

/** Names of files that a log has, or that a start would take for its own, in letters of any case. */
const logNames = /^(store\.((\d{16}\.)?log|json|lock|mark|torn|unfinished)|snapshot\.(\d{16}\.log|new))$/i

/**
 * Returns where a file is to be written, without links. Neither has it a name of a log's files, nor is it in
 * a directory of a store, at any depth: that which is read, `directory`, or another one.
 * @throws Error with the file and the remedy
 */
export function targetFile (file: string, directory: string): string {
  const folder = dirname(file)
  if (!isDirectory(folder)) {
    throw new Error(`${file}: ${folder} is no directory: make it, or name another file`)
  }
  const path = join(realpathSync.native(folder), basename(file))
  const store = storeAbove(path, directory)
  if (store !== undefined) {
    throw new Error(`${file} is inside ${store}, the directory of a store: name a file outside of it`)
  }
  if (!logNames.test(basename(file))) return path
  throw new Error(`${file} has a name of a store's log: name another one, shop.backup for instance`)
}

/**
 * Refuses a directory for a log that cannot be made, or lies inside the directory of another store.
 * @throws Error with the directory and the remedy
 */
export function refuseTargetDirectory (directory: string): void {
  let there = directory
  while (!isDirectory(there) && there !== dirname(there)) {
    if (isLink(there)) {
      throw new Error(`${there} is a link that leads to no directory: remove it, or name another directory`)
    }
    there = dirname(there)
  }
  const path = realpathSync.native(there)
  const store = storeAbove(there === directory ? path : join(path, 'new'))
  if (store === undefined) return
  throw new Error(`${directory} is inside ${store}, the directory of a store: name one outside of it`)
}

/** Returns whether two paths lead to the same directory, by whichever links and names. */
export function isSameDirectory (one: string, other: string): boolean {
  const first = identityOf(one)
  return first !== undefined && first === identityOf(other)
}

/** Returns whether a directory is somewhere below another one. Both are there. */
export function isBelow (inner: string, outer: string): boolean {
  return parentsOf(realpathSync.native(inner)).some(parent => isSameDirectory(parent, outer))
}

/** Returns the innermost directory above a path without links that is `directory`, or that of a store. */
function storeAbove (path: string, directory?: string): string | undefined {
  return parentsOf(path).find(parent => {
    return (directory !== undefined && isSameDirectory(parent, directory)) || hasLog(parent)
  })
}

function parentsOf (path: string): string[] {
  const parent = dirname(path)
  return parent === path ? [] : [parent, ...parentsOf(parent)]
}

function hasLog (directory: string): boolean {
  try {
    const names = readdirSync(directory)
    return names.includes('store.json') && names.some(isLogFile)
  } catch {
    // A directory that this user may not list is none of a store that it could harm.
    return false
  }
}

function isLink (path: string): boolean {
  try {
    return lstatSync(path).isSymbolicLink()
  } catch {
    return false
  }
}

function isDirectory (path: string): boolean {
  return identityOf(path) !== undefined
}

/** Returns what tells a directory from all others; `undefined` where there is none. */
function identityOf (path: string): string | undefined {
  try {
    const stats = statSync(path, { bigint: true })
    return stats.isDirectory() ? `${stats.dev} ${stats.ino}` : undefined
  } catch {
    return undefined
  }
}
