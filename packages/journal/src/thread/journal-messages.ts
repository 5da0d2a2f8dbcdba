/**
 * Commands to the thread of a journal. `texts`: entries, one in a line. `attempt` counts the failures that
 * the sender has heard of: what it sent before those is dropped.
 */
export type JournalCommand =
  | { readonly type: 'write', readonly attempt: number, readonly texts: readonly string[] }
  | { readonly type: 'probe', readonly attempt: number }
  | { readonly type: 'call', readonly id: number, readonly value: unknown }
  | { readonly type: 'close' }

/** Reports of the thread. */
export type JournalReport<Opened, Notice> =
  | { readonly type: 'open', readonly opened: Opened }
  | { readonly type: 'refused', readonly message: string }
  /** So many entries more are durable. */
  | { readonly type: 'durable', readonly count: number }
  /** An attempt has failed. The thread tries again, or with `attempt` has dropped all that waited. */
  | {
    readonly type: 'failing'
    readonly message: string
    readonly code: string | undefined
    readonly attempt?: number
  }
  | { readonly type: 'probed' }
  /** Answer to a call, in order. */
  | { readonly type: 'answer', readonly id: number, readonly value?: unknown, readonly error?: string }
  /** A problem that delays no entry. */
  | { readonly type: 'warning', readonly message: string }
  | { readonly type: 'notice', readonly notice: Notice }
  | { readonly type: 'closed' }
