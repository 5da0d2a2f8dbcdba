import type { NoexClientError } from '../../lib/client/errors.js'
import type { Client, ConnectionState, LiveQuery, QueryState } from '../../lib/client/types.js'

/** A live query that the test drives. */
export class HandQuery<T = any> implements LiveQuery<T> {
  readonly key: string
  readonly listeners = new Set<() => void>()
  /** How often it was subscribed to. */
  subscriptions = 0
  serverState: QueryState<T> | undefined
  generation = 0
  state: QueryState<T> = {
    data: undefined, status: 'loading', error: undefined, hasMore: undefined, nextCursor: undefined
  }

  constructor (key = 'query') {
    this.key = key
  }

  get status () { return this.state.status }
  get error () { return this.state.error }

  readonly getSnapshot = (): T | undefined => this.state.data

  readonly subscribe = (listener: () => void): () => void => {
    this.subscriptions++
    this.listeners.add(listener)
    return () => { this.listeners.delete(listener) }
  }

  /** Shows data, or another change of the state. */
  show (data: T, change: Partial<QueryState<T>> = {}): void {
    this.change({ data, status: 'live', error: undefined, ...change })
  }

  fail (error: NoexClientError): void {
    this.change({ status: 'error', error })
  }

  /** Does what a client does when its user has gone. */
  forget (change: Partial<QueryState<T>> = {}): void {
    this.generation++
    this.change({ data: undefined, status: 'loading', error: undefined, ...change })
  }

  change (change: Partial<QueryState<T>>): void {
    this.state = { ...this.state, ...change }
    for (const listener of [...this.listeners]) listener()
  }
}

/** A request, or an optimistic change, that the test answers. */
export interface HandRequest {
  readonly type: string
  readonly members: unknown
  readonly options: unknown
  readonly answer: (data: unknown) => void
  readonly refuse: (error: Error) => void
}

/** The connection of a client that the test drives. */
class HandConnection implements ConnectionState {
  value: ConnectionState['value'] = 'open'
  error: NoexClientError | undefined
  retryAt: number | undefined
  transport = 'websocket' as const
  readonly listeners = new Set<() => void>()

  subscribe (listener: () => void): () => void {
    this.listeners.add(listener)
    return () => { this.listeners.delete(listener) }
  }

  change (change: Partial<Pick<HandConnection, 'value' | 'error' | 'retryAt'>>): void {
    Object.assign(this, change)
    for (const listener of [...this.listeners]) listener()
  }
}

/** A client that the test drives: its queries by key, its requests in order. */
export class HandClient implements Client {
  readonly state = new HandConnection()
  readonly queries = new Map<string, HandQuery>()
  readonly requests: HandRequest[] = []

  query (name: string | object, params?: object, options?: object): HandQuery {
    const key = JSON.stringify([name, params, options])
    const query = this.queries.get(key) ?? new HandQuery(key)
    this.queries.set(key, query)
    return query
  }

  /** The number of listeners of all its queries. */
  get listeners (): number {
    return [...this.queries.values()].reduce((sum, { listeners }) => sum + listeners.size, 0)
  }

  async request (type: string, members?: object, options?: object): Promise<any> {
    return await new Promise((resolve, reject) => {
      this.requests.push({ type, members, options, answer: resolve, refuse: reject })
    })
  }

  async optimistic (change: (tx: any) => void, options?: object): Promise<any> {
    const changes: unknown[] = []
    change({
      bucket: (bucket: string) => ({
        insert (record: object) { changes.push({ op: 'insert', bucket, record }) },
        update (key: unknown, record: object) { changes.push({ op: 'update', bucket, key, record }) },
        delete (key: unknown) { changes.push({ op: 'delete', bucket, key }) }
      })
    })
    return await this.request('optimistic', changes, options)
  }

  events () { return () => {} }
  hydrate () {}
  reconnect () {}
  close () {}
}
