import type { AccessOptions, DefinitionOptions, WhereFilter, WriteOptions } from '@hamicek/noex-store'
import type { Work } from './work.js'

/** How far the request reaches that a write is done for. */
export interface Reach {
  /** The records of `bucket` that the request may read or change under `operation`; `undefined`: all. */
  readonly rows: (operation: string, bucket: string) => WhereFilter | undefined
  /**
   * Called in the step that writes.
   * @throws the answer to a request that may no longer do all that `rows` has told
   */
  readonly ensure: () => void
  /** What the request takes. */
  readonly work: Work
  /** Records that it may change at once. */
  readonly maxChanges: number
  /** The user that commits name; `undefined` for a request without a session. */
  readonly user?: string | undefined
}

/** What the store has to ask and to heed when it commits for a request. */
export function commitOptions (reach: Pick<Reach, 'ensure' | 'maxChanges' | 'user'>): WriteOptions {
  return { maxChanges: reach.maxChanges, ...definitionOptions(reach) }
}

/** The same for a definition. */
export function definitionOptions (reach: Pick<Reach, 'ensure' | 'user'>): DefinitionOptions {
  return { ...causedBy(reach.user), beforeCommit () { reach.ensure() } }
}

/** Names the user that causes a commit, where there is one. */
export function causedBy (user: string | undefined): Pick<WriteOptions, 'user'> {
  return user === undefined ? {} : { user }
}

/** Confines and counts what is done under an operation in a bucket. */
export function accessOf (
  reach: Pick<Reach, 'rows' | 'work'>, operation: string, bucket: string
): AccessOptions {
  const scope = reach.rows(operation, bucket)
  return scope === undefined ? { work: reach.work } : { scope, work: reach.work }
}

/** Which records of a bucket may be reached: none, all, or those that match. */
export type Verdict = boolean | WhereFilter
