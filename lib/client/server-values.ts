/** An event of the rules. */
export interface RuleEvent<T = any> {
  readonly id: string
  readonly topic: string
  readonly data: T
  /** Epoch milliseconds. */
  readonly timestamp: number
  readonly correlationId?: string
  readonly causationId?: string
  readonly source: 'api' | 'rule' | 'timer'
}

/** A fact of the rules. */
export interface Fact<T = any> {
  readonly key: string
  readonly value: T
  /** Epoch milliseconds. */
  readonly timestamp: number
  readonly source: string
  readonly version: number
}

/** The user of a connection. */
export interface Whoami {
  readonly authenticated: boolean
  readonly userId?: string
  readonly roles?: readonly string[]
  /** Epoch milliseconds; `null` where the session does not expire. */
  readonly expiresAt?: number | null
}

/** The user of a token that has logged in. */
export interface LoggedIn {
  readonly userId: string
  readonly roles: readonly string[]
  /** Epoch milliseconds; `null` where the session does not expire. */
  readonly expiresAt: number | null
}

/** A new session of an account. */
export interface AccountLogin {
  /** Logs in by `auth.login`, on any connection, until `expiresAt`. */
  readonly token: string
  /** Epoch milliseconds. */
  readonly expiresAt: number
  readonly user: {
    readonly id: string
    readonly username: string
    readonly displayName?: string
    readonly roles: readonly string[]
  }
}

/** An account. */
export interface Account {
  readonly id: string
  readonly username: string
  readonly enabled: boolean
  readonly displayName?: string | null
  readonly email?: string | null
  readonly metadata?: Readonly<Record<string, unknown>> | null
  readonly _createdAt: number
  readonly _updatedAt: number
}

/** Members of an account that its user may change; `null` takes one away. */
export interface AccountChanges {
  readonly displayName?: string | null | undefined
  readonly email?: string | null | undefined
  readonly metadata?: Readonly<Record<string, unknown>> | null | undefined
}

/** A permission of a role. PROTOCOL.md, "Permissions of users". */
export interface RolePermission {
  readonly allow: string | readonly string[]
  readonly buckets?: readonly string[]
  readonly topics?: readonly string[]
  readonly where?: object
}

/** A role of accounts. */
export interface Role {
  readonly id: string
  readonly name: string
  readonly description?: string | null
  readonly permissions: readonly RolePermission[]
  /** Whether it exists from the start. */
  readonly system: boolean
  readonly _createdAt: number
  readonly _updatedAt: number
}

/** A thing to which users and roles may have access. */
export interface Resource {
  readonly resourceType: 'bucket' | 'topic' | 'procedure' | 'query'
  readonly resourceName: string
}

/** A user or a role, and a resource. */
export interface AccessSubject extends Resource {
  readonly subjectType: 'user' | 'role'
  readonly subjectId: string
}

/** The right to a part of the operations on a resource. */
export type Access = 'read' | 'write' | 'admin'

/** An entry of the audit trail. */
export interface AuditedRequest {
  /** Epoch milliseconds. */
  readonly timestamp: number
  readonly userId: string | null
  readonly userName?: string
  readonly sessionId: string | null
  readonly operation: string
  readonly resource: string
  readonly result: 'success' | 'error'
  readonly error?: string
  readonly details?: Readonly<Record<string, unknown>>
  readonly remoteAddress: string
}

/** Which entries of the audit trail to read, the newest first. */
export interface AuditFilter {
  readonly userId?: string
  /** The id of the user, or its name. */
  readonly user?: string
  readonly operation?: string
  readonly result?: 'success' | 'error'
  /** Epoch milliseconds, included. */
  readonly from?: number
  /** Epoch milliseconds, included. */
  readonly to?: number
  readonly limit?: number
}
