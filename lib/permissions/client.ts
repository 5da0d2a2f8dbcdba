import type { QuerySubscriptions } from '../subscriptions/query-subscriptions.js'
import type { EventSubscriptions } from '../subscriptions/event-subscriptions.js'
import type { RequestMessage } from '../protocol/messages.js'
import type { Log } from '../util/log.js'
import type { Tier, ResourceAccess } from './policy.js'
import type { Origin, Session } from '../protocol/session.js'

/** The client that sent a request, as far as operations know it. */
export interface Client {
  readonly id: string
  readonly origin: Origin
  /** The logger of its connection. */
  readonly log: Log
  /** Whether it still takes requests: not once a close has begun. */
  readonly open: boolean
  readonly session: Session | undefined
  /** To live queries. */
  readonly subscriptions: QuerySubscriptions
  /** To rule events. */
  readonly eventSubscriptions: EventSubscriptions
  /**
   * Makes this the client's session, in place of any other; its subscriptions are looked at anew. Does
   * nothing once the client has gone.
   */
  logIn: (session: Session) => void
  /** Makes the client anonymous; its subscriptions are suspended unless an anonymous client may have them. */
  logOut: () => void
}

/**
 * Who may call an operation at all. `everyone`: without a login. `session`: whoever may talk to the server,
 * because it concerns nothing but the caller's own. `permission`: whoever the policy allows all that is
 * touched. `admin`, `superadmin`: who holds such a role of the built-in identity.
 */
export type AccessLevel = 'everyone' | 'session' | 'permission' | 'admin' | 'superadmin'

/** What decides who may call an operation. */
export interface GuardedOperation {
  readonly name: string
  /** `undefined` for what concerns nobody's data: no role is asked for it and no audit names it. */
  readonly tier: Tier | undefined
  readonly accessLevel: AccessLevel
  /** All that the request touches. Works on unchecked input: what is missing or mistyped counts as `*`. */
  readonly resources: (request: RequestMessage) => readonly ResourceAccess[]
}
