import type { RowAccess } from '../store/row-scope.js'
import type { RequestMessage } from '../protocol/messages.js'
import type { Session } from '../protocol/session.js'

/** How far an operation reaches: what a role must have, and what the audit filters by. */
export type Tier = 'read' | 'write' | 'admin'

/** Something that an operation reads or changes, and the right that this takes. */
export interface ResourceAccess {
  /**
   * The operation that must be allowed on the resource; a transaction needs the right to each of its entries
   * too.
   */
  readonly operation: string
  /** The tier of that operation; `undefined` for one that has none or does not exist. */
  readonly tier: Tier | undefined
  readonly type: 'bucket' | 'query' | 'topic' | 'procedure' | 'server'
  /** `*` where the request names nothing. */
  readonly name: string
  /** Records are read or changed one by one, so that a rule may confine the operation to some of them. */
  readonly records: boolean
  /** Of a query that is being defined: the bucket that it will read. */
  readonly source?: string
}

/**
 * Who may call an operation at all. `everyone`: any client, without a login. `session`: any client that may
 * talk to the server, because the operation concerns only what is the client's own. `permission`: clients
 * whose policy allows everything that the request uses. `admin`, `superadmin`: users with that role of the
 * built-in identity.
 */
export type AccessLevel = 'everyone' | 'session' | 'permission' | 'admin' | 'superadmin'

/** What an operation tells about the rights that it takes. */
export interface OperationAccess {
  readonly name: string
  /** `undefined` for an operation that concerns no data: it needs no role, and no audit names it. */
  readonly tier: Tier | undefined
  readonly accessLevel: AccessLevel
  /**
   * Lists everything that a request uses. Works on unchecked input: a missing or mistyped name counts as `*`.
   */
  readonly resources: (request: RequestMessage) => readonly ResourceAccess[]
}

/** The topics of a pattern that a client may receive: `below` is, of `stem.*`, all but `stem` itself. */
export type TopicScope = 'whole' | 'below'

/** Which records of each bucket a query may read for somebody. */
export interface Scope {
  /** Equal for whoever may read the same, so that they share one live query. */
  readonly key: string
  /** Depends on nothing that changes: it answers as long as it is used as it did when it was made. */
  readonly rows: (bucket: string) => RowAccess
}

/** A query as policies see it. */
export interface QueryFacts {
  readonly name: string
  /** The bucket that a declarative query reads; `undefined` when only running the query tells. */
  readonly bucket: string | undefined
}

/** Says who may do what. Every answer is synchronous and costs about a microsecond. */
export interface Policy {
  /** Whether its answers may change without notice, so that it must be asked before each push too. */
  readonly isVolatile: boolean
  /** Whether the caller's roles reach as far as an operation of this tier. */
  admits: (session: Session | undefined, tier: Tier) => boolean
  /** Whether the caller may do this to that; `session` is `undefined` for an anonymous client. */
  decide: (session: Session | undefined, resource: ResourceAccess) => RowAccess
  /**
   * What a query may read for the caller when it runs under `operation` (`store.query` or `store.subscribe`).
   */
  scope: (session: Session | undefined, operation: string, query: QueryFacts) => Scope
}

/** Everything, for whoever asks. */
export const unlimitedScope: Scope = { key: '', rows: () => true }

/** The policy of a service without authentication. */
export const unlimited: Policy = {
  isVolatile: false,
  admits: () => true,
  decide: () => true,
  scope: () => unlimitedScope
}
