import { DisconnectedError, NoexClientError } from '../../lib/client/errors.js'
import type { Link, LinkListener, ServerMessage } from '../../lib/client/link.js'
import { deltaBetween } from './deltas.js'
import type { Row } from './live-list.js'

/** Describes a live query. */
interface ModelQuery {
  /** The name of a query, or a `find`. */
  readonly query: string | { readonly bucket: string }
  /** The field that tells rows apart. */
  readonly key: string | null
  readonly evaluate: (records: readonly Row[]) => unknown
}

/** The result of a revision. */
interface Told {
  readonly data: unknown
  readonly revision: number
}

interface Request {
  /** Returns how the reply is delivered. */
  readonly run: () => () => void
  readonly lose: () => void
  /** Whether it comes before others on the next connection. */
  readonly isRepeated?: boolean
}

interface Transaction {
  readonly operations: ReadonlyArray<{ op: string, key?: unknown, data?: Row }>
}

/**
 * A server with one bucket `todos` and one connection. Requests, replies and pushes wait in their order until
 * the test lets the next one go on.
 */
export class ModelServer<Name extends string> implements Link {
  isReady = false
  listener: LinkListener | undefined
  readonly queries: Readonly<Record<Name, ModelQuery>>
  readonly extensions = new Set(['delta', 'find', 'revision'])
  revision = 0
  /** The last result that the client was told of each query. */
  readonly told = new Map<Name, Told>()
  /** Called before the client is told that all live queries show a revision. */
  onNotice: ((revision: number) => void) | undefined
  /** The records of each revision. */
  #states: Array<readonly Row[]> = [[]]
  #epoch = 1
  #requests: Request[] = []
  /** Those that are run, and whose reply is not delivered. */
  readonly #replying = new Set<Request>()
  #messages: Array<() => void> = []
  #subscribed = new Map<string, { readonly name: Name, told: Told }>()
  #notices: number[] = []
  #lastKey = 0
  #lastSubscription = 0

  constructor (queries: Readonly<Record<Name, ModelQuery>>) {
    this.queries = queries
  }

  get records (): readonly Row[] {
    return this.#states[this.revision] ?? []
  }

  get isIdle (): boolean {
    return this.#messages.length === 0 && this.#requests.length === 0
  }

  has (extension: string): boolean {
    return this.extensions.has(extension)
  }

  /** Returns the result of a query, as JSON has it. */
  resultOf (name: Name, revision = this.revision): unknown {
    return JSON.parse(JSON.stringify(this.queries[name].evaluate(this.#states[revision] ?? [])))
  }

  commit (change: (records: readonly Row[]) => readonly Row[]): void {
    this.#states[this.revision + 1] = change(this.records)
    this.revision++
  }

  ask (
    type: string, members: any, onReply: (data: any) => void, onError: (error: NoexClientError) => void
  ): void {
    this.#requests.push({
      run: () => {
        if (type === 'store.subscribe') return this.#subscribe(members, onReply)
        if (type === 'store.unsubscribe') this.#subscribed.delete(members.subscriptionId)
        return () => { onReply({}) }
      },
      lose: () => { onError(new DisconnectedError('lost', 'unknown')) }
    })
  }

  /** Sends a transaction, again on the next connection where its reply is lost. */
  async send (
    { operations }: Transaction, isAccepted: boolean, onReply: (reply: ServerMessage) => void
  ): Promise<unknown> {
    return await new Promise((resolve, reject) => {
      let results: object[] | undefined
      const request: Request = {
        isRepeated: true,
        lose: () => { this.#requests.unshift(request) },
        run: () => {
          if (!isAccepted) return () => { reject(new NoexClientError('CONFLICT', 'others were faster')) }
          results ??= this.#write(operations)
          const { revision } = this
          const reply = { data: { results }, ...(this.has('revision') && { revision }) }
          this.#notices.push(revision)
          return () => {
            onReply(JSON.parse(JSON.stringify(reply)))
            resolve(reply.data)
          }
        }
      }
      this.#requests.push(request)
    })
  }

  /** Runs the next request of the client. */
  handle (): void {
    const request = this.isReady ? this.#requests.shift() : undefined
    if (request === undefined) return
    const reply = request.run()
    this.#replying.add(request)
    this.#messages.push(() => {
      this.#replying.delete(request)
      reply()
    })
  }

  /** Tells the client what has changed since it was told last. */
  push (prefersData: boolean): void {
    const { revision } = this
    const isDelta = this.has('delta')
    const changed = [...this.#subscribed].filter(([, { name, told }]) =>
      JSON.stringify(told.data) !== JSON.stringify(this.resultOf(name)))
    const told = new Map(changed.map(([, { name }]) => [name, { data: this.resultOf(name), revision }]))
    changed.forEach(([subscriptionId, subscribed], i) => {
      const { name } = subscribed
      const { key } = this.queries[name]
      const { data } = told.get(name) as Told
      const isWhole = !isDelta || key === null || prefersData
      const push = JSON.stringify({
        ...(isDelta && { revision }),
        ...(isDelta && isWhole && { epoch: this.#epochOf(name), key }),
        ...(isWhole ? { data } : { delta: deltaBetween(subscribed.told.data as Row[], data as Row[]) }),
        ...(isDelta && i < changed.length - 1 && { more: true })
      })
      subscribed.told = { data, revision }
      this.#messages.push(() => {
        if (!isDelta) this.told.set(name, { data, revision })
        else if (i === changed.length - 1) for (const [each, result] of told) this.told.set(each, result)
        this.listener?.onPush({ type: 'push', channel: 'subscription', subscriptionId, ...JSON.parse(push) })
      })
    })
    for (const notice of this.has('revision') ? this.#notices.splice(0) : []) {
      this.#messages.push(() => {
        this.onNotice?.(notice)
        this.listener?.onSystem({ type: 'system', event: 'revision', revision: notice })
      })
    }
  }

  /** Ends the subscription of a query. */
  end (name: Name): void {
    const [subscriptionId] = [...this.#subscribed].find(([, subscribed]) => subscribed.name === name) ?? []
    if (subscriptionId === undefined) return
    this.#subscribed.delete(subscriptionId)
    const message = { type: 'system', event: 'subscription_closed', subscriptionId, reason: 'failed' }
    this.#messages.push(() => { this.listener?.onSystem(message) })
  }

  /** Lets the client have the next message. */
  deliver (): void {
    this.#messages.shift()?.()
  }

  async connect (): Promise<void> {
    if (this.isReady) return
    this.isReady = true
    this.#lastSubscription = 0
    await this.listener?.onReady()
  }

  lose (): void {
    if (!this.isReady) return
    this.isReady = false
    this.#messages = []
    this.#subscribed = new Map()
    this.#notices = []
    const open = [...this.#replying, ...this.#requests.splice(0)].reverse()
    this.#replying.clear()
    for (const { lose } of open) lose()
    this.listener?.onLost()
  }

  /** Begins anew: what was told before is out of reach, and revisions count from 0. */
  restart (): void {
    this.lose()
    this.#states = [this.records]
    this.revision = 0
    this.#epoch++
  }

  #epochOf (name: Name): string {
    return `${this.#epoch} ${name}`
  }

  #subscribe ({ query, find, since }: any, onReply: (data: any) => void): () => void {
    const asked = JSON.stringify(query ?? find)
    const names = Object.keys(this.queries) as Name[]
    const name = names.find(name => JSON.stringify(this.queries[name].query) === asked) as Name
    // Other connections may have the same ids.
    const subscriptionId = `sub-${++this.#lastSubscription}`
    const { revision } = this
    const told = { data: this.resultOf(name), revision }
    const { key } = this.queries[name]
    const epoch = this.#epochOf(name)
    this.#subscribed.set(subscriptionId, { name, told })
    const isNear = since?.epoch === epoch && since.revision <= revision && key !== null
    const result = isNear
      ? { delta: deltaBetween(this.resultOf(name, since.revision) as Row[], told.data as Row[]) }
      : { data: told.data }
    const position = this.has('delta') ? { epoch, revision, key } : {}
    const bucket = this.has('revision') && key !== null ? { bucket: 'todos' } : {}
    const reply = JSON.stringify({ subscriptionId, ...position, ...bucket, ...result })
    return () => {
      this.told.set(name, told)
      onReply(JSON.parse(reply))
    }
  }

  #write (operations: Transaction['operations']): object[] {
    const results: object[] = []
    this.commit(records => operations.reduce((list, { op, key, data }) => {
      const former = list.find(row => row['id'] === key)
      if (op === 'delete') {
        results.push({ data: { deleted: true } })
        return list.filter(row => row !== former)
      }
      const row = op === 'insert' ? { id: `k${++this.#lastKey}`, ...data } : { ...former, ...data }
      results.push({ data: row })
      return former === undefined ? [...list, row] : list.map(other => other === former ? row : other)
    }, records))
    return results
  }
}
