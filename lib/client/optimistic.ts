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
  /** Takes all changes away, also of requests that have no answer yet. */
  readonly forget: () => void
  /** Returns what a live query shows. */
  readonly over: (entry: QueryEntry) => unknown
  /** Takes note of a result: the answer to a request, or a push. */
  readonly saw: (entry: QueryEntry, isReply: boolean) => void
  /** Takes note that all live queries of the connection show a revision. */
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

  const keep = (isKept: (layer: Layer) => boolean): void => {
    layers = layers.filter(isKept)
    show()
  }

  /** Takes note that all queries have the changes, but those that wait for their result. */
  const shown = (those: readonly Layer[], isPending: (entry: QueryEntry) => boolean = () => false): void => {
    const all = [...entries.values()]
    for (const { shownBy } of those) for (const entry of all) if (!isPending(entry)) shownBy.add(entry)
    keep(({ revision, shownBy }) => revision === undefined || !all.every(entry => shownBy.has(entry)))
  }

  const saw = (entry: QueryEntry, isReply: boolean): void => {
    for (const { revision, shownBy } of layers) {
      const isBefore = !isReply && (entry.since?.revision as number) < (revision as number)
      if (revision !== undefined && !isBefore) shownBy.add(entry)
    }
  }

  const ping = (onReply: () => void): void => { if (link.isReady) link.ask('ping', {}, onReply, onReply) }

  return {
    saw,

    forget: () => { layers = [] },

    over: entry => {
      try {
        return overlaid(entry, layers)
      } catch (error) {
        report(error)
        return entry.own.data
      }
    },

    onRevision: revision => {
      shown(layers.filter(layer => layer.revision as number <= revision), ({ own }) => own.status === 'stale')
    },

    onReady: () => {
      const answered = layers.filter(({ revision }) => revision !== undefined)
      return () => { shown(answered) }
    },

    run: async (change, options, send) => {
      const changes = collect(change, entries)
      const writes = changes.filter(({ op }) => op)
      if (writes.length === 0) return { results: [] }
      const layer: Layer = { changes, shownBy: new Set() }
      for (const entry of entries.values()) overlaid(entry, [...layers, layer])
      layers = [...layers, layer]
      show()
      const onReply = ({ revision, data }: ServerMessage): void => {
        if (layer.revision !== undefined) return
        writes.forEach((write, i) => {
          const record = data?.results?.[i]?.data
          const isNew = write.op === 'insert' && Object(record) === record
          if (isNew) Object.assign(write, { record, isWhole: true })
        })
        layer.revision = revision ?? NaN
        if (revision >= 0) {
          for (const entry of entries.values()) if (entry.own.status === 'live') saw(entry, false)
        } else ping(() => { ping(() => { if (link.isReady) shown([layer]) }) })
        show()
      }
      try {
        const operations = writes.map(({ op, bucket, key, data, options }) =>
          ({ ...options, op, bucket, key, data }))
        // A server without the extension ignores the member; which server it is, shows when it is sent.
        const data = await send('store.transaction', { operations, revision: true }, options, onReply)
        onReply({ data })
        return data
      } catch (error) {
        keep(kept => kept !== layer)
        throw error
      }
    }
  }
}
