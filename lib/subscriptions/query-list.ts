import { NoexServerError } from '../protocol/errors.js'
import { indexAdvice } from '../store/index-advice.js'
import type { NoexStore } from '../store/noex-store.js'
import { isTurnOver, nextTurn } from '../util/slice.js'
import type { LiveQueries } from './live-queries.js'
import type { QueryCost } from './query-metrics.js'
import type { QueryKind } from './query-shape.js'

/** The queries of one shape, as `server.queries` lists them. */
interface QueryStats {
  readonly id: string
  /** The name; of a search its bucket and the fields that it compares. */
  readonly query: string
  readonly kind: QueryKind
  readonly bucket?: string
  /** The names of its parameters, never their values. */
  readonly params?: readonly string[]
  /** Subscriptions to it. */
  readonly watchers: number
  /** Distinct live queries behind them. */
  readonly liveQueries: number
  /** Evaluations since it was first asked for, and how long they have taken. */
  readonly evaluations: number
  readonly seconds: number
  readonly lastMs: number
  readonly maxMs: number
  /** Changed results that were told, and the time that it took to encode them. */
  readonly updates: number
  readonly updateSeconds: number
  /** Characters of the pushes to all subscribers: bytes, as far as they are ASCII. */
  readonly bytesOut: number
  /** Rows of the last result that is a list. */
  readonly rows: number
  /** Estimated bytes that its live queries keep. */
  readonly bytes: number
  /** Evaluations that took `slowMs` or longer. */
  readonly slow: number
  /** Which index would help. */
  readonly advice?: string
}

/** The part of a list that is asked for. */
export interface QueryListRequest {
  /** A part of the name or of the bucket, in any case of its letters. */
  readonly filter: string
  readonly limit: number
  /** The id of the query before the first. */
  readonly after: string | undefined
}

/** A part of the list of queries. */
export interface QueryList {
  readonly queries: readonly QueryStats[]
  /** Whether there are others behind them. */
  readonly more: boolean
  /** Queries that the filter matches. */
  readonly total: number
}

/** Where the list comes from. */
export interface QueryListSources {
  readonly liveQueries: LiveQueries
  readonly store: Pick<NoexStore, 'getBucketSchema'>
  /** Returns the number of records of a bucket; 0 where the asking session may not know. */
  readonly recordsOf: (bucket: string) => number
}

/**
 * Lists what queries have cost, those first that have taken most time.
 * @throws `NOT_FOUND` where `after` is not in the list any more
 */
export async function listQueries (
  { liveQueries, store, recordsOf }: QueryListSources, { filter, limit, after }: QueryListRequest
): Promise<QueryList> {
  const kept = await keptBy(liveQueries)
  const wanted = filter.toLowerCase()
  const matching = liveQueries.metrics.costs
    .filter(({ shape: { query, bucket = '' } }) =>
      query.toLowerCase().includes(wanted) || bucket.toLowerCase().includes(wanted))
    .sort((a, b) => (b.ms + b.updateMs) - (a.ms + a.updateMs))
  const start = after === undefined ? 0 : matching.findIndex(({ id }) => id === after) + 1
  if (after !== undefined && start === 0) {
    throw new NoexServerError('NOT_FOUND', `No query "${after}": begin the list anew, without "after"`)
  }
  const shown = matching.slice(start, start + limit)
  return {
    queries: shown.map(cost => ({ ...statsOf(cost, kept.get(cost)), ...adviceFor(cost) })),
    more: matching.length > start + limit,
    total: matching.length
  }

  function adviceFor ({ shape: { search } }: QueryCost): { advice?: string } {
    const definition = search && store.getBucketSchema(search.bucket)
    const advice = definition && indexAdvice(search, definition, recordsOf(search.bucket))
    return advice === undefined ? {} : { advice }
  }
}

interface Kept {
  readonly watchers: number
  readonly bytes: number
}

/** Sums up the live queries of each shape, in slices. */
async function keptBy (liveQueries: LiveQueries): Promise<ReadonlyMap<QueryCost, Kept>> {
  const kept = new Map<QueryCost, Kept>()
  for (const { cost, subscribers, bytes } of liveQueries.all) {
    if (isTurnOver()) await nextTurn()
    if (cost === undefined) continue
    const { watchers, bytes: sum } = kept.get(cost) ?? { watchers: 0, bytes: 0 }
    kept.set(cost, { watchers: watchers + subscribers, bytes: sum + bytes })
  }
  return kept
}

function statsOf (cost: QueryCost, kept: Kept = { watchers: 0, bytes: 0 }): QueryStats {
  const { id, shape: { query, kind, bucket, params } } = cost
  return {
    id,
    query,
    kind,
    ...(bucket !== undefined && { bucket }),
    ...(params.length > 0 && { params }),
    watchers: kept.watchers,
    liveQueries: cost.liveQueries,
    evaluations: cost.evaluations,
    seconds: cost.ms / 1_000,
    lastMs: cost.lastMs,
    maxMs: cost.maxMs,
    updates: cost.updates,
    updateSeconds: cost.updateMs / 1_000,
    bytesOut: cost.bytesOut,
    rows: cost.rows,
    bytes: kept.bytes,
    slow: cost.slow
  }
}
