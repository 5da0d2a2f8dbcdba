import type { TouchedRow } from '@hamicek/noex-store'
import { encodeDeltaPush, type LiveBody } from '../protocol/live-messages.js'
import { ChangeHistory, type NetChanges } from './change-history.js'
import { deltaOf, EMPTY_DELTA } from './delta.js'
import type { EncodedResult } from './encoded-result.js'
import type { KeyedRows, LiveSource } from './live-source.js'
import { Publication, type Position } from './publication.js'

/** Rows of a delta, which is encoded in one go; a complete result is encoded in slices. */
const MAX_DELTA_ROWS = 4_000

/** The difference between a client's result and the present one, or the complete one where it is shorter. */
interface Update {
  readonly revision: number
  /** The JSON of `delta`, `undefined` where the client must get the complete result. */
  readonly delta: string | undefined
}

/** How clients know a result. */
interface ResultIdentity {
  /** The subscription id that subscribers share. */
  readonly id: string
  /** Names the history of the result: a client that has another one gets the complete result. */
  readonly epoch: string
}

/**
 * The updates of the result of one live query: what is published to all at once, and what a client gets that
 * has an earlier result than those.
 */
export class ResultUpdates {
  readonly #identity: ResultIdentity
  readonly #source: LiveSource
  readonly #encoded: EncodedResult
  readonly #history = new ChangeHistory(0)
  /** Revision up to which changes have been published. */
  #publishedTo = 0
  #publication: Publication | undefined
  /** Of the last publication, what its rows do not tell. */
  #published: { readonly page: string | undefined, readonly text: string | undefined } | undefined
  /** Revision from which on the ends of the page are the present ones. */
  #endsChangedAt = 0

  constructor (identity: ResultIdentity, source: LiveSource, encoded: EncodedResult) {
    this.#identity = identity
    this.#source = source
    this.#encoded = encoded
  }

  /** Revision of the result that was published last. */
  get publishedTo (): number {
    return this.#publishedTo
  }

  /** Estimated bytes of the history. */
  get bytes (): number {
    return this.#history.bytes
  }

  /** Takes the present result for the first one, which all subscribers get by themselves. */
  begin (): void {
    this.#history.reset(this.#source.revision)
    this.#publishedTo = this.#source.revision
    this.#isOther(undefined)
  }

  /** Takes the present result for the first one, which is yet to be published. */
  beginUnpublished (): void {
    this.#history.reset(this.#source.revision)
    this.#publishedTo = -1
  }

  /** Adds the changes of a revision; `undefined` where nothing is known of the rows. */
  add (revision: number, touches: readonly TouchedRow[] | undefined): void {
    if (touches === undefined) this.#history.reset(revision)
    else this.#history.add(revision, touches, this.#source.size)
  }

  /**
   * Publishes what has changed since the last time, with a delta for listeners that take one. Returns whether
   * anything has. @throws an error of the encoding
   */
  publish (listeners: { readonly takesDeltas: boolean }): boolean {
    const from = this.#publishedTo
    const touches = this.#history.since(from)
    if (!this.#isOther(touches)) return false
    const delta = listeners.takesDeltas ? this.#delta(touches) : undefined
    const { revision } = this.#source
    const to = { epoch: this.#identity.epoch, revision }
    this.#publication = new Publication({ from, changedAt: this.#history.firstAfter(from), to, delta })
    this.#publishedTo = revision
    return true
  }

  /** Whether a client with this result is brought to a revision by the delta that was published last. */
  isShared (position: Position | undefined, revision: number): boolean {
    if (this.#publication === undefined || position?.epoch !== this.#identity.epoch) return false
    return this.#publication.leads(position.revision, revision)
  }

  /** Returns the frame of the last publication under the shared id, which takes deltas; `more` as in it. */
  sharedFrame (more: boolean): Buffer {
    return (this.#publication as Publication).frame(this.#identity.id, this.#source.page, more)
  }

  /** The result that a client has with that frame. */
  get publishedPosition (): Position | undefined {
    return this.#publication?.to
  }

  /**
   * Returns what makes the result of a client the present one; `undefined` where it is the present one
   * already.
   */
  since (position: Position | undefined): Update | undefined {
    const source = this.#source
    const { revision } = source
    const isKnown = position?.epoch === this.#identity.epoch && position.revision <= revision
    const touches = isKnown
      ? this.#history.since(position.revision) ?? source.touchesSince(position.revision)
      : undefined
    if (touches === undefined) return { revision, delta: undefined }
    const hasEnds = isKnown && position.revision >= this.#endsChangedAt
    if (hasEnds && !hasEffect(touches, source)) return undefined
    return { revision, delta: this.#delta(touches) }
  }

  /** Returns the same for a client that comes back, with an empty delta where nothing has changed. */
  resumed (position: Position): Required<Update> | undefined {
    const { keyField, revision } = this.#source
    if (keyField === undefined) return undefined
    const update = this.since(position) ?? { revision, delta: EMPTY_DELTA }
    return update.delta === undefined ? undefined : update
  }

  /** Returns the text of a push with a delta, or with a complete result. */
  push (id: string, revision: number, body: LiveBody, more: boolean): string {
    const { page, keyField = null } = this.#source
    // A client that takes a complete result may have had one under other rights, or another definition.
    const history = 'data' in body ? { epoch: this.#identity.epoch, key: keyField } : undefined
    return encodeDeltaPush(id, { ...history, revision, page }, body, more)
  }

  /** Whether the result differs from the one that was published last. */
  #isOther (touches: NetChanges | undefined): boolean {
    const source = this.#source
    const former = this.#published
    const page = source.page && JSON.stringify(source.page)
    // Of a result without rows, only its text tells.
    const text = source.keyField === undefined ? this.#text : undefined
    this.#published = { page, text }
    if (page !== former?.page) {
      this.#endsChangedAt = source.revision
      return true
    }
    if (text !== undefined) return text !== former?.text
    return touches === undefined || hasEffect(touches, source)
  }

  get #text (): string | undefined {
    const { text } = this.#source
    if (text !== undefined) return text
    const whole = this.#encoded.whole()
    if (!(whole instanceof Promise)) return whole.json.text
    // Who is to be sent it hears that it cannot be encoded.
    whole.catch(() => {})
    return undefined
  }

  /** Returns the JSON of a delta, `undefined` where the complete result is about as short. */
  #delta (touches: NetChanges | undefined): string | undefined {
    const source = this.#source
    if (touches === undefined || source.keyField === undefined) return undefined
    if (touches.size > MAX_DELTA_ROWS || (touches.size > 8 && touches.size >= source.size)) return undefined
    return deltaOf(source, touches)
  }
}

/** Whether a row has come, gone or changed, and not only come and gone again. */
function hasEffect (touches: NetChanges, rows: KeyedRows): boolean {
  for (const [key, { wasIn }] of touches) if (wasIn || rows.indexOf(key) !== -1) return true
  return false
}
