import { DisconnectedError, NoexClientError } from './errors.js'
import { EventChannel, type OnEvent } from './event-channel.js'
import type { Link, LinkListener, ServerMessage } from './link.js'
import { keyOf, QueryEntry, type QueryHost, type QueryListener } from './live-query.js'
import { OptimisticChanges, type SendRequest } from './optimistic.js'
import { report } from './report.js'
import { MAX_DELAY_MS, Subscriptions } from './subscriptions.js'
import type {
  Find, LiveQuery, OptimisticTransaction, Preloaded, QueryOptions, RequestOptions
} from './types.js'

/** What to do about a subscription that the server has ended, by its reason. */
const remedies = new Map<unknown, string>([
  ['query_undefined', 'the query is not defined any more: define it again'],
  ['bucket_dropped', 'its bucket is not defined any more: define it again'],
  ['forbidden', 'you may not read it any more: log in as a user who may'],
  ['memory_limit', 'its result has become too large: ask for less, or for pages, or end other queries'],
  ['failed', 'it has failed, and the log of the server says why: correct it there']
])

/** The options of `LiveQueries`. */
export interface LiveQueriesOptions {
  /** Time for which a live query goes on after its last subscriber has left, in milliseconds. */
  readonly lingerMs: number
}

/** The live queries and events of a client, over all its connections. */
export class LiveQueries implements LinkListener {
  readonly #link: Link
  readonly #lingerMs: number
  readonly #entries = new Map<string, QueryEntry>()
  readonly #channels = new Map<string, EventChannel>()
  readonly #subscriptions: Subscriptions
  readonly #changes: OptimisticChanges
  readonly #host: QueryHost = {
    onSubscribed: async (entry, reply) => {
      const taken = this.#take(entry, reply, true)
      this.#show([entry])
      await taken
    },
    onRefused: (entry, error) => {
      entry.fail(error)
      this.#show([entry])
    }
  }

  /** Pushes of one moment, until the last of them has come. */
  #group: ServerMessage[] = []
  /** Another object for each connection. */
  #connection = {}
  #isClosed = false

  constructor (link: Link, { lingerMs }: LiveQueriesOptions) {
    this.#link = link
    this.#lingerMs = Math.min(lingerMs, MAX_DELAY_MS)
    this.#subscriptions = new Subscriptions(link)
    this.#changes = new OptimisticChanges(link, this.#entries, () => { this.#show() })
  }

  /** Returns the live query of a name and its parameters, or of a description: one object for equal ones. */
  query<T = any> (query: string | Find, params?: object, options?: QueryOptions): LiveQuery<T> {
    const key = keyOf(query, params, options)
    const entry = this.#entry(key)
    entry.query ??= this.#queryOf(key)
    return entry.query
  }

  /**
   * Calls `onEvent` with each event of the rules whose topic the pattern matches. Those of a time without a
   * connection are missed, and those that the server could not send to a slow client. Returns what ends that.
   */
  events (pattern: string, onEvent: OnEvent): () => void {
    const channel = this.#channels.get(pattern) ?? new EventChannel(pattern)
    const { listeners } = channel
    const listener = { onEvent }
    listeners.add(listener)
    if (listeners.size === 1 && !this.#isClosed) {
      this.#channels.set(pattern, channel)
      this.#subscriptions.start(channel)
    }
    return () => {
      if (!listeners.delete(listener) || listeners.size > 0) return
      this.#channels.delete(pattern)
      this.#subscriptions.end(channel)
    }
  }

  /** Shows the results of `preload` until newer ones have come. */
  hydrate ({ queries }: Preloaded): void {
    for (const [key, result] of queries) {
      const entry = this.#entry(key)
      if (entry.status === 'loading') entry.hydrate(result)
    }
    this.#show()
  }

  /**
   * Sends the changes as one transaction, and shows them until the answer is in. Resolves with the data of
   * the reply. @throws what `change` throws, and what the request rejects with
   */
  async optimistic (
    change: (tx: OptimisticTransaction) => void, options: RequestOptions | undefined, send: SendRequest
  ): Promise<any> {
    return await this.#changes.run(change, options, send)
  }

  async onReady (): Promise<void> {
    this.#forgetConnection()
    const connection = this.#connection
    const onAllShown = this.#changes.onReady()
    const watched = [...this.#entries.values()].filter(({ isWatched }) => isWatched)
    const all = [...watched, ...this.#channels.values()]
    await Promise.all(all.map(async subscription => { await this.#subscriptions.start(subscription) }))
    if (connection === this.#connection) onAllShown()
  }

  onPush (message: ServerMessage): void {
    const subscription = this.#subscriptions.get(message['subscriptionId'])
    if (message['channel'] === 'event') {
      if (subscription instanceof EventChannel) subscription.onEvent(message['data'])
      return
    }
    this.#group.push(message)
    if (message['more'] === true) return
    const group = this.#group
    this.#group = []
    const changed = new Set<QueryEntry>()
    for (const push of group) {
      const entry = this.#subscriptions.get(push['subscriptionId'])
      if (!(entry instanceof QueryEntry)) continue
      changed.add(entry)
      this.#take(entry, push, false)
    }
    this.#show(changed)
  }

  onSystem ({ event, revision, reason, subscriptionId }: ServerMessage): void {
    if (event === 'revision' && Number.isSafeInteger(revision)) this.#changes.onRevision(revision)
    if (event !== 'subscription_closed') return
    const remedy = remedies.get(reason) ?? String(reason)
    this.#subscriptions.ended(subscriptionId)
      ?.onRefused(new NoexClientError(String(reason), `The server has ended the subscription: ${remedy}`))
  }

  onLost (): void {
    this.#forgetConnection()
    this.#changes.onLost()
    for (const entry of this.#entries.values()) if (entry.status === 'live') entry.outdate()
    this.#show()
  }

  /** Ends all queries and events for good. */
  close (): void {
    this.#isClosed = true
    this.#forgetConnection()
    this.#channels.clear()
    for (const entry of this.#entries.values()) this.#end(entry)
    this.#show()
  }

  #forgetConnection (): void {
    this.#connection = {}
    this.#group = []
    this.#subscriptions.lost()
  }

  /** Returns what is kept of a live query: for `lingerMs`, unless it is subscribed. */
  #entry (key: string, query?: LiveQuery<any>): QueryEntry {
    let entry = this.#entries.get(key)
    if (entry === undefined) {
      entry = new QueryEntry(key, this.#host)
      entry.query = query
      this.#entries.set(key, entry)
      if (this.#isClosed) {
        this.#end(entry)
        entry.show(undefined)
      } else {
        this.#linger(entry)
      }
    }
    return entry
  }

  /** Makes the object of a live query. It outlives what is kept of it: that is made anew when it is used. */
  #queryOf (key: string): LiveQuery<any> {
    const entry = (): QueryEntry => this.#entry(key, query)
    const query: LiveQuery<any> = {
      key,
      subscribe: onChange => this.#subscribe(entry(), onChange),
      getSnapshot: () => entry().state.data,
      get state () { return entry().state },
      get status () { return entry().state.status },
      get error () { return entry().state.error }
    }
    return query
  }

  #subscribe (entry: QueryEntry, onChange: () => void): () => void {
    if (this.#isClosed) return () => {}
    const { listeners } = entry
    const listener = { onChange }
    const isFirst = listeners.size === 0
    clearTimeout(entry.timer)
    listeners.add(listener)
    if (isFirst && (!entry.isWatched || entry.status === 'error')) {
      entry.isWatched = true
      if (this.#link.isReady) entry.outdate()
      this.#subscriptions.start(entry)
      this.#show([entry])
    }
    return () => {
      if (listeners.delete(listener) && listeners.size === 0 && !this.#isClosed) this.#linger(entry)
    }
  }

  #linger (entry: QueryEntry): void {
    entry.timer = setTimeout(() => {
      this.#entries.delete(entry.key)
      this.#subscriptions.end(entry)
    }, this.#lingerMs)
  }

  #end (entry: QueryEntry): void {
    clearTimeout(entry.timer)
    entry.fail(new DisconnectedError('The client is closed', 'not-done'))
  }

  /** Takes a result. Where a delta does not fit, the complete result is asked for, and waited for. */
  async #take (entry: QueryEntry, message: ServerMessage, isReply: boolean): Promise<void> {
    try {
      entry.take(message)
      this.#changes.saw(entry, isReply)
    } catch (error) {
      const isRepeated = entry.isMisfit
      entry.isMisfit = true
      if (isRepeated) {
        this.#subscriptions.end(entry)
        const problem = `The server sends what does not fit: ${String(error)}`
        entry.fail(new NoexClientError('PROTOCOL_ERROR', problem))
      } else {
        entry.outdate()
        await this.#subscriptions.start(entry)
      }
    }
  }

  /** Shows what has changed: all of it before the first listener is called. */
  #show (changed: Iterable<QueryEntry> = this.#entries.values()): void {
    const due: Array<readonly [QueryEntry, QueryListener]> = []
    for (const entry of this.#changes.isEmpty ? changed : this.#entries.values()) {
      if (!entry.show(this.#changes.over(entry))) continue
      for (const listener of entry.listeners) due.push([entry, listener])
    }
    const called = new Set<() => void>()
    for (const [{ listeners }, listener] of due) {
      const { onChange } = listener
      if (called.has(onChange) || !listeners.has(listener)) continue
      called.add(onChange)
      try {
        onChange()
      } catch (error) {
        report(error)
      }
    }
  }
}
