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
const remedies: Readonly<Record<string, string>> = {
  query_undefined: 'define the query again',
  bucket_dropped: 'define the bucket again',
  forbidden: 'log in as a user who may read it',
  memory_limit: 'ask for less, or for pages'
}

type OnEvent = (event: any, topic: string) => void

/** The events of the rules whose topics one pattern matches. */
interface EventChannel extends Subscription {
  readonly listeners: Set<(data: any) => void>
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
  /** Pushes of one moment, until the last of them has come; another list on each connection. */
  #group: ServerMessage[] = []
  /** The error of all queries, once the client is closed. */
  #end: DisconnectedError | undefined

  constructor (link: Link, { lingerMs }: LiveQueriesOptions) {
    this.#link = link
    this.#lingerMs = Math.min(lingerMs, MAX_DELAY_MS)
    this.#changes = createOptimisticChanges(link, this.#entries, () => { this.#show() })
    this.#subscriptions = subscribeOver<QueryEntry | EventChannel>(link, (subscription, reply) => {
      if (!(subscription instanceof QueryEntry)) return
      const taken = this.#take(subscription, reply, true)
      this.#show()
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
    let channel = this.#channels.get(pattern)
    if (!channel) {
      channel = { type: 'rules', members: () => ({ pattern }), listeners: new Set() }
      this.#channels.set(pattern, channel)
      this.#subscriptions.start(channel)
    }
    return listen(channel.listeners, data => { onEvent(data?.event, data?.topic) }, () => {
      this.#channels.delete(pattern)
      this.#subscriptions.end(channel)
    })
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
    const group = this.#turn()
    const onAllShown = this.#changes.onReady()
    const watched = [...this.#entries.values()].filter(({ isWatched }) => isWatched)
    await Promise.all([...watched, ...this.#channels.values()].map(this.#subscriptions.start))
    if (group === this.#group) onAllShown()
  }

  onPush (message: ServerMessage): void {
    const group = this.#group
    if (message['channel'] !== 'event') group.push(message)
    else {
      const { subscriptionId, data } = message
      const channel = this.#subscriptions.get(subscriptionId)
      if (channel && !(channel instanceof QueryEntry)) callEach(channel.listeners, call => { call(data) })
      return
    }
    if (message['more'] === true) return
    for (const push of group.splice(0)) {
      const entry = this.#subscriptions.get(push['subscriptionId'])
      if (entry instanceof QueryEntry) this.#take(entry, push, false)
    }
    this.#show()
  }

  onSystem ({ event, revision, reason, subscriptionId }: ServerMessage): void {
    if (event === 'revision') this.#changes.onRevision(revision)
    const ended = event === 'subscription_closed' && this.#subscriptions.ended(subscriptionId)
    if (!ended) return
    const remedy = remedies[reason] ?? 'see the log of the server'
    this.#fail(ended, new NoexClientError(reason, `The server has ended it (${reason}): ${remedy}`))
  }

  onLost (): void {
    this.#turn()
    for (const entry of this.#entries.values()) if (entry.own.status === 'live') entry.outdate()
    this.#show()
  }

  /** Ends all queries and events for good. */
  close (): void {
    this.#end = new DisconnectedError('The client is closed', 'not-done')
    this.#turn()
    this.#channels.clear()
    for (const entry of this.#entries.values()) {
      clearTimeout(entry.timer)
      entry.fail(this.#end)
    }
    this.#show()
  }

  /** Forgets the former connection. */
  #turn (): ServerMessage[] {
    this.#subscriptions.lost()
    return this.#group = []
  }

  /** Returns what is kept of a live query: for `lingerMs`, unless it is subscribed. */
  #entry (key: string, query?: LiveQuery<any>): QueryEntry {
    let entry = this.#entries.get(key)
    if (!entry) {
      entry = new QueryEntry(key, query)
      this.#entries.set(key, entry)
      this.#linger(entry)
      if (this.#end) entry.fail(this.#end)
      entry.show(undefined)
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
    clearTimeout(entry.timer)
    const { listeners, isWatched, own } = entry
    const stop = listen(listeners, listener, () => { this.#linger(entry) })
    if (!isWatched || (listeners.size === 1 && own.status === 'error')) {
      entry.isWatched = true
      if (this.#link.isReady) entry.outdate()
      this.#subscriptions.start(entry)
      this.#show()
    }
    return stop
  }

  #linger (entry: QueryEntry): void {
    if (this.#end) return
    entry.timer = setTimeout(() => {
      this.#entries.delete(entry.key)
      this.#subscriptions.end(entry)
    }, this.#lingerMs)
  }

  #fail (subscription: QueryEntry | EventChannel, error: NoexClientError): void {
    if (!(subscription instanceof QueryEntry)) return report(error)
    subscription.fail(error)
    this.#changes.saw(subscription, true)
    this.#show()
  }

  /** Takes a result. Where it does not fit, the complete one is asked for, and waited for. */
  async #take (entry: QueryEntry, message: ServerMessage, isReply: boolean): Promise<void> {
    try {
      entry.take(message)
      this.#changes.saw(entry, isReply)
    } catch (error) {
      if (entry.isMisfit) {
        this.#subscriptions.end(entry)
        return entry.fail(error as NoexClientError)
      }
      entry.isMisfit = true
      entry.outdate()
      await this.#subscriptions.start(entry)
    }
  }

  /** Shows what has changed: all of it before the first listener is called. */
  #show (): void {
    const changed = [...this.#entries.values()].filter(entry => entry.show(this.#changes.over(entry)))
    callEach(changed.flatMap(({ listeners }) => [...listeners]), onChange => { onChange() })
  }
}

/** Adds a listener. Returns the function that ends that, once; `onLast` is called when none is left. */
function listen<T extends (...args: any[]) => void> (listeners: Set<T>, listener: T, onLast: () => void): () => void {
  const own = ((...args) => { if (listeners.has(own)) listener(...args) }) as T
  listeners.add(own)
  return () => { if (listeners.delete(own) && listeners.size === 0) onLast() }
}
