import type { TerminateReason } from './behavior.js'
import { AlreadyRegisteredError, ServerNotRunningError } from './errors.js'
import type { GenServerRef } from './ref.js'
import type { StopListener } from './server.js'

/** A server of which only the address is known, not the types of its messages. */
export interface AnyServer {
  readonly id: string
  readonly isRunning: boolean
  call (msg: unknown, timeoutMs: number): Promise<unknown>
  cast (msg: unknown): void
  stop (reason: TerminateReason): Promise<void>
  kill (reason: TerminateReason): void
  onStop (listener: StopListener): () => void
}

// Every running server by id, and every name by which one is known.
const servers = new Map<string, AnyServer>()
const names = new Map<string, GenServerRef>()
const namesById = new Map<string, Set<string>>()
const reserved = new Set<string>()

/** Makes a server findable by its ref, and later by its names, until it stops. */
export function addServer (server: AnyServer): void {
  servers.set(server.id, server)
  server.onStop(() => removeServer(server.id))
}

function removeServer (id: string): void {
  servers.delete(id)
  for (const name of namesById.get(id) ?? []) names.delete(name)
  namesById.delete(id)
}

/** Finds the server of a ref; `undefined` when it has stopped or never was. */
export function findServer (ref: GenServerRef): AnyServer | undefined {
  return servers.get(ref.id)
}

/** Keeps a name for a server that is about to start. Throws `AlreadyRegisteredError`. */
export function reserveName (name: string): void {
  if (names.has(name) || reserved.has(name)) throw new AlreadyRegisteredError(name)
  reserved.add(name)
}

/** Gives a reserved name back. */
export function cancelReservation (name: string): void {
  reserved.delete(name)
}

/**
 * Names a running server until it stops or the name is removed; a server may have several names.
 * Throws `AlreadyRegisteredError` or `ServerNotRunningError`.
 */
export function assignName (name: string, ref: GenServerRef): void {
  if (findServer(ref)?.isRunning !== true) throw new ServerNotRunningError(ref.id)
  if (names.has(name) || reserved.has(name)) throw new AlreadyRegisteredError(name)
  names.set(name, ref)
  const namesOfServer = namesById.get(ref.id) ?? new Set()
  namesById.set(ref.id, namesOfServer.add(name))
}

/** Frees a name; a name that is free is fine. */
export function removeName (name: string): void {
  const ref = names.get(name)
  if (ref === undefined) return
  names.delete(name)
  namesById.get(ref.id)?.delete(name)
}

/** Finds the ref behind a name. */
export function refOf (name: string): GenServerRef | undefined {
  return names.get(name)
}

/** Lists the names in the order in which they were given. */
export function listNames (): string[] {
  return [...names.keys()]
}
