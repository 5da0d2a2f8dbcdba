import { randomUUID } from 'node:crypto'

declare const messages: unique symbol

/**
 * The address of a server: a plain object whose identity is its `id`.
 *
 * The four type parameters exist for the checker alone, so that a call through the ref knows its
 * messages and its reply.
 */
export interface GenServerRef<State = unknown, Call = unknown, Cast = unknown, Reply = unknown> {
  readonly id: string
  /** Never set: this kernel knows one process only. */
  readonly nodeId?: string
  // A method, because its parameters are compared both ways: a typed ref is then accepted where any
  // ref is expected, and comes back.
  [messages]? (state: State, call: Call, cast: Cast, reply: Reply): void
}

// A second copy of this package in the process has its own servers. The random part keeps its ids
// apart, so that its refs are unknown here instead of pointing at some other server.
const copy = randomUUID().slice(0, 8)
let count = 0

/** Makes an id that no other server, bus or supervisor of this process has. */
export function nextId (kind: string): string {
  return `${kind}-${copy}-${++count}`
}
