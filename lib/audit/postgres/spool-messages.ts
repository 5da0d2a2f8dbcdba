import type { SpoolEnd, SpoolPart } from './spool-file.js'

/** What the thread of a spool is told. Each command gets one answer, in order. */
export type SpoolCommand =
  | { readonly type: 'append', readonly lines: string }
  | {
    readonly type: 'read',
    readonly generation: number,
    readonly position: number,
    readonly maxLines: number
  }
  | { readonly type: 'clear', readonly generation: number, readonly size: number }
  | { readonly type: 'close' }

/**
 * What it answers. `size`: the bytes of the spool after the command; `generation`: which file they are in;
 * `begun`: whether the lines that were added begin it, because others have taken away the one before. The
 * first answer is that to its start.
 */
export type SpoolAnswer =
  | {
    readonly type: 'open'
    readonly size: number
    readonly end: SpoolEnd | undefined
    readonly torn: number
  }
  | {
    readonly type: 'done'
    readonly size: number
    readonly generation: number
    readonly begun?: boolean
    readonly part?: SpoolPart
    readonly cleared?: boolean
  }
  | { readonly type: 'failed', readonly message: string }
