import { checkOptions, jsonOf, mustBe } from './checks.js'
import { applyDelta, assertFits, isKeyed, reuse } from './delta.js'
import { hidesData } from './ending.js'
import { NoexClientError } from './errors.js'
import type { Link, ServerMessage } from './link.js'
import { differs } from './observable.js'
import { none } from './report.js'
import type { Subscription } from './subscriptions.js'
import type { Find, LiveQuery, QueryOptions, QueryState } from './types.js'

/** The members of `store.subscribe` that say what is watched. */
interface QueryRequest extends QueryOptions {
  readonly query?: string
  readonly params?: object | undefined
  readonly find?: Find
}

const kinds = { page: 'an object', minIntervalMs: '0 or a greater number' }

/**
 * Returns the text that is equal for equal requests, in any order of their members: JSON of the request. The
 * order of `sort` stays, since it counts.
 * @throws `TypeError` for what is none
 */
export function keyOf (query: string | Find, params?: object, options: QueryOptions = {}): string {
  mustBe('query: query', query, 'a non-empty string or an object')
  if (params !== undefined) mustBe('query: params', params, 'an object')
  const { page, minIntervalMs } = checkOptions('query', options, kinds)
  const request = typeof query === 'string' ? { query, params } : { find: query }
  return jsonOf('query: the query', { ...request, page, minIntervalMs }, (name, value) =>
    name === 'sort' || Object(value) !== value || Array.isArray(value)
      ? value
      : Object.fromEntries(Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1)))
}

const loading: QueryState<any> = {
  data: undefined, status: 'loading', error: undefined, hasMore: undefined, nextCursor: undefined
}

/** The state of a live query in a client. */
export class QueryEntry implements Subscription {
  readonly type = 'store'
  readonly key: string
  readonly request: QueryRequest
  /** The object of the application. */
  query!: LiveQuery<any>
  readonly listeners = new Set<() => void>()
  /** Keeps it from being forgotten, where nothing subscribes it. */
  keep = none
  /** Whether it is subscribed on each connection. */
  isWatched = false
  /** Whether a delta has not fitted, and none has since: then complete results are asked for. */
  isMisfit = false
  /** The state as the server says it. */
  own = loading
  /** The state that is shown: with optimistic changes. */
  state = loading
  /** The state that `hydrate` has made, which stays. */
  serverState: QueryState<any> | undefined
  /** The field whose value tells the rows apart; `null` where there is none. */
  rowKey: string | null = null
  /** The bucket whose key that is. */
  bucket: unknown
  since: { readonly epoch: unknown, readonly revision: number } | undefined

  constructor (key: string) {
    this.key = key
    this.request = JSON.parse(key)
    this.bucket = this.request.find?.bucket
  }

  /** Returns the members of its request. @throws NoexClientError where the server lacks an extension */
  members (link: Link): object {
    const { minIntervalMs, ...plain } = this.request
    const isDelta = link.has('delta')
    for (const name of ['find', 'page'] as const) {
      if (plain[name] && !(isDelta && link.has(name))) {
        throw new NoexClientError('UNSUPPORTED', `The server lacks "${name}": define a query`)
      }
    }
    const canResume = this.rowKey !== null && !this.isMisfit
    return isDelta ? { ...this.request, delta: true, since: canResume ? this.since : undefined } : plain
  }

  /** Takes a reply or a push. @throws Error where it does not fit: nothing is changed then */
  take ({ data, delta, epoch, revision, key, bucket, hasMore, nextCursor }: ServerMessage): void {
    const { rowKey, since, own } = this
    epoch ??= since?.epoch
    if (delta) {
      assertFits(rowKey !== null && epoch === since?.epoch && revision >= (since?.revision as number))
      data = applyDelta(own.data, rowKey, delta)
      this.isMisfit = false
    } else {
      assertFits(data !== undefined)
      this.rowKey = isKeyed(data, key) ? key : null
      this.bucket = bucket ?? this.bucket
    }
    this.since = Number.isSafeInteger(revision) ? { epoch, revision } : undefined
    this.own = { ...loading, data: reuse(own.data, data), status: 'live', hasMore, nextCursor }
  }

  /** Takes an error. Data that the client may not read any more go. */
  fail (error: NoexClientError): void {
    if (hidesData(error)) this.forget()
    this.own = { ...this.own, status: 'error', error }
  }

  /** Makes it as if nothing had come yet. */
  forget (): void {
    this.own = loading
    this.rowKey = null
    this.serverState = undefined
  }

  /** Makes the data those of before. */
  outdate (): void {
    this.own = { ...this.own, status: this.own.data === undefined ? 'loading' : 'stale', error: undefined }
  }

  /** Shows data over its own. Returns whether that is another state. */
  show (data: unknown): boolean {
    const { own, state } = this
    const next = data === own.data ? own : { ...own, data: reuse(state.data, data) }
    const isChanged = differs(next, state)
    if (isChanged) this.state = next
    return isChanged
  }
}
