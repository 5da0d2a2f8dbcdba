import type {
  AccessOptions, CommitCause, DefinitionOptions, WhereFilter, WriteOptions
} from '@hamicek/noex-store'
import type { Work } from './work.js'

/** Makes the note of a commit, see `WriteOptions`. */
export type NoteOf = NonNullable<WriteOptions['note']>

/** The cause of commits: a request. */
export interface Cause {
  /** `undefined` for a request without a session. */
  readonly user?: string | undefined
  /** `undefined` where the audit needs none. */
  readonly note?: NoteOf | undefined
}

/** How far the request reaches that a write is done for. */
export interface RowScope extends Cause {
  /** The records of `bucket` that the request may read or change under `operation`; `undefined`: all. */
  readonly rows: (operation: string, bucket: string) => WhereFilter | undefined
  /**
   * Called in the step that writes.
   * @throws the answer to a request that may no longer do all that `rows` has told
   */
  readonly assertStillAllowed: () => void
  /** What the request takes. */
  readonly work: Work
  /** Records that it may change at once. */
  readonly maxChanges: number
}

/**
 * Returns what the store has to ask and to heed when it commits for a request; `committing` is called in that
 * step.
 */
export function commitOptions (
  reach: Cause & Pick<RowScope, 'assertStillAllowed' | 'maxChanges'>, committing?: () => void
): WriteOptions {
  const options = { maxChanges: reach.maxChanges, ...causedBy(reach) }
  if (committing === undefined) return { ...options, beforeCommit () { reach.assertStillAllowed() } }
  return {
    ...options,
    beforeCommit () {
      committing()
      reach.assertStillAllowed()
    }
  }
}

/** The same for a definition. */
export function definitionOptions (reach: Cause & Pick<RowScope, 'assertStillAllowed'>): DefinitionOptions {
  return { ...causedBy(reach), beforeCommit () { reach.assertStillAllowed() } }
}

/** Names the cause of a commit, as the store takes it. */
export function causedBy ({ user, note }: Cause): CommitCause {
  return { ...(user !== undefined && { user }), ...(note !== undefined && { note }) }
}

/** Confines and counts what is done under an operation in a bucket. */
export function accessOf (
  reach: Pick<RowScope, 'rows' | 'work'>, operation: string, bucket: string
): AccessOptions {
  const scope = reach.rows(operation, bucket)
  return scope === undefined ? { work: reach.work } : { scope, work: reach.work }
}

/** Which records of a bucket may be reached: none, all, or those that match. */
export type RowAccess = boolean | WhereFilter
