import { NoexConnection } from './noex-connection.js'
import {
  createMethods, ofAudit, ofAuth, ofBucket, ofIdentity, ofProcedures, ofRules, ofServer, ofStore
} from './noex-methods.js'
import type {
  NoexAudit, NoexAuth, NoexClientEvents, NoexClientOptions, NoexClientState, NoexIdentity, NoexProcedures,
  NoexRules, NoexServerInfo, NoexStore, RequestFunction, Unsubscribe, WelcomeInfo
} from './noex-types.js'

/**
 * A client with the API of `@hamicek/noex-client`: programs that were written for that need another import
 * only. New ones are shorter with `createClient`.
 * @throws `TypeError` for a wrong URL or option
 * @example
 * const client = new NoexClient('wss://example.com/live', { auth: { token } })
 * await client.connect()
 * const unsubscribe = await client.store.subscribe('open-orders', orders => { console.log(orders) })
 */
export class NoexClient {
  readonly store: NoexStore
  readonly rules: NoexRules
  readonly auth: NoexAuth
  readonly identity: NoexIdentity
  readonly procedures: NoexProcedures
  readonly audit: NoexAudit
  readonly server: NoexServerInfo
  /**
   * Sends the request of any operation, also of one of the application. With `retry` it waits for the next
   * connection, and is repeated there.
   * @throws `NoexClientError`
   */
  readonly request: RequestFunction
  readonly #connection: NoexConnection

  constructor (url: string, options: NoexClientOptions = {}) {
    const connection = this.#connection = new NoexConnection(url, options)
    const request: RequestFunction = this.request = async (...args) => await connection.request(...args)
    const whoami = async (): Promise<any> => {
      const session = await request('auth.whoami')
      return session?.authenticated === true ? session : null
    }
    const unsubscribe = async (id: string): Promise<void> => { connection.unsubscribe(id) }
    this.store = {
      ...createMethods<NoexStore>(request, 'store', ofStore),
      bucket: name => createMethods(request, 'store', ofBucket, { bucket: name }),
      subscribe: async (query: string, ...rest: any[]) => await connection.subscribe(
        'store', { query, params: rest.length > 1 ? rest[0] : undefined }, rest.at(-1)
      ),
      unsubscribe,
      transaction: async operations => {
        const { results = [] } = Object(await request('store.transaction', { operations }))
        // Programs read them by either. A copy: with a circle they could not be sent or printed.
        return Object.assign(results, { results: [...results] })
      }
    }
    this.rules = {
      ...createMethods<NoexRules>(request, 'rules', ofRules),
      subscribe: async (pattern, callback) => await connection.subscribe('rules', { pattern }, data => {
        callback(data?.event, data?.topic)
      }),
      unsubscribe
    }
    this.auth = { ...createMethods<NoexAuth>(request, 'auth', ofAuth), whoami }
    this.identity = { ...createMethods<NoexIdentity>(request, 'identity', ofIdentity), whoami }
    this.procedures = createMethods(request, 'procedures', ofProcedures)
    this.audit = createMethods(request, 'audit', ofAudit)
    this.server = createMethods(request, 'server', ofServer)
  }

  get state (): NoexClientState {
    return this.#connection.state
  }

  /** Whether requests can be sent. */
  get isConnected (): boolean {
    return this.state === 'connected'
  }

  /** Calls `handler` at each such event. Returns the function that ends that. */
  on<E extends keyof NoexClientEvents> (
    event: E, handler: (...args: NoexClientEvents[E]) => void
  ): Unsubscribe {
    return this.#connection.on(event, handler)
  }

  /**
   * Connects, and logs in where the server wants that and the options say how. A connection that is lost
   * later is made again.
   * @throws `NoexClientError` when this first attempt fails
   */
  async connect (): Promise<WelcomeInfo> {
    return await this.#connection.connect()
  }

  /** Ends the connection. Requests that wait are rejected; subscriptions go on after the next `connect`. */
  async disconnect (): Promise<void> {
    this.#connection.disconnect()
  }
}
