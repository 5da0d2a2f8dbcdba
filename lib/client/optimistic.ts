import { Layer, overlaid, type Entries } from './layer.js'
import type { Link, ServerMessage } from './link.js'
import type { QueryEntry } from './live-query.js'
import { report } from './report.js'
import type { OptimisticTransaction, RequestOptions } from './types.js'

/**
 * Sends a request, over reconnects where its options say so. Resolves with the data of the reply, rejects
 * with a `NoexClientError`. `onReply` is called with the whole message of the result, in the turn in which it
 * has come, before the next message is handled.
 */
export type SendRequest = (
  type: string,
  members: object,
  options: RequestOptions | undefined,
  onReply: (reply: ServerMessage) => void
) => Promise<any>

/**
 * The changes that are shown before the server has answered, in the order in which they were made. One goes
 *
 * - over a live query, with the first result that has it: at or after the revision of the reply, where the
 *   server has the extension `revision`; else the first push after the reply;
 * - over all others, when the server says that all show its revision; else two round trips after the reply,
 *   in which pushes have come where the server is not busy;
 * - at once, when it is refused or given up;
 * - when all queries have their results on the next connection, where it was answered on the one before.
 */
export class OptimisticChanges {
  readonly #link: Link
  readonly #entries: Entries
  /** Shows all live queries anew. */
  readonly #show: () => void
  #layers: Layer[] = []
  /** The latest revision that all live queries show, as the server says. */
  #revision = -1

  constructor (link: Link, entries: Entries, show: () => void) {
    this.#link = link
    this.#entries = entries
    this.#show = show
  }

  get isEmpty (): boolean {
    return this.#layers.length === 0
  }

  /** Returns what a live query shows. */
  over (entry: QueryEntry): unknown {
    try {
      return overlaid(entry, this.#layers, this.#entries)
    } catch (error) {
      report(error)
      return entry.data
    }
  }

  /** Takes note of a result: the answer to a request, or a push. */
  saw (entry: QueryEntry, isReply: boolean): void {
    for (const layer of this.#layers) layer.saw(entry, entry.revision, isReply)
  }

  /** Takes note that all live queries show a revision. */
  onRevision (revision: number): void {
    this.#revision = revision
    this.#drop(({ revision: own }) => own !== undefined && own <= revision)
  }

  onLost (): void {
    this.#revision = -1
  }

  /** Returns the function to be called when all queries have the results that they are asked for now. */
  onReady (): () => void {
    const answered = this.#layers.filter(({ isAnswered }) => isAnswered)
    return () => { this.#drop(layer => answered.includes(layer)) }
  }

  /** Shows changes and sends them. @throws what `change` throws: then nothing is shown and sent */
  async run (
    change: (tx: OptimisticTransaction) => void, options: RequestOptions | undefined, send: SendRequest
  ): Promise<any> {
    const layer = new Layer(change)
    const { operations } = layer
    if (operations.length === 0) return { results: [] }
    for (const entry of this.#entries.values()) overlaid(entry, [...this.#layers, layer], this.#entries)
    this.#layers.push(layer)
    this.#show()
    const onReply = (reply: ServerMessage): void => { this.#onReply(layer, reply) }
    try {
      // A server without the extension ignores the member; before the first welcome it is not known.
      const data = await send('store.transaction', { operations, revision: true }, options, onReply)
      onReply({ data })
      return data
    } catch (error) {
      this.#drop(dropped => dropped === layer)
      throw error
    }
  }

  #onReply (layer: Layer, reply: ServerMessage): void {
    if (layer.isAnswered) return
    layer.answer(reply)
    const { revision } = layer
    const drop = (): void => { this.#drop(dropped => dropped === layer) }
    if (revision === undefined) this.#afterRoundTrips(2, drop)
    else {
      for (const entry of this.#entries.values()) {
        if (entry.status === 'live') layer.saw(entry, entry.revision, false)
      }
      if (revision <= this.#revision) return drop()
    }
    this.#show()
  }

  /** Calls `onDone` unless the connection is lost before. */
  #afterRoundTrips (count: number, onDone: () => void): void {
    if (count === 0) return onDone()
    if (!this.#link.isReady) return
    const next = (): void => { this.#afterRoundTrips(count - 1, onDone) }
    this.#link.ask('ping', {}, next, ({ code }) => { if (code !== 'DISCONNECTED') next() })
  }

  #drop (isDropped: (layer: Layer) => boolean): void {
    const left = this.#layers.filter(layer => !isDropped(layer))
    if (left.length === this.#layers.length) return
    this.#layers = left
    this.#show()
  }
}
