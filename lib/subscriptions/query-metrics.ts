import type { NoexStore } from '../store/noex-store.js'
import type { Clock } from '../util/clock.js'
import { Histogram } from '../util/histogram.js'
import { shortText } from '../util/short-text.js'
import type { SlowLog } from '../util/slow-log.js'
import { shapeOf, type QueryShape, type ShapedRequest } from './query-shape.js'

/** Shapes that are told apart; those beyond them, which clients may make up, count as one. */
const MAX_SHAPES = 1_000

/** Names of queries that are labels of metrics; the others share one. */
const MAX_LABELS = 100

/** Characters of such a name. */
const MAX_LABEL = 128

/** The label of all searches without a name, and of the queries beyond `MAX_LABELS`. */
const SEARCHES = '(find)'
const OTHERS = '(other)'

/** Upper bounds of the buckets of the durations of evaluations, in seconds. */
export const EVALUATION_BOUNDS = [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10] as const

const boundsMs = EVALUATION_BOUNDS.map(bound => bound * 1_000)

/** The evaluations that share a label. */
export interface EvaluationMetrics {
  readonly query: string
  /** In milliseconds. */
  readonly durations: Histogram
  slow: number
}

/** Where the shapes come from, and where slow evaluations go. */
export interface QueryMetricsParts {
  readonly store: Pick<NoexStore, 'getQueryInfo'>
  readonly clock: Clock
  readonly slowLog: SlowLog
}

/** The cost of the queries of one shape since it was first seen. */
export class QueryCost {
  readonly id: string
  shape: QueryShape
  evaluations = 0
  /** Durations of the evaluations, in milliseconds: their sum, the last and the longest. */
  ms = 0
  lastMs = 0
  maxMs = 0
  /** Rows of the last result that is a list. */
  rows = 0
  slow = 0
  /** Changed results that were told to subscribers, and the time that it took to encode them. */
  updates = 0
  updateMs = 0
  /** Characters of the pushes to all subscribers. */
  bytesOut = 0
  /** Live queries of this shape at the moment. */
  liveQueries = 0

  constructor (id: string, shape: QueryShape) {
    this.id = id
    this.shape = shape
  }
}

/** The shape of those beyond `MAX_SHAPES`. */
const others: QueryShape = {
  query: OTHERS, kind: 'find', bucket: undefined, params: [], isNamed: false, search: undefined
}

/** Measures evaluations of queries, by their shape, with bounded memory. */
export class QueryMetrics {
  readonly #parts: QueryMetricsParts
  readonly #costs = new Map<string, QueryCost>()
  /** The shapes that are not told apart. */
  #others: QueryCost | undefined
  readonly #labels = new Map<string, EvaluationMetrics>()
  /** Labels that are names of queries. */
  #named = 0
  #lastId = 0
  #evaluations = 0

  constructor (parts: QueryMetricsParts) {
    this.#parts = parts
  }

  /** Number of evaluations since the start. */
  get evaluations (): number {
    return this.#evaluations
  }

  /** The evaluations by label, of at most 102 labels. */
  get labels (): readonly EvaluationMetrics[] {
    return [...this.#labels.values()]
  }

  /** All shapes, in no particular order. */
  get costs (): readonly QueryCost[] {
    return [...this.#costs.values(), ...this.#others === undefined ? [] : [this.#others]]
  }

  /** Returns the cost of the shape of a request; `undefined` for a query that is not defined. */
  costOf (request: ShapedRequest): QueryCost | undefined {
    const shape = shapeOf(this.#parts.store, request)
    if (shape === undefined) return undefined
    const known = this.#costs.get(keyOf(shape))
    if (known === undefined) return this.#add(shape)
    // The query may have been defined anew.
    known.shape = shape
    return known
  }

  /**
   * Begins an evaluation. The returned function ends it, with the number of rows where the result is a list.
   * @param account the user or address for which it is made, as in a `LiveRequest`
   */
  begin (cost: QueryCost | undefined, account: string | undefined): (rows?: number) => void {
    this.#evaluations++
    if (cost === undefined) return () => {}
    const { clock } = this.#parts
    const begun = clock.ticks()
    return rows => { this.#end(cost, clock.ticks() - begun, rows, account) }
  }

  /** Measures `publish`, which tells subscribers of a changed result. */
  update (cost: QueryCost | undefined, publish: () => void): void {
    if (cost === undefined) return publish()
    const { clock } = this.#parts
    const begun = clock.ticks()
    try {
      publish()
    } finally {
      cost.updates++
      cost.updateMs += clock.ticks() - begun
    }
  }

  #end (cost: QueryCost, ms: number, rows: number | undefined, account: string | undefined): void {
    const { slowLog } = this.#parts
    const { shape } = cost
    cost.evaluations++
    cost.ms += ms
    cost.lastMs = ms
    cost.maxMs = Math.max(cost.maxMs, ms)
    cost.rows = rows ?? cost.rows
    const label = this.#labelOf(shape)
    label.durations.add(ms)
    if (!slowLog.isSlow(ms)) return
    cost.slow++
    label.slow++
    const { query, kind, bucket, params } = shape
    slowLog.write(`query ${query}`, ms, 'a query is slow', () => {
      const userId = account?.startsWith('user ') === true ? account.slice('user '.length) : undefined
      return { query, kind, bucket, params, rows, userId }
    })
  }

  #add (shape: QueryShape): QueryCost {
    if (this.#costs.size >= MAX_SHAPES && !this.#forgetOne()) {
      this.#others ??= new QueryCost(`query-${++this.#lastId}`, others)
      return this.#others
    }
    const cost = new QueryCost(`query-${++this.#lastId}`, shape)
    this.#costs.set(keyOf(shape), cost)
    return cost
  }

  /**
   * Forgets the oldest shape that is not watched, a search before a query that has a name. Returns whether
   * there was one.
   */
  #forgetOne (): boolean {
    let named: string | undefined
    for (const [key, { liveQueries, shape }] of this.#costs) {
      if (liveQueries > 0) continue
      if (!shape.isNamed) {
        return this.#costs.delete(key)
      }
      named ??= key
    }
    return named !== undefined && this.#costs.delete(named)
  }

  #labelOf ({ query, isNamed }: QueryShape): EvaluationMetrics {
    if (!isNamed) return this.#label(SEARCHES)
    const name = shortText(query, MAX_LABEL)
    const known = this.#labels.get(name)
    if (known !== undefined) return known
    if (this.#named === MAX_LABELS) return this.#label(OTHERS)
    this.#named++
    return this.#label(name)
  }

  #label (name: string): EvaluationMetrics {
    let label = this.#labels.get(name)
    if (label === undefined) {
      this.#labels.set(name, label = { query: name, durations: new Histogram(boundsMs), slow: 0 })
    }
    return label
  }
}

function keyOf ({ kind, query }: QueryShape): string {
  return `${kind} ${query}`
}
