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
  shutDown (reason: TerminateReason, timeoutMs: number): Promise<void>
  onStop (listener: StopListener): () => void
}

// The only state of this package: every running server by id, and every name by which one is known.
const servers = new Map<string, AnyServer>()
const names = new Map<string, GenServerRef>()
const reserved = new Set<string>()

/** Makes a server findable by its ref until it stops. */
export function addServer (server: AnyServer): void {
  servers.set(server.id, server)
  server.onStop(() => { servers.delete(server.id) })
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
  const server = findServer(ref)
  if (server === undefined) throw new ServerNotRunningError(ref.id)
  if (names.has(name) || reserved.has(name)) throw new AlreadyRegisteredError(name)
  names.set(name, ref)
  // The name may by then belong to another server.
  server.onStop(() => { if (names.get(name) === ref) names.delete(name) })
}

/** Frees a name; a name that nobody holds is fine. */
export function removeName (name: string): void {
  names.delete(name)
}

/** Finds the ref behind a name. */
export function refOf (name: string): GenServerRef | undefined {
  return names.get(name)
}

/** Lists the names in the order in which they were given. */
export function listNames (): string[] {
  return [...names.keys()]
}
