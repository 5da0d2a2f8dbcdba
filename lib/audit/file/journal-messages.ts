import type { Checkpoint } from '../chain/checkpoint.js'
import type { JournalOptions } from './journal.js'

/** What the lock's error says. */
export const LOCK_TAKEN = 'another process or sink writes this trail'

/** Settings that the thread of a trail's journal is started with. */
export interface JournalSettings extends Omit<JournalOptions, 'key'> {
  /** PEM. */
  readonly signingKey: string | undefined
  readonly checkpointIntervalMs: number
}

/** State of a trail at its opening. */
export interface OpenedTrail {
  readonly torn: { readonly bytes: number, readonly lines: number } | undefined
  readonly unsigned: number
  readonly formerName: string | undefined
}

/** What the thread tells besides the reports of every journal. */
export type TrailNotice =
  | { readonly type: 'checkpoint', readonly checkpoint: Checkpoint }
  /** Others have changed files of the trail. */
  | { readonly type: 'warning', readonly message: string }
