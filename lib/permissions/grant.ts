import type { WhereFilter } from '@hamicek/noex-store'
import type { Cause } from '../store/row-scope.js'
import type { Work } from '../store/work.js'
import type { Client } from './client.js'
import type { Scope } from './policy.js'

/**
 * Findings of the gate about one request: who asks, which records it may reach, and the cause that its
 * commits name. `user` was logged in when it was let in.
 */
export interface Grant extends Cause {
  readonly client: Client
  /**
   * The records of `bucket` that the request may read or change under `operation`; `undefined`: all of them.
   */
  readonly rows: (operation: string, bucket: string) => WhereFilter | undefined
  /** What a query may read for the client, under the request's operation. */
  readonly scope: (query: string) => Scope
  /**
   * To be called after a wait, before anything is changed or told.
   * @throws `UNAUTHORIZED` or `FORBIDDEN` unless the client may still do what it asked for
   */
  readonly assertStillAllowed: () => void
  /** What the request takes. */
  readonly work: Work
  /** Records that it may change at once. */
  readonly maxChanges: number
}
