import type { Checkpoint } from './checkpoint.js'
import type { JournalOptions } from './journal.js'

/** What the thread of a journal is started with. */
export interface JournalSettings extends Omit<JournalOptions, 'key'> {
  /** PEM. */
  readonly signingKey: string | undefined
  readonly checkpointIntervalMs: number
}

/** What the thread is told. `entries`: the JSON of each, one in a line; the next come when these are durable. */
export type JournalCommand = { readonly type: 'write', readonly entries: string } | { readonly type: 'close' }

/** What the thread tells. */
export type JournalReport =
  | {
    readonly type: 'open'
    readonly torn: { readonly bytes: number, readonly lines: number } | undefined
    readonly unsealed: number
    readonly formerName: string | undefined
  }
  | { readonly type: 'refused', readonly message: string }
  | { readonly type: 'durable' }
  | { readonly type: 'failing', readonly message: string, readonly reason: string }
  /** A checkpoint cannot be made; entries become durable all the same. */
  | { readonly type: 'trouble', readonly message: string }
  /** Others have changed files of the trail. */
  | { readonly type: 'warning', readonly message: string }
  | { readonly type: 'checkpoint', readonly checkpoint: Checkpoint }
  | { readonly type: 'closed' }
