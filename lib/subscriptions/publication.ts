import { textFrame } from '../protocol/frame.js'
import { encodeDeltaPush } from '../protocol/live-messages.js'
import type { PageEnds } from './live-source.js'

/** The result that a client has: the epoch and the revision that came with it. */
export interface Position {
  readonly epoch: string
  readonly revision: number
}

/** The changes from one published result to the next one. */
interface PublishedChanges {
  /** The revision from which on a client must have had the result before. */
  readonly from: number
  /** The revision of the first change: with it, a client has had a part of what is published. */
  readonly changedAt: number
  /** The result that a client has then. */
  readonly to: Position
  /** The JSON of the delta, `undefined` where the complete result is shorter or nothing else is known. */
  readonly delta: string | undefined
}

/** A change that is shown to all subscribers at once, by a frame that they share. */
export class Publication {
  readonly #changes: PublishedChanges
  /** The frames, by whether another one follows. */
  readonly #frames: Array<Buffer | undefined> = []

  constructor (changes: PublishedChanges) {
    this.#changes = changes
  }

  /** The result that a client has with the frame. */
  get to (): Position {
    return this.#changes.to
  }

  /** Whether the frame brings a client from one revision to another one, both of the same epoch. */
  leads (start: number, end: number): boolean {
    const { from, changedAt, to, delta } = this.#changes
    if (delta === undefined || to.revision !== end) return false
    // A row that has come and gone since is in no delta, and would stay with a client that has it.
    return start >= from && start < changedAt
  }

  /** Returns the frame with the delta, and the ends of a page; `more`: another one of its moment follows. */
  frame (id: string, page: PageEnds | undefined, more: boolean): Buffer {
    const which = more ? 1 : 0
    const { to: { revision }, delta } = this.#changes
    const body = { delta: delta as string }
    this.#frames[which] ??= textFrame(encodeDeltaPush(id, { revision, page }, body, more))
    return this.#frames[which]
  }
}
