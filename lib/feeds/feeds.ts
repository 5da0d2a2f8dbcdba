import { runInNextTurn } from '../clock.js'
import type { Scope } from '../access/policy.js'
import { bucketNotDefined, NoexServerError, queryNotDefined } from '../errors.js'
import type { Log } from '../log.js'
import type { SubscriptionEnd } from '../protocol/messages.js'
import type { StoreChange } from '../store/schema-watch.js'
import type { StoreAccess } from '../store/store-access.js'
import type { Clock } from '../clock.js'
import { DependencyIndex, type Reader, type Reads } from './dependency-index.js'
import { Feed, type FeedHost } from './feed.js'
import type { QueryRunner } from './query-runner.js'

/** Longest pause between two evaluations of a feed that changes during each, in milliseconds. */
const MAX_PAUSE_MS = 1_000

/** The parts that live queries work with. */
export interface FeedsEnvironment {
  readonly queries: QueryRunner
  readonly log: Log
  readonly clock: Clock
}

/** All live queries of a service: finds the feed for a subscription and brings changes of the store to the feeds. */
export class Feeds implements FeedHost {
  readonly #access: StoreAccess
  readonly #queries: QueryRunner
  readonly #log: Log
  readonly #clock: Clock
  readonly #feeds = new Map<string, Feed>()
  readonly #keys = new Map<Feed, string>()
  readonly #index = new DependencyIndex()
  #scheduled: Feed[] = []
  /** Cancels the evaluations that wait for a pause to end. */
  readonly #postponed = new Set<() => void>()
  #evaluations = 0
  #stopListening: Array<() => unknown> = []

  constructor (access: StoreAccess, { queries, log, clock }: FeedsEnvironment) {
    this.#access = access
    this.#queries = queries
    this.#log = log
    this.#clock = clock
  }

  /** Distinct live queries that are watched. */
  get size (): number {
    return this.#feeds.size
  }

  /** Evaluations since the start. */
  get evaluations (): number {
    return this.#evaluations
  }

  /** Listens to the store. Call before the first subscription. */
  async start (): Promise<void> {
    // A trailing star matches any number of segments, so bucket names may have dots.
    const stop = await this.#access.store.on<{ bucket: string, key: unknown }>('bucket.*', event => {
      this.#index.changed(event.bucket, event.key)
    })
    this.#stopListening = [stop, this.#access.onChange(change => { this.#storeChanged(change) })]
  }

  async stop (): Promise<void> {
    await Promise.all(this.#stopListening.map(stop => stop()))
    this.#stopListening = []
    this.#scheduled = []
    for (const cancel of this.#postponed) cancel()
    this.#postponed.clear()
  }

  /**
   * Returns the feed of a query with these parameters for those who may read as much as `scope`; equal ones
   * share it. `owner` is the id of the client that asks for it.
   */
  feed (query: string, params: unknown, scope: Scope, owner: string): Feed {
    const key = JSON.stringify([query, sortedMembers(params), scope.key])
    let feed = this.#feeds.get(key)
    if (feed === undefined) {
      feed = new Feed({ query, params, scope, owner }, this)
      this.#feeds.set(key, feed)
      this.#keys.set(feed, key)
    }
    return feed
  }

  /** Subscriptions to a query, whatever their parameters. */
  subscribersOf (query: string): number {
    let count = 0
    for (const feed of this.#keys.keys()) if (feed.query === query) count += feed.subscribers
    return count
  }

  record (reader: Reader): Reads {
    return this.#index.record(reader)
  }

  async run ({ query, params, scope, owner }: Feed, reads: Reads): Promise<string> {
    this.#evaluations++
    return await this.#queries.run({ query, params, rows: scope.rows, owner, reads })
  }

  schedule (feed: Feed): void {
    if (this.#scheduled.push(feed) > 1) return
    // After the replies of this tick: whoever made the change hears of its success first.
    runInNextTurn(() => {
      const scheduled = this.#scheduled
      this.#scheduled = []
      for (const due of scheduled) due.evaluate()
    })
  }

  postpone (feed: Feed, overtaken: number): void {
    const pauseMs = Math.min(2 ** overtaken, MAX_PAUSE_MS)
    if (overtaken === 0) {
      const problem = 'what a live query reads changes during each evaluation; they are made less often'
      this.#log.warn({ query: feed.query }, problem)
    }
    const cancel = this.#clock.after(pauseMs, () => {
      this.#postponed.delete(cancel)
      feed.evaluate()
    })
    this.#postponed.add(cancel)
  }

  abandoned (feed: Feed): void {
    const key = this.#keys.get(feed)
    if (key === undefined) return
    this.#keys.delete(feed)
    this.#feeds.delete(key)
  }

  failed (feed: Feed, error: unknown): void {
    // The application has undefined the query itself.
    if (error instanceof Error && error.name === 'QueryNotDefinedError') this.#end([feed], 'query_undefined', queryNotDefined(feed.query))
    // It has begun to read what its subscribers may not.
    else if (error instanceof NoexServerError && error.code === 'FORBIDDEN') this.#end([feed], 'forbidden', error)
    // Who waits for the first result is told of the failure, and it is logged there.
    else if (feed.hasResult && !feed.failing) this.#log.warn({ err: error, query: feed.query }, 'live query failed; its subscribers keep the last result')
  }

  #storeChanged (change: StoreChange): void {
    switch (change.type) {
      case 'reset': {
        const readers = change.bucket === undefined ? this.#keys.keys() : this.#index.readersOf(change.bucket)
        for (const reader of readers) reader.invalidate()
        break
      }
      case 'bucket_defined':
        // A live query may fail for want of this bucket.
        for (const feed of this.#keys.keys()) if (feed.failing) feed.invalidate()
        break
      case 'bucket_dropped': {
        const readers = new Set(this.#index.readersOf(change.bucket))
        this.#end([...this.#keys.keys()].filter(feed => readers.has(feed)), change.type, bucketNotDefined(change.bucket))
        break
      }
      case 'query_undefined':
        this.#end([...this.#keys.keys()].filter(feed => feed.query === change.query), change.type, queryNotDefined(change.query))
    }
  }

  #end (feeds: readonly Feed[], reason: SubscriptionEnd, error: NoexServerError): void {
    for (const feed of feeds) {
      this.abandoned(feed)
      feed.end(reason, error)
    }
  }
}

/** The same value with the members of objects in one order, so that equal parameters have equal text. */
function sortedMembers (value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortedMembers)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1)
  return Object.fromEntries(entries.map(([name, item]) => [name, sortedMembers(item)]))
}
