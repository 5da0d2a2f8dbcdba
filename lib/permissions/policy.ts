import type { RowAccess } from '../store/row-scope.js'
import type { RequestMessage } from '../protocol/messages.js'
import type { Session } from '../protocol/session.js'

/** The tier of an operation, which built-in roles are compared with and the audit filters by. */
export type Tier = 'read' | 'write' | 'admin'

/** A resource that an operation reads or changes, with the right that this takes. */
export interface ResourceAccess {
  /** The operation that must be allowed on the resource: of a transaction, also those of its entries. */
  readonly operation: string
  /** The tier of that operation; `undefined` for one that has none or does not exist. */
  readonly tier: Tier | undefined
  readonly type: 'bucket' | 'query' | 'topic' | 'procedure' | 'server'
  /** `*` where the request names nothing. */
  readonly name: string
  /** Whether records are read or changed one by one, so that `where` may confine the operation to some. */
  readonly records: boolean
  /** Of a query that is being defined: the bucket that it will read. */
  readonly source?: string
}

/**
 * The clients that may call an operation. `everyone`: any client, without a login. `session`: any client that
 * has logged in or need not, because the operation concerns only its own session. `permission`: clients whose
 * policy allows all resources of the request. `admin`, `superadmin`: users with that role of the built-in
 * identity.
 */
export type AccessLevel = 'everyone' | 'session' | 'permission' | 'admin' | 'superadmin'

/** The rights that an operation takes. */
export interface OperationAccess {
  readonly name: string
  /** `undefined` for an operation that concerns no data: it needs no role and is not audited. */
  readonly tier: Tier | undefined
  readonly accessLevel: AccessLevel
  /**
   * Returns the resources of a request. Works on unchecked input: a missing or mistyped name counts as `*`.
   */
  readonly resources: (request: RequestMessage) => readonly ResourceAccess[]
}

/** The topics of a pattern that a client may receive: `below` is, of `stem.*`, all but `stem` itself. */
export type TopicScope = 'whole' | 'below'

/** The records of each bucket that a query may read for a session. */
export interface Scope {
  /** Equal for sessions that may read the same records, so that they share one live query. */
  readonly key: string
  /** Returns the records of a bucket. Its answers do not change as long as the scope is used. */
  readonly rows: (bucket: string) => RowAccess
}

/** A query as policies see it. */
export interface QueryFacts {
  readonly name: string
  /** The bucket that a declarative query reads; `undefined` when only running the query tells. */
  readonly bucket: string | undefined
}

/** Decides about the rights of sessions. Every method is synchronous and takes about a microsecond. */
export interface Policy {
  /** Whether its answers may change without notice, so that it must be asked before each push. */
  readonly isVolatile: boolean
  /** Whether the roles of the session allow operations of this tier. */
  admits: (session: Session | undefined, tier: Tier) => boolean
  /** Returns the access to a resource; `session` is `undefined` for an anonymous client. */
  decide: (session: Session | undefined, resource: ResourceAccess) => RowAccess
  /** Returns the records that a query may read under `operation`, `store.query` or `store.subscribe`. */
  scope: (session: Session | undefined, operation: string, query: QueryFacts) => Scope
}

/** The scope of all records. */
export const unlimitedScope: Scope = { key: '', rows: () => true }

/** Returns the scope of a query that reads `bucket` alone. */
export function scopeOfBucket (bucket: string, rowAccess: RowAccess): Scope {
  return {
    key: rowAccess === true ? '' : JSON.stringify(rowAccess),
    rows: opened => opened === bucket && rowAccess
  }
}

/** The policy of a service without authentication. */
export const unlimited: Policy = {
  isVolatile: false,
  admits: () => true,
  decide: () => true,
  scope: () => unlimitedScope
}
