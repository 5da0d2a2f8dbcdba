import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { infiniteOf } from '../../lib/client/adapters/infinite.js'
import { mutationOf } from '../../lib/client/adapters/mutation.js'
import { connectionOf, queryOf } from '../../lib/client/adapters/source.js'
import { collectionOptions } from '../../lib/client/adapters/tanstack-db.js'
import { queryOptions } from '../../lib/client/adapters/tanstack-query.js'
import { createClient, NoexClient, NoexClientError, preload } from '../../lib/client/index.js'
import { operation, Type } from '../../lib/index.js'
import { resolveOptions } from '../../lib/options/options.js'
import { NoexOptionsError } from '../../lib/util/option-schema.js'
import { clientFor } from '../support/client-parts.js'
import { hostileValues, MINE } from '../support/hostile-values.js'
import { serve } from '../support/service.js'
import { reports, startQueries } from '../support/watched.js'

/** Calls a public function with one hostile argument, the others being right. */
type Call = (value: any) => unknown

/** The beginning of a message: the function, or the type of a request. */
const OWNER = /^(call|createClient|NoexClient|preload|query|hydrate|events|subscribe|on|request|optimistic|tx\.query|idempotencyKey|use\w+|queryOptions|collectionOptions|(store|rules|auth|identity|x{9}|\ud800|x)[.\w]*)[:. ]/

/** The part of a message that says what is right. */
const ADVICE = /must |there is no (option|event) .*: there are|is no URL like/

/** Whether an error says what is wrong and what would be right, or is the application's own. */
function isClear (error: any): boolean {
  if (error?.message === MINE || error instanceof NoexOptionsError) return true
  if (error instanceof NoexClientError) return error.code !== 'TIMEOUT' && error.message.length > 5
  // Of the engine, and clear: for a class that is called.
  if (/cannot be invoked without 'new'/.test(error?.message)) return true
  return error instanceof TypeError && OWNER.test(error.message) && ADVICE.test(error.message)
}

/** Returns a value that JSON of a page may hold: a text of megabytes, taken apart, would only take time. */
function short (value: unknown): any {
  return typeof value === 'string' ? value.slice(0, 100) : value
}

/** Calls with each value. Fails for an unclear error, and for a call that does not end. */
async function attack (t: Test, calls: Readonly<Record<string, Call>>): Promise<void> {
  for (const [name, call] of Object.entries(calls)) {
    for (const [kind, value] of Object.entries(hostileValues)) {
      const place = `${name} of: ${kind}`
      const ended = new AbortController()
      try {
        const outcome = await Promise.race([call(value), sleep(4_000, 'late', ended)])
        if (outcome === 'late') t.fail(`${place}: does not end`)
      } catch (error) {
        if (!isClear(error)) t.fail(`${place}: ${String((error as Error)?.stack ?? error).slice(0, 400)}`)
      } finally {
        ended.abort()
      }
    }
    t.pass(name)
  }
}

t.test('createClient and its options', async t => {
  const make = (url: any, options: any): void => {
    createClient(url, { connect: false, ...options }).close()
  }
  const options = [
    'getToken', 'WebSocket', 'heartbeatMs', 'timeoutMs', 'connectTimeoutMs', 'minDelayMs', 'maxDelayMs',
    'lingerMs', 'tabs', 'fallback', 'connect', 'other'
  ]
  await attack(t, {
    url: value => { make(value, {}) },
    'URL object': value => { make({ href: value }, {}) },
    options: value => { createClient('ws://127.0.0.1:1', value).close() },
    ...Object.fromEntries(options.map(name => [name, value => { make('ws://127.0.0.1:1', { [name]: value }) }])),
    'fallback.rpc': rpc => { make('ws://127.0.0.1:1', { fallback: { rpc, events: 'x' } }) }
  })
})

t.test('requests and optimistic changes', async t => {
  const { url } = await serve(t)
  const client = clientFor(t, url, { timeoutMs: 3_000, minDelayMs: 1 })
  await client.reached('open')
  const shown = client.query({ bucket: 'items' })
  t.teardown(shown.subscribe(() => {}))
  const inTransaction = (change: (tx: any, value: any) => void): Call => async value =>
    await client.optimistic(tx => { change(tx, value) })
  const insert = { bucket: 'items', data: { n: 1 } }
  await attack(t, {
    type: value => client.request(value),
    members: value => client.request('store.insert', value),
    'a member': value => client.request('store.insert', { bucket: value, data: value }),
    data: value => client.request('store.insert', { bucket: 'items', data: { id: 'x', n: value } }),
    idempotencyKey: value => client.request('store.insert', { ...insert, idempotencyKey: value }),
    options: value => client.request('store.count', { bucket: 'items' }, value),
    retry: retry => client.request('store.count', { bucket: 'items' }, { retry }),
    signal: signal => client.request('store.count', { bucket: 'items' }, { signal }),
    timeoutMs: timeoutMs => client.request('store.buckets', {}, { timeoutMs }).catch(error => {
      // A part of a millisecond may be too short.
      if (error.code !== 'TIMEOUT' || timeoutMs !== 0.5) throw error
    }),
    change: value => client.optimistic(value),
    'options of a change': value => client.optimistic(tx => { tx.bucket('items').insert({}) }, value),
    bucket: inTransaction((tx, value) => { tx.bucket(value).insert({}) }),
    insert: inTransaction((tx, value) => { tx.bucket('items').insert(value) }),
    'key of an update': inTransaction((tx, value) => { tx.bucket('items').update(value, {}) }),
    'changes of an update': inTransaction((tx, value) => { tx.bucket('items').update('x', value) }),
    'options of an update': inTransaction((tx, value) => { tx.bucket('items').update('x', {}, value) }),
    'key of a delete': inTransaction((tx, value) => { tx.bucket('items').delete(value) }),
    'options of a delete': inTransaction((tx, value) => { tx.bucket('items').delete('x', value) }),
    'a query': inTransaction((tx, value) => {
      tx.query(value, (data: unknown) => data)
      tx.bucket('items').insert({})
    }),
    'the change of a query': inTransaction((tx, value) => {
      tx.query(shown, value)
      tx.bucket('items').insert({})
    })
  })
  t.same(client.states, ['connecting', 'open'], 'the connection has lived through all of it')
  t.match(await client.request('store.count', { bucket: 'items' }), Number)
})

t.test('live queries, events and hydration', async t => {
  reports(t)
  const { queries } = startQueries(t)
  const query = queries.query('q')
  await attack(t, {
    query: value => queries.query(value),
    params: value => queries.query('q', value),
    'a parameter': value => queries.query('q', { value }),
    'the options': value => queries.query('q', {}, value),
    page: page => queries.query('q', {}, { page }),
    limit: limit => queries.query('q', {}, { page: { limit } }),
    minIntervalMs: minIntervalMs => queries.query('q', {}, { minIntervalMs }),
    find: value => queries.query({ bucket: value, filter: value, sort: value }),
    'listener of a query': value => query.subscribe(value),
    pattern: value => queries.events(value, () => {}),
    onEvent: value => queries.events('order.*', value),
    hydrate: value => { queries.hydrate(value) },
    queries: value => { queries.hydrate({ queries: value }) },
    'a query of hydrate': value => { queries.hydrate({ queries: [value] }) },
    'the key of it': value => { queries.hydrate({ queries: [[value, {}]] }) },
    'the result of it': value => { queries.hydrate({ queries: [['{"query":"q"}', short(value)]] }) },
    'the data of it': data => {
      queries.hydrate({ queries: [['{"query":"r"}', { data, key: 'id', delta: data }]] })
    },
    'the error of it': error => { queries.hydrate({ queries: [['{"query":"s"}', { error }]] }) }
  })
  t.equal(query.status, 'loading')
})

t.test('preload', async t => {
  const { url, app } = await serve(t, { routes: { rpc: '/rpc' } })
  const rpc = `${url.replace('ws', 'http')}/rpc`
  const options = { timeoutMs: 3_000 }
  await attack(t, {
    source: value => preload(value, [['q']], options),
    queries: value => preload(rpc, value, options),
    'a query': value => preload(rpc, [value], options),
    'the name of it': value => preload(rpc, [[value]], options),
    'its parameters': value => preload(rpc, [['q', value]], options),
    'its options': value => preload(rpc, [['q', {}, value]], options),
    'its key': key => preload(rpc, [{ key }], options),
    options: value => preload(rpc, [['q']], value),
    token: token => preload(rpc, [['q']], { ...options, token }),
    session: session => preload(app.noex, [['q']], { session }),
    timeoutMs: timeoutMs => preload(rpc, [['q']], { timeoutMs }).catch(error => {
      if (error.code !== 'TIMEOUT' || timeoutMs !== 0.5) throw error
    })
  })
})

t.test('NoexClient', async t => {
  const { url } = await serve(t)
  const options = ['auth', 'reconnect', 'heartbeat', 'WebSocket', 'requestTimeoutMs', 'connectTimeoutMs', 'x']
  const auth = ['token', 'credentials', 'x']
  const delays = ['maxRetries', 'initialDelayMs', 'maxDelayMs', 'backoffMultiplier', 'jitterMs', 'x']
  const make = (given: any, where = url): NoexClient => new NoexClient(where, given)
  const { WebSocket } = await import('ws')
  const client = new NoexClient(url, { WebSocket: WebSocket as never, requestTimeoutMs: 3_000 })
  t.teardown(async () => { await client.disconnect() })
  await client.connect()
  const { store, rules } = client
  await attack(t, {
    url: value => { make({}, value) },
    options: value => { make(value) },
    ...Object.fromEntries(options.map(name => [name, value => { make({ [name]: value }) }])),
    ...Object.fromEntries(auth.map(name => [`auth.${name}`, value => { make({ auth: { [name]: value } }) }])),
    ...Object.fromEntries(delays.map(name =>
      [`reconnect.${name}`, value => { make({ reconnect: { [name]: value } }) }])),
    username: username => { make({ auth: { credentials: { username, password: 'x' } } }) },
    event: value => client.on(value, () => {}),
    handler: value => client.on('welcome', value),
    type: value => client.request(value),
    members: value => client.request('store.count', value),
    'the name of a query': value => store.subscribe(value, () => {}),
    'parameters of a query': value => store.subscribe('q', value, () => {}),
    'the callback': value => store.subscribe('q', value),
    subscriptionId: value => store.unsubscribe(value),
    bucket: value => store.bucket(value).count(),
    record: value => store.bucket('items').insert(value),
    key: value => store.bucket('items').get(value),
    page: value => store.bucket('items').paginate(value),
    operations: value => store.transaction(value),
    'an operation': value => store.transaction([value]),
    pattern: value => rules.subscribe(value, () => {}),
    'callback of rules': value => rules.subscribe('order.*', value),
    token: value => client.auth.login(value),
    account: value => client.identity.createUser(value)
  })
  t.equal(client.state, 'connected')
})

t.test('adapters', async t => {
  const client = createClient('ws://127.0.0.1:1', { connect: false })
  t.teardown(() => { client.close() })
  const query = client.query<readonly object[]>('q')
  const getKey = (): string => 'x'
  await attack(t, {
    useQuery: value => queryOf(value),
    'client of useInfinite': value => infiniteOf(value, 'q', {}, { limit: 5 }),
    'query of useInfinite': value => infiniteOf(client, value, {}, { limit: 5 }),
    'parameters of useInfinite': value => infiniteOf(client, 'q', value, { limit: 5 }),
    'options of useInfinite': value => infiniteOf(client, 'q', {}, value),
    limit: limit => infiniteOf(client, 'q', {}, { limit }),
    useConnection: value => connectionOf(value).state,
    'client of useMutation': async value => { await mutationOf(() => [value, 'x'] as never).run() },
    queryOptions: value => queryOptions(value),
    collectionOptions: value => collectionOptions(value),
    'client of a collection': value => collectionOptions({ client: value, query, getKey }),
    'query of a collection': value => collectionOptions({ client, query: value, getKey }),
    'bucket of a collection': bucket => collectionOptions({ client, query, getKey, bucket }),
    'getKey of a collection': value => collectionOptions({ client, query, getKey: value })
  })
  t.throws(() => queryOf(false as never), { message: /^useQuery: query\.subscribe .* must be a function/ })
  for (const what of [undefined, null, 5, {}]) {
    await t.rejects(mutationOf(() => [client, what] as never).run(), { message: /^useMutation: the change/ })
  }
  const change = async (): Promise<void> => {}
  await t.rejects(mutationOf(() => [client, change] as never).run(), { message: /must not be async/ })
})

t.test('operation()', async t => {
  const right = { name: 'shop.total', input: Type.Object({}), handler: () => ({}) }
  const resolve = (definition: unknown): void => {
    resolveOptions({ store: {} as never, operations: [operation(definition as never)] })
  }
  const members = ['name', 'input', 'output', 'tier', 'resources', 'audit', 'secrets', 'handler', 'x']
  await attack(t, {
    definition: resolve,
    ...Object.fromEntries(members.map(name => [name, value => { resolve({ ...right, [name]: value }) }]))
  })
})
