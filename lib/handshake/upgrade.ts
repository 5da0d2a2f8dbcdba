import type { RequestHeaders, Session } from '../protocol/session.js'

/** The upgrade request that a connection comes from. */
export interface Upgrade {
  readonly remoteAddress: string
  /** The `reqId` under which Fastify logs the upgrade. */
  readonly requestId: string
  /** As far as a login may need them. */
  readonly headers: RequestHeaders
  /** Who the client is from the start, where a gateway has said so. */
  readonly session: Session | undefined
}
