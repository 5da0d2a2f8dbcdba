import type { RequestToRemember, WhereFilter } from '@hamicek/noex-store'
import { NoexServerError } from '../protocol/errors.js'
import type { RequestMessage } from '../protocol/messages.js'
import type { Cause, NoteOf } from '../store/row-scope.js'
import type { Presence } from '../store/presence.js'
import { Work } from '../store/work.js'
import type { AskedRights } from './asked-rights.js'
import type { OperationAccess, Scope } from './policy.js'
import type { Principal } from './principal.js'

/**
 * The permission for one request: its principal, the records that it may read or change, and the cause of its
 * commits. `user` was logged in when it was granted.
 */
export interface Grant extends Cause {
  readonly principal: Principal
  /** Returns the records of `bucket` that the request may use under `operation`; `undefined`: all of them. */
  readonly rows: (operation: string, bucket: string) => WhereFilter | undefined
  /** Returns the records that a query may read for the principal, under the request's operation. */
  readonly scope: (query: string) => Scope
  /**
   * To be called after each wait, before anything is changed or sent.
   * @throws `UNAUTHORIZED` or `FORBIDDEN` unless the principal may still do what it asked for
   */
  readonly assertStillAllowed: () => void
  /** Counts the work that the request causes, in units. */
  readonly work: Work
  /** Records that the request may change in one commit. */
  readonly maxChanges: number
  /** Text that is the same while the principal has the same user and roles, and may use the same records. */
  readonly rights: string
  /** The request as its one commit remembers it, and the rights of its steps; `undefined` without a key. */
  idempotency?: (RequestToRemember & { readonly asked: AskedRights }) | undefined
  /** The audit entry of the request; `undefined` where it has none of its own, as a step has none. */
  entry?: EntryDetails | undefined
}

/** The entry of a request that is under way. */
interface EntryDetails {
  /** Adds details that only the operation knows, once it has run. */
  readonly addDetails: (details: Readonly<Record<string, unknown>>) => void
}

/** The checks that a grant repeats when it is asserted after a change of the principal. */
export interface RequestRights {
  /** Units of work that one request may take. */
  readonly workBudget: number
  /** Records that one request may change in one commit. */
  readonly maxCommitChanges: number
  /** @throws `UNAUTHORIZED` */
  requireLogin: (principal: Principal, operation: OperationAccess | undefined, type: string) => void
  /**
   * Returns the records to which the request is confined, by `rowAccessKey`; `undefined` when it is not.
   * @throws `FORBIDDEN`
   */
  rowAccess: (
    principal: Principal, operation: OperationAccess | undefined, request: RequestMessage
  ) => ReadonlyMap<string, WhereFilter> | undefined
  scope: (principal: Principal, operation: string, query: string) => Scope
}

/** Returns the key of the row access to a bucket under an operation. */
export function rowAccessKey (operation: string, bucket: string): string {
  return `${operation} ${bucket}`
}

/**
 * A grant of a request: as long as the version of its principal stays the same, it asserts by a comparison.
 */
export class RequestGrant implements Grant {
  readonly principal: Principal
  readonly user: string | undefined
  readonly note: NoteOf | undefined
  readonly maxChanges: number
  idempotency: Grant['idempotency']
  entry: Grant['entry']
  readonly #rights: RequestRights
  readonly #operation: OperationAccess | undefined
  readonly #request: RequestMessage
  readonly #rows: ReadonlyMap<string, WhereFilter> | undefined
  /** The query that the request runs, and the key of the records that it may read. */
  #scope: { readonly query: string, readonly key: string } | undefined
  #version: number
  #work: Work | undefined

  /** `rows`: the records to which the request is confined, by `rowAccessKey`. */
  constructor (
    rights: RequestRights, principal: Principal, operation: OperationAccess | undefined,
    request: RequestMessage, rows: ReadonlyMap<string, WhereFilter> | undefined, note: NoteOf | undefined
  ) {
    this.principal = principal
    this.note = note
    this.#rights = rights
    this.#operation = operation
    this.#request = request
    this.#rows = rows
    this.maxChanges = rights.maxCommitChanges
    this.user = principal.session?.userId
    this.#version = principal.version
  }

  rows (operation: string, bucket: string): WhereFilter | undefined {
    return this.#rows?.get(rowAccessKey(operation, bucket))
  }

  scope (query: string): Scope {
    const scope = this.#rights.scope(this.principal, this.#request.type, query)
    this.#scope = { query, key: scope.key }
    return scope
  }

  get presence (): Presence {
    return this.principal.presence
  }

  /** Created on first use: most requests count no work. */
  get work (): Work {
    this.#work ??= new Work(this.#rights.workBudget)
    return this.#work
  }

  get rights (): string {
    const { userId = null, roles = [] } = this.principal.session ?? {}
    return JSON.stringify([userId, [...roles].sort(), [...this.#rows ?? []]])
  }

  assertStillAllowed (): void {
    const { principal } = this
    if (principal.isOpen && principal.version === this.#version) return
    this.#rights.requireLogin(principal, this.#operation, this.#request.type)
    const rows = this.#rights.rowAccess(principal, this.#operation, this.#request)
    // The work so far was done for other records.
    if (!hasSameRows(rows, this.#rows) || !this.#hasSameScope()) {
      throw new NoexServerError(
        'FORBIDDEN', 'Permissions have changed while the request waited; send it again'
      )
    }
    this.#version = principal.version
  }

  #hasSameScope (): boolean {
    const scope = this.#scope
    if (scope === undefined) return true
    return this.#rights.scope(this.principal, this.#request.type, scope.query).key === scope.key
  }
}

function hasSameRows (
  a: ReadonlyMap<string, WhereFilter> | undefined, b: ReadonlyMap<string, WhereFilter> | undefined
): boolean {
  return a === b || (a !== undefined && b !== undefined && JSON.stringify([...a]) === JSON.stringify([...b]))
}
