import { runInNextTurn } from '../clock.js'
import type { Scope } from '../access/policy.js'
import { bucketNotDefined, NoexServerError, queryNotDefined } from '../errors.js'
import type { Log } from '../log.js'
import type { SubscriptionEnd } from '../protocol/messages.js'
import type { StoreChange } from '../store/schema-watch.js'
import type { StoreAccess } from '../store/store-access.js'
import { DependencyIndex, type Reader, type Reads } from './dependency-index.js'
import { Feed, type FeedHost } from './feed.js'

/** All live queries of a service: finds the feed for a subscription and brings changes of the store to the feeds. */
export class Feeds implements FeedHost {
  readonly #access: StoreAccess
  readonly #log: Log
  readonly #feeds = new Map<string, Feed>()
  readonly #keys = new Map<Feed, string>()
  readonly #index = new DependencyIndex()
  #scheduled: Feed[] = []
  #evaluations = 0
  #stopListening: Array<() => unknown> = []

  constructor (access: StoreAccess, log: Log) {
    this.#access = access
    this.#log = log
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
  }

  /** The feed of a query with these parameters for those who may read as much as `scope`; equal ones share it. */
  feed (query: string, params: unknown, scope: Scope): Feed {
    const key = JSON.stringify([query, sortedMembers(params), scope.key])
    let feed = this.#feeds.get(key)
    if (feed === undefined) {
      feed = new Feed(query, params, scope, this)
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

  async run ({ query, params, scope }: Feed, reads: Reads): Promise<unknown> {
    this.#evaluations++
    return await this.#access.runQuery(query, params, scope.rows, reads)
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
