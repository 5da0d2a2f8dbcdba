import { NotRegisteredError } from './errors.js'
import type { GenServerRef } from './ref.js'
import { assignName, listNames, refOf, removeName } from './server-table.js'

/** The names of the running servers of this process. A name goes when its server stops. */
export const Registry = { register, lookup, whereis, unregister, isRegistered, getNames, count }

/** Gives a running server a further name. Throws `AlreadyRegisteredError` or `ServerNotRunningError`. */
function register (name: string, ref: GenServerRef): void {
  assignName(name, ref)
}

/** Finds a server by name. Throws `NotRegisteredError`. */
function lookup (name: string): GenServerRef {
  const ref = refOf(name)
  if (ref === undefined) throw new NotRegisteredError(name)
  return ref
}

/** Finds a server by name; `undefined` when there is none. */
function whereis (name: string): GenServerRef | undefined {
  return refOf(name)
}

/** Frees a name; the server goes on. A name that is free is fine. */
function unregister (name: string): void {
  removeName(name)
}

/** Tells whether a running server has this name. */
function isRegistered (name: string): boolean {
  return refOf(name) !== undefined
}

/** Lists the names, oldest first. */
function getNames (): string[] {
  return listNames()
}

/** Counts the names. */
function count (): number {
  return listNames().length
}
