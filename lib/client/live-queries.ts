import { mustBe, TEXT } from './checks.js'
import { hidesData } from './ending.js'
import { environment } from './environment.js'
import { DisconnectedError, NoexClientError } from './errors.js'
import type { Link, LinkListener, ServerMessage } from './link.js'
import { keyOf, QueryEntry } from './live-query.js'
import type { OptimisticChanges, SendRequest } from './optimistic.js'
import { listen } from './observable.js'
import { callEach, messageOf, none, report } from './report.js'
import { subscribeOver, type Subscription } from './subscriptions.js'
import type { Client, LiveQuery, OptimisticTransaction, Preloaded, RequestOptions } from './types.js'

/** The events of the rules whose topics one pattern matches. */
interface EventChannel extends Subscription {
  readonly listeners: Set<(data: any) => void>
}

/** The live queries and events of a client, over all its connections. */
export interface LiveQueries extends LinkListener, Pick<Client, 'query' | 'events' | 'hydrate'> {
  /**
   * Sends changes as one transaction, and shows them until the answer is in. Resolves with the data of the
   * reply. @throws what `change` throws, and what the request rejects with
   */
  readonly optimistic: (
    change: (tx: OptimisticTransaction) => void, options: RequestOptions | undefined, send: SendRequest
  ) => Promise<any>
  /** Gives all queries the error with which the connection was refused; `undefined`: takes it from them. */
  readonly refuse: (error: NoexClientError | undefined) => void
  /** Ends all queries and events for good. */
  readonly close: () => void
}

/**
 * Makes the live queries of a client. `lingerMs`: time for which one goes on after its last subscriber has
 * left, and for which the object of one that is not subscribed is the same, in milliseconds.
 */
export function createLiveQueries (link: Link, { lingerMs }: { readonly lingerMs: number }): LiveQueries {
  const entries = new Map<string, QueryEntry>()
  const channels = new Map<string, EventChannel>()
  /** Pushes of one moment, until the last of them has come; another list on each connection. */
  let group: ServerMessage[] = []
  /** The error of all queries, as long as there is no connection until `reconnect`. */
  let end: NoexClientError | undefined
  let generation = 0
  /** Present once their code is loaded: the first paint of a page does not need it. */
  let changes: OptimisticChanges | undefined

  /** Shows what has changed: all of it before the first listener is called. */
  const show = (): void => {
    const changed = [...entries.values()].filter(entry =>
      entry.show(changes ? changes.over(entry) : entry.own.data))
    callEach(changed.flatMap(({ listeners }) => [...listeners]), onChange => { onChange() })
  }

  const loadChanges = async (): Promise<OptimisticChanges> => {
    const { createOptimisticChanges } = await import('./optimistic.js').catch(error => {
      throw new DisconnectedError(`optimistic changes cannot be loaded: ${messageOf(error)}`, 'not-done')
    })
    changes ??= createOptimisticChanges(link, entries, show)
    return changes
  }

  const watched = subscribeOver<QueryEntry>(link, (entry, reply) => {
    const taken = take(entry, reply, true)
    show()
    return taken
  }, (entry, error) => {
    entry.fail(error)
    changes?.saw(entry, true)
    show()
  })

  const heard = subscribeOver<EventChannel>(link, none, (_channel, error) => { report(error) })

  /** Takes a result. Where it does not fit, the complete one is asked for, and waited for. */
  const take = async (entry: QueryEntry, message: ServerMessage, isReply: boolean): Promise<void> => {
    try {
      entry.take(message)
      changes?.saw(entry, isReply)
    } catch (error) {
      if (entry.isMisfit) {
        watched.end(entry)
        return entry.fail(error as NoexClientError)
      }
      entry.isMisfit = true
      entry.outdate()
      await watched.start(entry)
    }
  }

  /** Forgets the former connection. */
  const turn = (): ServerMessage[] => {
    watched.lost()
    heard.lost()
    group = []
    return group
  }

  const outdateAll = (): void => {
    turn()
    for (const entry of entries.values()) if (entry.own.status === 'live') entry.outdate()
    show()
  }

  const linger = (entry: QueryEntry): void => {
    entry.keep = environment.after(lingerMs, () => {
      entries.delete(entry.key)
      watched.end(entry)
    })
  }

  /** Returns what is kept of a live query: for `lingerMs`, unless it is subscribed. */
  const entryOf = (key: string, query?: LiveQuery<any>): QueryEntry => {
    let entry = entries.get(key)
    if (!entry) {
      entries.set(key, entry = new QueryEntry(key))
      // It outlives what is kept of it: that is made anew when it is used.
      entry.query = query ?? makeQuery(key)
      linger(entry)
      if (end) entry.fail(end)
      entry.show(undefined)
    }
    return entry
  }

  const makeQuery = (key: string): LiveQuery<any> => {
    const entry = (): QueryEntry => entryOf(key, query)
    const query: LiveQuery<any> = {
      key,
      subscribe: listener => subscribe(entry(), listener),
      getSnapshot: () => entry().state.data,
      get state () { return entry().state },
      get serverState () { return entry().serverState },
      get generation () { return generation },
      get status () { return entry().state.status },
      get error () { return entry().state.error }
    }
    return query
  }

  /** Takes away all that is of a user. */
  const forget = (): void => {
    generation++
    changes?.forget()
    for (const entry of entries.values()) entry.forget()
  }

  const subscribe = (entry: QueryEntry, listener: () => void): (() => void) => {
    const { listeners, isWatched, own, keep } = entry
    keep()
    const stop = listen(listeners, listener, () => { linger(entry) })
    if (!isWatched || (listeners.size === 1 && own.status === 'error')) {
      entry.isWatched = true
      if (link.isReady) entry.outdate()
      watched.start(entry)
      show()
    }
    return stop
  }

  return {
    query: (...query) => entryOf(keyOf(...query)).query,

    events: (pattern, onEvent) => {
      mustBe('events: pattern', pattern, TEXT)
      mustBe('events: onEvent', onEvent, 'a function')
      let channel = channels.get(pattern)
      if (!channel) {
        channel = { type: 'rules', members: () => ({ pattern }), listeners: new Set() }
        channels.set(pattern, channel)
        heard.start(channel)
      }
      const own = channel
      return listen(own.listeners, data => { onEvent(data?.event, data?.topic) }, () => {
        channels.delete(pattern)
        heard.end(own)
      })
    },

    hydrate: preloaded => {
      const { queries, userId } = Object(preloaded) as Preloaded
      mustBe('hydrate: queries', queries, 'an array')
      if (userId && userId !== (link.user ??= userId)) return
      callEach(queries, ([key, { error, ...result }]: readonly [string, any]) => {
        const entry = entryOf(key)
        if (entry.own.status !== 'loading') return
        if (error) entry.fail(new NoexClientError(error.code, error.message))
        else {
          entry.take(result)
          entry.outdate()
        }
        entry.serverState = entry.own
      })
      show()
    },

    // At once where that is possible: `await` would make it later.
    optimistic: async (...change) => await (changes ?? await loadChanges()).run(...change),

    refuse: error => {
      const former = end
      if (error === former) return
      end = error
      if (error && hidesData(error)) {
        forget()
        link.user = undefined
      }
      for (const entry of entries.values()) {
        if (error) entry.fail(error)
        else if (entry.own.error === former) entry.outdate()
      }
      show()
    },

    onUser: isOther => {
      if (isOther) forget()
      for (const entry of entries.values()) {
        const isDue = isOther || entry.own.error?.code === 'UNAUTHORIZED'
        if (isDue && entry.isWatched && link.isReady) {
          entry.outdate()
          watched.start(entry)
        }
      }
      show()
    },

    onReady: async () => {
      const present = turn()
      // So that the first change is shown at once. Where it fails, it is loaded when it is needed.
      loadChanges().catch(none)
      const onAllShown = changes?.onReady()
      const asked = [...entries.values()].filter(({ isWatched }) => isWatched)
      await Promise.all([...asked.map(watched.start), ...[...channels.values()].map(heard.start)])
      if (present === group) onAllShown?.()
    },

    onPush: message => {
      const { channel, subscriptionId, data, more } = message
      if (channel === 'event') {
        return callEach(heard.get(subscriptionId)?.listeners ?? [], onEvent => { onEvent(data) })
      }
      group.push(message)
      if (more) return
      for (const push of group.splice(0)) {
        const entry = watched.get(push['subscriptionId'])
        if (entry) take(entry, push, false)
      }
      show()
    },

    onSystem: ({ event, revision, reason, subscriptionId }) => {
      if (event === 'revision') changes?.onRevision(revision)
      // The server sends nothing more of them.
      if (event === 'session_ended') outdateAll()
      if (event !== 'subscription_closed') return
      const error = new NoexClientError(
        reason, `ended by the server: ${reason}: remedy that, then call reconnect()`
      )
      watched.ended(subscriptionId, error)
      heard.ended(subscriptionId, error)
    },

    onLost: outdateAll,

    close: () => {
      lingerMs = Infinity
      turn()
      channels.clear()
      for (const entry of entries.values()) entry.keep()
    }
  }
}
