import { applyDelta, isKeyed, reuse, type Row } from './delta.js'
import { NoexClientError } from './errors.js'
import type { Link, ServerMessage } from './link.js'
import type { Subscription } from './subscriptions.js'
import type { Find, LiveQuery, QueryOptions, QueryState, QueryStatus } from './types.js'

/** What a live query asks for: members of `store.subscribe`. */
interface QueryRequest extends QueryOptions {
  readonly query?: string
  readonly params?: object | undefined
  readonly find?: Find
}

/**
 * Returns the text that is equal for equal requests, in any order of their members: JSON of the request. The
 * order of `sort` stays, since it counts.
 */
export function keyOf (
  query: string | Find, params?: object, { page, minIntervalMs }: QueryOptions = {}
): string {
  const request: QueryRequest = {
    ...(typeof query === 'string' ? { query, params } : { find: query }),
    ...(page && { page: { limit: page.limit, ...(page.after != null && { after: page.after }) } }),
    ...(minIntervalMs && { minIntervalMs })
  }
  return JSON.stringify(request, (name, value) => {
    const isObject = value !== null && typeof value === 'object' && !Array.isArray(value)
    if (!isObject || name === 'sort') return value
    return Object.fromEntries(Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1))
  })
}

const loading: QueryState<any> = {
  data: undefined, status: 'loading', error: undefined, hasMore: undefined, nextCursor: undefined
}

/** A call of `subscribe`. */
export interface QueryListener {
  readonly onChange: () => void
}

/** The receiver of what comes for live queries. */
export interface QueryHost {
  readonly onSubscribed: (entry: QueryEntry, reply: ServerMessage) => Promise<void>
  readonly onRefused: (entry: QueryEntry, error: NoexClientError) => void
}

/** What a client keeps of a live query: what the server has said, and what is shown of it. */
export class QueryEntry implements Subscription {
  readonly type = 'store'
  readonly key: string
  /** The object of the application. */
  query: LiveQuery<any> | undefined
  readonly request: QueryRequest
  readonly listeners = new Set<QueryListener>()
  /** Whether it is subscribed on each connection. */
  isWatched = false
  timer: ReturnType<typeof setTimeout> | undefined
  state: QueryState<any> = loading
  status: QueryStatus = 'loading'
  error: NoexClientError | undefined
  /** The result, without optimistic changes; `undefined` before the first. */
  data: unknown
  /** The field whose value tells the rows apart; `null` where there is none. */
  rowKey: string | null = null
  /** The bucket whose key `rowKey` is. */
  bucket: unknown
  revision: number | undefined
  #epoch: unknown
  #hasMore: boolean | undefined
  #nextCursor: string | null | undefined
  /** Whether a delta has not fitted, and none has since: then only complete results are asked for. */
  isMisfit = false

  readonly #host: QueryHost

  constructor (key: string, host: QueryHost) {
    this.key = key
    this.#host = host
    this.request = JSON.parse(key)
    this.bucket = this.request.find?.bucket
  }

  /** Returns the members of its request. @throws NoexClientError where the server lacks an extension */
  members (link: Link): object {
    const { minIntervalMs, ...plain } = this.request
    const isDelta = link.has('delta')
    for (const name of ['find', 'page'] as const) {
      if (plain[name] !== undefined && !(isDelta && link.has(name))) {
        throw new NoexClientError(
          'UNSUPPORTED',
          `The server does not have the extension "${name}": define a query there, and ask for it`
        )
      }
    }
    if (!isDelta) return plain
    const canResume = this.rowKey !== null && this.revision !== undefined && !this.isMisfit
    return {
      ...this.request,
      delta: true,
      ...(canResume && { since: { epoch: this.#epoch, revision: this.revision } })
    }
  }

  async onSubscribed (reply: ServerMessage): Promise<void> {
    await this.#host.onSubscribed(this, reply)
  }

  onRefused (error: NoexClientError): void {
    this.#host.onRefused(this, error)
  }

  /** Takes a result of `preload`, or its error. */
  hydrate (result: any): void {
    if (result?.error !== undefined) {
      this.fail(new NoexClientError(String(result.error.code), String(result.error.message)))
    } else if (result?.data !== undefined) {
      this.take({ ...result, delta: undefined })
      this.outdate()
    }
  }

  /** Takes a reply or a push. @throws Error where it does not fit: nothing is changed then */
  take ({ data, delta, epoch, revision, key, bucket, hasMore, nextCursor }: ServerMessage): void {
    if (delta !== undefined) {
      const isNext = revision >= (this.revision as number) && (epoch ?? this.#epoch) === this.#epoch
      if (this.rowKey === null || !isNext) throw new Error('the delta is of another result')
      this.data = applyDelta(this.data as Row[], this.rowKey, delta)
      this.isMisfit = false
    } else {
      if (data === undefined) throw new Error('there is neither data nor a delta')
      this.data = reuse(this.data, data)
      this.rowKey = isKeyed(data, key) ? key : null
      this.#epoch = epoch
      if (bucket !== undefined) this.bucket = bucket
    }
    this.revision = Number.isSafeInteger(revision) ? revision : undefined
    this.#hasMore = hasMore
    this.#nextCursor = nextCursor
    this.status = 'live'
    this.error = undefined
  }

  /** Takes an error. Data that the client may not read any more go. */
  fail (error: NoexClientError): void {
    this.status = 'error'
    this.error = error
    if (/^forbidden$/i.test(error.code)) this.data = this.revision = undefined
  }

  /** Makes the data those of before. */
  outdate (): void {
    this.status = this.data === undefined ? 'loading' : 'stale'
    this.error = undefined
  }

  /** Makes the state that shows these data. Returns whether it is another one. */
  show (data: unknown): boolean {
    const next: QueryState<any> = {
      data, status: this.status, error: this.error, hasMore: this.#hasMore, nextCursor: this.#nextCursor
    }
    const names = Object.keys(next) as Array<keyof typeof next>
    const isChanged = names.some(name => next[name] !== this.state[name])
    if (isChanged) this.state = next
    return isChanged
  }
}
