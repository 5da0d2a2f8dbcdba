import type { WhereFilter } from '@hamicek/noex-store'
import type { Work } from './work.js'

/** How far the request reaches that a write is done for. */
export interface Reach {
  /** The records of `bucket` that the request may read or change under `operation`; `undefined`: all of them. */
  readonly rows: (operation: string, bucket: string) => WhereFilter | undefined
  /**
   * Called after a wait, right before something is written.
   * @throws whatever answers a request that may no longer do all that `rows` has told
   */
  readonly ensure: () => void
  /** What the request takes. */
  readonly work: Work
}
