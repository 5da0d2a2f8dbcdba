import type { Test } from 'tap'
import { RuleEngine } from '@hamicek/noex-rules'
import { NoexServerError, operation, Type, type NoexOptions } from '../../lib/index.js'
import { TestClient } from './client.js'
import { serve, startStore, type Served } from './service.js'

const SECRET = '9f1c5e0b7a3d48e2b6c4d1f0a8e7c3b5'
const PASSWORD = 'correct horse battery staple'

type Options = Omit<NoexOptions, 'store'>

/** Serves the buckets that the examples of PROTOCOL.md work on. */
async function serveShop (t: Test, options: Options): Promise<Served> {
  const store = await startStore(t)
  const text = { type: 'string' } as const
  const amount = { type: 'number', min: 0 } as const
  await store.defineBucket('products', {
    key: 'sku',
    schema: {
      sku: text, name: text, price: amount, stock: amount, reorder: { type: 'boolean', default: false }
    }
  })
  await store.defineBucket('orders', {
    key: 'id',
    schema: {
      id: { type: 'number', generated: 'autoincrement' },
      sku: { type: 'string', ref: 'products', onDelete: 'restrict' },
      quantity: { type: 'number', required: true, min: 1 },
      status: { type: 'string', enum: ['new', 'sent'], default: 'new' }
    }
  })
  await store.defineBucket('drafts', { key: 'id', schema: { id: text, text } })
  await store.bucket('products').insertMany([
    { sku: 'A1', name: 'lamp', price: 20, stock: 5 }, { sku: 'B2', name: 'table', price: 90, stock: 4 }
  ])
  await store.bucket('drafts').insertMany([{ id: 'd1', text: 'old text' }, { id: 'd2', text: 'new text' }])
  const filter = { stock: { $lt: '{{ params.below }}' } }
  store.defineDeclarativeQuery('low-stock', { bucket: 'products', filter })
  store.defineDeclarativeQuery('all-products', { bucket: 'products' })
  const served = await serve(t, options, { store })
  await store.dropBucket('items')
  return served
}

/** An operation of the application. */
const quote = operation({
  name: 'shop.quote',
  tier: 'read',
  input: Type.Object({ sku: Type.String(), quantity: Type.Integer({ minimum: 1 }) }),
  output: Type.Object({ total: Type.Number() }),
  async handler ({ input: { sku, quantity }, store }) {
    const product = await store.bucket('products').get(sku)
    if (product === undefined) throw new NoexServerError('NOT_FOUND', 'There is no such product', { sku })
    return { total: Number(product['price']) * quantity }
  }
})

const external = {
  validate: (token: string) => token === 'the token of alice'
    ? { userId: 'alice', roles: ['writer'], expiresAt: Date.now() + 3_600_000 }
    : { userId: 'alice', roles: ['writer'], expiresAt: 1 }
}

/** Serves what PROTOCOL.md shows, and opens the connections that its examples name. */
export class ExampleClients {
  readonly #t: Test
  readonly #open = new Map<string, Promise<TestClient>>()
  readonly #services = new Map<string, Promise<Served>>()

  constructor (t: Test) {
    this.#t = t
  }

  /** Returns the connection of this name, and opens it the first time. */
  async get (name: string): Promise<TestClient> {
    const known = this.#open.get(name)
    if (known !== undefined) return await known
    const open = this.#makers[name]
    if (open === undefined) throw new Error(`PROTOCOL.md names an unknown client, "${name}"`)
    const client = open()
    this.#open.set(name, client)
    return await client
  }

  async #service (name: string, options: Options): Promise<Served> {
    const served = this.#services.get(name) ?? serveShop(this.#t, options)
    this.#services.set(name, served)
    return await served
  }

  readonly #makers: Readonly<Record<string, () => Promise<TestClient>>> = {
    /** No authentication, with rules and procedures; has its welcome still to come. */
    open: async () => {
      const rules = await RuleEngine.start()
      this.#t.teardown(async () => { await rules.stop() })
      const { url } = await this.#service('open', { rules, audit: {}, operations: [quote] })
      return TestClient.raw(this.#t, `${url}/`)
    },
    heartbeat: async () => {
      const heartbeat = { intervalMs: 2_000, timeoutMs: 2_000 }
      const client = await (await this.#service('heartbeat', { heartbeat })).connect()
      client.answersPings = false
      return client
    },
    /** Hears an event that cannot be sent. */
    slow: async () => {
      const rules = await RuleEngine.start()
      this.#t.teardown(async () => { await rules.stop() })
      const client = await (await this.#service('slow', { rules })).connect()
      await client.ask('rules.subscribe', { pattern: '*' })
      await rules.emit('odd', { n: 1n })
      return client
    },
    writer: async () => await (await this.#service('external', { auth: external })).connect(),
    tokens: async () => await (await this.#service('external', { auth: external })).connect(),
    revoked: async () => {
      const { app, connect } = await this.#service('revoked', { auth: external })
      const client = await connect()
      await client.ask('auth.login', { token: 'the token of alice' })
      app.noex.revokeSession('alice')
      return client
    },
    /** Comes when its user is revoked. */
    barred: async () => await (await this.#service('revoked', { auth: external })).connect(),
    closing: async () => {
      const { app, connect } = await this.#service('closing', { shutdown: { gracePeriodMs: 5_000 } })
      const client = await connect()
      app.close().catch((error: unknown) => { this.#t.error(error) })
      return client
    },
    /** Is there when the operator comes. */
    guest: async () => await (await this.#service('operated', {})).connect(),
    operator: async () => {
      await this.get('guest')
      return await (await this.#service('operated', {})).connect()
    },
    /** Is closed by an operator. */
    closed: async () => {
      const { connect } = await this.#service('closed', {})
      const [client, operator] = [await connect(), await connect()]
      const [{ connectionId }] = await operator.ask('server.connections')
      await operator.ask('server.close', { connectionId, reason: 'Maintenance until 4 a.m.' })
      return client
    },
    /** Watches, on a service of its own. */
    live: async () => await (await this.#service('live', {})).connect(),
    /** Comes back to what another connection has watched. */
    again: async () => await (await this.#service('live', {})).connect(),
    /** Changes what it watches. */
    own: async () => await (await this.#service('live', {})).connect(),
    /** Watches more than it may keep. */
    small: async () => {
      const liveQueries = { maxBytesPerUser: 20_000 }
      const client = await (await this.#service('small', { liveQueries })).connect()
      await client.ask('store.subscribe', { find: { bucket: 'drafts' }, delta: true })
      const data = Array.from({ length: 500 }, (_, id) => ({ id: `d${id + 3}` }))
      await client.ask('store.insertMany', { bucket: 'drafts', data })
      return client
    },
    limited: async () => {
      const { connect } = await this.#service('limited', { rateLimit: { maxRequests: 1, windowMs: 60_000 } })
      return await connect()
    },
    admin: async () => {
      const client = await (await this.#accounts()).connect()
      await client.ask('identity.loginWithSecret', { secret: SECRET })
      const config = { key: 'id', schema: { id: { type: 'string', generated: 'uuid' } } }
      await client.ask('store.defineBucket', { name: 'notes', config })
      return client
    },
    /** Has asked for the notice, and its session ends on another connection. */
    ended: async () => {
      const { connect } = await this.#accounts()
      const [client, other] = await Promise.all([connect(), connect()])
      const { token } = await other.ask('identity.loginWithSecret', { secret: SECRET })
      await client.ask('auth.login', { token, sessionNotice: true })
      await other.ask('identity.logout')
      return client
    },
    root: async () => await (await this.#accounts()).connect(),
    alice: async () => {
      const alice = { username: 'alice', password: PASSWORD, displayName: 'Alice' }
      await (await this.get('admin')).ask('identity.createUser', alice)
      return await (await this.#accounts()).connect()
    }
  }

  async #accounts (): Promise<Served> {
    const auth = { builtIn: true, adminSecret: SECRET } as const
    return await this.#service('accounts', { auth, audit: {} })
  }
}
