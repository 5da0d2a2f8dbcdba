import type {
  AccessOptions, CommitCause, DefinitionOptions, RequestToRemember, WhereFilter, WriteOptions
} from '@hamicek/noex-store'
import type { Presence } from './presence.js'
import type { Work } from './work.js'

/** Returns the note of a commit, see `WriteOptions`. */
export type NoteOf = NonNullable<WriteOptions['note']>

/** The request that causes a commit. */
export interface Cause {
  /** `undefined` for a request without a session. */
  readonly user?: string | undefined
  /** `undefined` where the audit needs no note. */
  readonly note?: NoteOf | undefined
  /** That of the request's connection: ephemeral records that it writes end with it. */
  readonly presence?: Presence | undefined
}

/** The records to which a request has access, and its limits. */
export interface RowScope extends Cause {
  /** The records of `bucket` that the request may read or change under `operation`; `undefined`: all. */
  readonly rows: (operation: string, bucket: string) => WhereFilter | undefined
  /**
   * Called in the step that commits.
   * @throws the error to reply with when the request is no longer allowed to access all of `rows`
   */
  readonly assertStillAllowed: () => void
  /** Counts the work of the request. */
  readonly work: Work
  /** Number of records that the request may change in one commit. */
  readonly maxChanges: number
  /** The request as its one commit remembers it; `undefined` without a key. */
  readonly idempotency?: RequestToRemember | undefined
}

/** The parts of a `RowScope` on which a commit depends. */
type CommitScope = Cause & Pick<RowScope, 'assertStillAllowed' | 'maxChanges' | 'idempotency'>

/** Returns the options of a commit for a request; `committing` is called in the step that commits. */
export function commitOptions (rowScope: CommitScope, committing?: () => void): WriteOptions {
  const { user, note, presence, idempotency } = rowScope
  const options: { -readonly [Name in keyof WriteOptions]: WriteOptions[Name] } = {
    maxChanges: rowScope.maxChanges,
    beforeCommit (writes) {
      committing?.()
      rowScope.assertStillAllowed()
      presence?.assertRoom(writes)
    }
  }
  // Member by member: to spread `causedBy` takes as long as several checks of a write.
  if (user !== undefined) options.user = user
  if (presence !== undefined) options.writer = presence
  if (note !== undefined) options.note = note
  if (idempotency !== undefined) options.idempotency = idempotency
  return options
}

/** The part of a `RowScope` on which a definition depends. */
export type DefinitionScope = Cause & Pick<RowScope, 'assertStillAllowed'>

/** Returns the options of the commit of a definition. */
export function definitionOptions (rowScope: DefinitionScope): DefinitionOptions {
  return { ...causedBy(rowScope), beforeCommit () { rowScope.assertStillAllowed() } }
}

/** Returns the cause of a commit in the form of the store. */
export function causedBy ({ user, note, presence }: Cause): CommitCause {
  return {
    ...(user !== undefined && { user }),
    ...(note !== undefined && { note }),
    ...(presence !== undefined && { writer: presence })
  }
}

/** Returns the options that limit access to a bucket under an operation, and count its work. */
export function accessOf (
  rowScope: Pick<RowScope, 'rows' | 'work'>, operation: string, bucket: string
): AccessOptions {
  const scope = rowScope.rows(operation, bucket)
  return scope === undefined ? { work: rowScope.work } : { scope, work: rowScope.work }
}

/** The records of a bucket to which a request has access: all, none, or those that match. */
export type RowAccess = boolean | WhereFilter
