import { DisconnectedError, NoexClientError } from './errors.js'
import type { Link, LinkListener, ServerMessage } from './link.js'
import { keyOf, QueryEntry } from './live-query.js'
import { createOptimisticChanges, type SendRequest } from './optimistic.js'
import { callEach, report } from './report.js'
import { MAX_DELAY_MS, subscribeOver, type Subscription } from './subscriptions.js'
import type {
  Find, LiveQuery, OptimisticTransaction, Preloaded, QueryOptions, RequestOptions
} from './types.js'

/** What to do about a subscription that the server has ended, by its reason. */
const remedies = new Map<unknown, string>([
  ['query_undefined', 'define the query again'],
  ['bucket_dropped', 'define the bucket again'],
  ['forbidden', 'log in as a user who may read it'],
  ['memory_limit', 'ask for less, or for pages'],
  ['failed', 'see the log of the server']
])

type OnEvent = (event: any, topic: string) => void

/** The events of the rules whose topics one pattern matches. */
interface EventChannel extends Subscription {
  readonly listeners: Set<{ readonly onEvent: OnEvent }>
}

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
  readonly #subscriptions
  readonly #changes
  /** Pushes of one moment, until the last of them has come. */
  #group: ServerMessage[] = []
  /** Number of connections that have begun or ended. */
  #turns = 0
  #isClosed = false

  constructor (link: Link, { lingerMs }: LiveQueriesOptions) {
    this.#link = link
    this.#lingerMs = Math.min(lingerMs, MAX_DELAY_MS)
    this.#changes = createOptimisticChanges(link, this.#entries, () => { this.#show() })
    this.#subscriptions = subscribeOver<QueryEntry | EventChannel>(link, (subscription, reply) => {
      if (!(subscription instanceof QueryEntry)) return
      const taken = this.#take(subscription, reply, true)
      this.#show([subscription])
      return taken
    }, (subscription, error) => { this.#fail(subscription, error) })
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
    const channel: EventChannel = this.#channels.get(pattern) ??
      { type: 'rules', members: () => ({ pattern }), listeners: new Set() }
    const listener = { onEvent }
    channel.listeners.add(listener)
    if (channel.listeners.size === 1 && !this.#isClosed) {
      this.#channels.set(pattern, channel)
      this.#subscriptions.start(channel)
    }
    return () => {
      if (!channel.listeners.delete(listener) || channel.listeners.size > 0) return
      this.#channels.delete(pattern)
      this.#subscriptions.end(channel)
    }
  }

  /** Shows the results of `preload` until newer ones have come. */
  hydrate ({ queries }: Preloaded): void {
    callEach(queries, ([key, { error, ...result }]: readonly [string, any]) => {
      const entry = this.#entry(key)
      if (entry.own.status !== 'loading') return
      if (error) entry.fail(new NoexClientError(error.code, error.message))
      else {
        entry.take(result)
        entry.outdate()
      }
    })
    this.#show()
    callEach(queries, ([key]) => {
      const entry = this.#entry(key)
      entry.serverState ??= entry.state
    })
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
    const turn = this.#turn()
    const onAllShown = this.#changes.onReady()
    const watched = [...this.#entries.values()].filter(({ isWatched }) => isWatched)
    await Promise.all([...watched, ...this.#channels.values()].map(this.#subscriptions.start))
    if (turn === this.#turns) onAllShown()
  }

  onPush (message: ServerMessage): void {
    const { channel, subscriptionId, data, more } = message
    if (channel === 'event') {
      const found = this.#subscriptions.get(subscriptionId)
      if (found === undefined || found instanceof QueryEntry) return
      return callEach(found.listeners, listener => {
        if (found.listeners.has(listener)) listener.onEvent(data?.event, data?.topic)
      })
    }
    this.#group.push(message)
    if (more === true) return
    const changed = new Set<QueryEntry>()
    for (const push of this.#group.splice(0)) {
      const entry = this.#subscriptions.get(push['subscriptionId'])
      if (!(entry instanceof QueryEntry)) continue
      changed.add(entry)
      this.#take(entry, push, false)
    }
    this.#show(changed)
  }

  onSystem ({ event, revision, reason, subscriptionId }: ServerMessage): void {
    if (event === 'revision') this.#changes.onRevision(revision)
    const ended = event === 'subscription_closed' && this.#subscriptions.ended(subscriptionId)
    if (!ended) return
    const remedy = remedies.get(reason) ?? remedies.get('failed')
    const message = `The server has ended the subscription (${reason}): ${remedy}`
    this.#fail(ended, new NoexClientError(String(reason), message))
  }

  onLost (): void {
    this.#turn()
    for (const entry of this.#entries.values()) if (entry.own.status === 'live') entry.outdate()
    this.#show()
  }

  /** Ends all queries and events for good. */
  close (): void {
    this.#isClosed = true
    this.#turn()
    this.#channels.clear()
    for (const entry of this.#entries.values()) this.#end(entry)
    this.#show()
  }

  /** Forgets the former connection. */
  #turn (): number {
    this.#group = []
    this.#subscriptions.lost()
    return ++this.#turns
  }

  /** Returns what is kept of a live query: for `lingerMs`, unless it is subscribed. */
  #entry (key: string, query?: LiveQuery<any>): QueryEntry {
    let entry = this.#entries.get(key)
    if (entry === undefined) {
      entry = new QueryEntry(key)
      if (query) entry.query = query
      this.#entries.set(key, entry)
      if (this.#isClosed) {
        this.#end(entry)
        entry.show(undefined)
      } else this.#linger(entry)
    }
    return entry
  }

  /** Makes the object of a live query. It outlives what is kept of it: that is made anew when it is used. */
  #queryOf (key: string): LiveQuery<any> {
    const entry = (): QueryEntry => this.#entry(key, query)
    const query: LiveQuery<any> = {
      key,
      subscribe: listener => this.#subscribe(entry(), listener),
      getSnapshot: () => entry().state.data,
      get state () { return entry().state },
      get serverState () { return entry().serverState },
      get status () { return entry().state.status },
      get error () { return entry().state.error }
    }
    return query
  }

  #subscribe (entry: QueryEntry, listener: () => void): () => void {
    if (this.#isClosed) return () => {}
    const { listeners, own: { status } } = entry
    const onChange = (): void => { listener() }
    clearTimeout(entry.timer)
    listeners.add(onChange)
    if (!entry.isWatched || (listeners.size === 1 && status === 'error')) {
      entry.isWatched = true
      if (this.#link.isReady) entry.outdate()
      this.#subscriptions.start(entry)
      this.#show([entry])
    }
    return () => {
      if (listeners.delete(onChange) && listeners.size === 0 && !this.#isClosed) this.#linger(entry)
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

  #fail (subscription: QueryEntry | EventChannel, error: NoexClientError): void {
    if (!(subscription instanceof QueryEntry)) return report(error)
    subscription.fail(error)
    this.#show([subscription])
  }

  /** Takes a result. Where it does not fit, the complete one is asked for, and waited for. */
  async #take (entry: QueryEntry, message: ServerMessage, isReply: boolean): Promise<void> {
    try {
      entry.take(message)
      this.#changes.saw(entry, isReply)
    } catch {
      if (entry.isMisfit) {
        this.#subscriptions.end(entry)
        entry.fail(new NoexClientError('PROTOCOL_ERROR', 'The server sends changes that do not fit'))
      } else {
        entry.isMisfit = true
        entry.outdate()
        await this.#subscriptions.start(entry)
      }
    }
  }

  /** Shows what has changed: all of it before the first listener is called. */
  #show (changed: Iterable<QueryEntry> = this.#entries.values()): void {
    const shown = [...this.#changes.isEmpty() ? changed : this.#entries.values()]
      .filter(entry => entry.show(this.#changes.over(entry)))
    const due = shown.flatMap(({ listeners }) => [...listeners].map(onChange => ({ listeners, onChange })))
    callEach(due, ({ listeners, onChange }) => { if (listeners.has(onChange)) onChange() })
  }
}
