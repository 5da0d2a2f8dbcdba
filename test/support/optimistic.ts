import type { Test } from 'tap'
import type { LiveQueries } from '../../lib/client/live-queries.js'
import type { LiveQuery, OptimisticTransaction } from '../../lib/client/types.js'
import type { FakeLink } from './fake-link.js'
import { answer, startQueries, watch } from './watched.js'

/** A transaction that was sent, and has no answer yet. */
interface SentTransaction {
  readonly members: Readonly<Record<string, any>>
  readonly options: object | undefined
  /** Answers with records; with a revision where the server has that extension. */
  readonly reply: (revision: number | undefined, ...records: unknown[]) => void
  readonly fail: (error: Error) => void
}

/** Optimistic changes whose server is the test. */
export interface Optimist {
  readonly link: FakeLink
  readonly queries: LiveQueries
  readonly sent: SentTransaction[]
  /** Makes changes; the promise is that of `optimistic`. */
  readonly change: (change: (tx: OptimisticTransaction) => void, options?: object) => Promise<any>
  /** Watches a list of the bucket `todos`. */
  readonly list: (find: object, rows: readonly object[], members?: object) => WatchedList
}

interface WatchedList {
  readonly query: LiveQuery<any>
  /** The id of its subscription. */
  readonly id: string
  readonly states: ReturnType<typeof watch<any>>['states']
}

export async function startOptimist (t: Test): Promise<Optimist> {
  const { link, queries } = startQueries(t)
  await link.connect()
  // Their code is loaded by then.
  await queries.optimistic(() => {}, undefined, async () => {})
  const sent: SentTransaction[] = []
  return {
    link,
    queries,
    sent,
    change: async (change, given) => await queries.optimistic(change, given, async (type, ...sending) => {
      const [members, options, onReply] = sending
      t.equal(type, 'store.transaction')
      return await new Promise((resolve, reject) => {
        sent.push({
          members: JSON.parse(JSON.stringify(members)),
          options,
          reply: (revision, ...records) => {
            const data = { results: records.map((data, index) => ({ index, data })) }
            onReply?.({ type: 'result', data, ...(revision !== undefined && { revision }) })
            resolve(data)
          },
          fail: reject
        })
      })
    }),
    list: (find, rows, members = {}) => {
      const query = queries.query({ bucket: 'todos', ...find })
      const { states } = watch(query)
      const request = link.open.at(-1)
      if (request === undefined) throw new Error('the list was not asked for')
      return { query, id: answer(request, rows, { bucket: 'todos', ...members }), states }
    }
  }
}
