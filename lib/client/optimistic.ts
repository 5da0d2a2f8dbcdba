import { collect, overlaid, type Entries, type Layer } from './layer.js'
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
  members?: object,
  options?: RequestOptions,
  onReply?: (reply: ServerMessage) => void
) => Promise<any>

/** The changes that are shown before the server has answered. */
export interface OptimisticChanges {
  readonly isEmpty: () => boolean
  /** Returns what a live query shows. */
  readonly over: (entry: QueryEntry) => unknown
  /** Takes note of a result: the answer to a request, or a push. */
  readonly saw: (entry: QueryEntry, isReply: boolean) => void
  /** Takes note that all live queries show a revision. */
  readonly onRevision: (revision: number) => void
  /** Returns the function to be called when all queries have the results that they are asked for now. */
  readonly onReady: () => () => void
  /** Shows changes and sends them. @throws what `change` throws: then nothing is shown and sent */
  readonly run: (
    change: (tx: OptimisticTransaction) => void, options: RequestOptions | undefined, send: SendRequest
  ) => Promise<any>
}

/**
 * Changes lie over the results in the order in which they were made. They go
 *
 * - from a live query, with the first result that has them: at or after the revision of the reply, where the
 *   server has the extension `revision`; else the first push after the reply;
 * - from all others, when the server says that all show its revision; else two round trips after the reply,
 *   in which pushes have come where the server is not busy;
 * - at once, when they are refused or given up;
 * - when all queries have their results on the next connection, where they were answered on the one before.
 *
 * `show` shows all live queries anew.
 */
export function createOptimisticChanges (link: Link, entries: Entries, show: () => void): OptimisticChanges {
  let layers: readonly Layer[] = []

  const drop = (isDropped: (layer: Layer) => boolean | undefined): void => {
    const left = layers.filter(layer => !isDropped(layer))
    if (left.length === layers.length) return
    layers = left
    show()
  }

  const saw = (entry: QueryEntry, isReply: boolean): void => {
    for (const { isAnswered, revision, shownBy } of layers) {
      const isBefore = revision !== undefined && !((entry.since?.revision as number) >= revision)
      if (isAnswered && (isReply || !isBefore)) shownBy.add(entry)
    }
  }

  /** Calls `onDone` unless the connection is lost before. */
  const afterRoundTrips = (count: number, onDone: () => void): void => {
    if (count === 0) return onDone()
    const next = (): void => { afterRoundTrips(count - 1, onDone) }
    if (link.isReady) link.ask('ping', {}, next, ({ code }) => { if (code !== 'DISCONNECTED') next() })
  }

  return {
    isEmpty: () => layers.length === 0,

    over: entry => {
      try {
        return overlaid(entry, layers)
      } catch (error) {
        report(error)
        return entry.own.data
      }
    },

    saw,

    onRevision: revision => {
      const all = [...entries.values()]
      // Those that wait for their result on this connection do not show it yet.
      const isPending = ({ own: { status } }: QueryEntry): boolean => status === 'stale'
      for (const layer of layers) {
        if (!((layer.revision as number) <= revision)) continue
        layer.isShown = true
        for (const entry of all) if (!isPending(entry)) layer.shownBy.add(entry)
      }
      if (!all.some(isPending)) drop(({ isShown }) => isShown)
    },

    onReady: () => {
      const answered = layers.filter(({ isAnswered }) => isAnswered)
      return () => { drop(layer => layer.isShown || answered.includes(layer)) }
    },

    run: async (change, options, send) => {
      const changes = collect(change, entries)
      const writes = changes.filter(({ op }) => op !== 'query')
      if (writes.length === 0) return { results: [] }
      const layer: Layer = { changes, shownBy: new Set() }
      const next = [...layers, layer]
      for (const entry of entries.values()) overlaid(entry, next)
      layers = next
      show()
      const onReply = ({ revision, data }: ServerMessage): void => {
        if (layer.isAnswered) return
        layer.isAnswered = true
        writes.forEach((write, i) => {
          const record = data?.results?.[i]?.data
          const isNew = write.op === 'insert' && Object(record) === record
          if (isNew) Object.assign(write, { record, isWhole: true })
        })
        if (Number.isSafeInteger(revision)) {
          layer.revision = revision
          for (const entry of entries.values()) if (entry.own.status === 'live') saw(entry, false)
        } else {
          afterRoundTrips(2, () => { drop(dropped => dropped === layer) })
        }
        show()
      }
      try {
        // A server without the extension ignores the member; which server it is, shows when it is sent.
        const operations = writes.map(({ op, bucket, key, data, options }) => ({ ...options, op, bucket, key, data }))
        const data = await send('store.transaction', { operations, revision: true }, options, onReply)
        onReply({ data })
        return data
      } catch (error) {
        drop(dropped => dropped === layer)
        throw error
      }
    }
  }
}
