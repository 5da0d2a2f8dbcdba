import type { RequestHeaders, Session } from '../protocol/session.js'

/** The request of a connection: an upgrade, or one for a stream of events. */
export interface Upgrade {
  readonly remoteAddress: string
  /** The `reqId` under which Fastify logs the upgrade. */
  readonly requestId: string
  /** The headers that an authenticator may read: see `retainedHeaders`. */
  readonly headers: RequestHeaders
  /** The session that a gateway has given the client; `undefined` otherwise. */
  readonly session: Session | undefined
  /** Whether the connection ends with its session, because the client cannot log in anew. */
  readonly endsWithSession?: boolean
}
