import type { Change, Commit } from '@hamicek/noex-store'
import { runInNextTurn } from '../clock.js'
import type { Scope } from '../access/policy.js'
import { bucketNotDefined, NoexServerError, queryNotDefined } from '../errors.js'
import type { Log } from '../log.js'
import type { SubscriptionEnd } from '../protocol/messages.js'
import { isTurnOver, nextTurn } from '../slice.js'
import type { StoreAccess } from '../store/store-access.js'
import { Work } from '../store/work.js'
import type { Clock } from '../clock.js'
import { DependencyIndex, type Reader, type Reads } from './dependency-index.js'
import { Feed, type FeedHost, type FeedRun } from './feed.js'
import type { QueryRunner } from './query-runner.js'

/** Longest pause between two evaluations of a feed that changes during each, in milliseconds. */
const MAX_PAUSE_MS = 1_000

/** The parts that live queries work with. */
export interface FeedsEnvironment {
  readonly queries: QueryRunner
  readonly log: Log
  readonly clock: Clock
  /** Units of work that one evaluation of a declarative query may take. */
  readonly workBudget: number
}

/** All live queries of a service: finds the feed for a subscription and brings changes of the store to the feeds. */
export class Feeds implements FeedHost {
  readonly #access: StoreAccess
  readonly #queries: QueryRunner
  readonly #log: Log
  readonly #clock: Clock
  readonly #workBudget: number
  readonly #feeds = new Map<string, Feed>()
  readonly #keys = new Map<Feed, string>()
  readonly #index = new DependencyIndex()
  #scheduled: Feed[] = []
  /** Cancels the evaluations that wait for a pause to end. */
  readonly #postponed = new Set<() => void>()
  #evaluations = 0
  #stopListening = (): void => {}

  constructor (access: StoreAccess, { queries, log, clock, workBudget }: FeedsEnvironment) {
    this.#access = access
    this.#queries = queries
    this.#log = log
    this.#clock = clock
    this.#workBudget = workBudget
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
  start (): void {
    this.#stopListening = this.#access.store.onDurable(commit => { this.#onCommit(commit) })
  }

  stop (): void {
    this.#stopListening()
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

  get revision (): number {
    return this.#access.store.revision
  }

  async run ({ query, params, scope, owner }: Feed, reads: Reads): Promise<FeedRun> {
    this.#evaluations++
    const work = new Work(this.#workBudget)
    const endRead = this.#access.store.beginRead()
    try {
      const text = await this.#queries.run({ query, params, rows: scope.rows, owner, reads, work })
      return { text, revision: this.revision, durable: endRead() }
    } catch (error) {
      // A failure shows the state that it comes from.
      const pending = endRead()
      if (pending !== undefined) await pending
      throw error
    }
  }

  schedule (feed: Feed): void {
    if (this.#scheduled.push(feed) > 1) return
    // After the replies of this tick: the client that made the change hears of its success first.
    runInNextTurn(() => {
      const scheduled = this.#scheduled
      this.#scheduled = []
      this.#evaluate(scheduled).catch((error: unknown) => {
        this.#log.error({ err: error }, 'live queries failed')
      })
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

  /** Evaluates many feeds in slices. */
  async #evaluate (feeds: readonly Feed[]): Promise<void> {
    for (const feed of feeds) {
      if (isTurnOver()) await nextTurn()
      feed.evaluate()
    }
  }

  /** All changes of a commit are through when a feed that they concern is evaluated, once. */
  #onCommit ({ changes, revision }: Commit): void {
    for (const change of changes) this.#onChange(change, revision)
  }

  #onChange (change: Change, revision: number): void {
    switch (change.type) {
      case 'insert':
      case 'update':
      case 'delete':
        this.#index.changed(change.bucket, this.#access.store.keyOf(change.bucket, change.key), revision)
        break
      case 'clear':
      case 'redefine':
        for (const reader of this.#index.readersOf(change.bucket)) reader.invalidate(revision)
        break
      case 'define':
        // A live query may fail for want of this bucket.
        for (const feed of this.#keys.keys()) if (feed.failing) feed.invalidate(revision)
        break
      case 'drop': {
        const readers = this.#index.readersOf(change.bucket)
        const feeds = [...this.#keys.keys()].filter(feed => readers.has(feed))
        this.#end(feeds, 'bucket_dropped', bucketNotDefined(change.bucket))
        break
      }
      case 'query': {
        if (change.config !== undefined) break
        const feeds = [...this.#keys.keys()].filter(feed => feed.query === change.query)
        this.#end(feeds, 'query_undefined', queryNotDefined(change.query))
      }
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
