// The package as a service uses it. Prints for each feature `works`, or why it does not. Without a top-level
// await, so that it can be bundled as CommonJS.
import { once } from 'node:events'
import Fastify from 'fastify'
import noexPlugin, { NoexServer } from 'fastify-noex'
import { jsonlSink } from 'fastify-noex/audit'
import { createClient, NoexClient } from 'fastify-noex/client'
import { RuleEngine } from 'fastify-noex/rules'
import { FileAdapter, Store } from 'fastify-noex/store'
import WebSocket from 'ws'

const secret = 'the secret of this check'
const features = { plugin, server, rules, accounts, trail, durable, client }

async function main () {
  const results = {}
  for (const [name, use] of Object.entries(features)) {
    results[name] = await use().then(() => 'works', error => error.stack)
  }
  console.log(JSON.stringify(results))
  // Deno does not end by itself after a trail has been written.
  if (process.versions.deno !== undefined) process.exit()
}

async function plugin () {
  const store = await Store.start({
    name: 'consumer',
    persistence: { adapter: new FileAdapter({ directory: 'data' }) }
  })
  await store.defineBucket('items', { key: 'id', schema: { id: { type: 'string', generated: 'uuid' } } })
  const app = Fastify()
  await app.register(noexPlugin, { store, path: '/live' })
  const { statusCode } = await app.inject('/healthz')
  const stats = await app.noex.getStats()
  await app.close()
  await store.stop()
  if (statusCode !== 200 || stats.store?.buckets.names[0] !== 'items') throw new Error('it does not serve')
}

async function server () {
  await withServer({}, async ask => { await ask({ type: 'store.buckets' }) })
}

/** Cron expressions and regular expressions come from packages of their own. */
async function rules () {
  const rules = await RuleEngine.start()
  rules.registerRule({
    id: 'r',
    name: 'r',
    trigger: { type: 'event', topic: 'order.placed' },
    conditions: [{ source: { type: 'event', field: 'sku' }, operator: 'matches', value: '^A[0-9]+$' }],
    actions: [{ type: 'set_fact', key: 'seen', value: true }]
  })
  await rules.setTimer({ name: 't', cron: '0 0 * * *', onExpire: { topic: 'midnight', data: {} } })
  await rules.emit('order.placed', { sku: 'A1' })
  const isRight = rules.getFact('seen') === true && rules.getTimers().length === 1
  await rules.stop()
  if (!isRight) throw new Error('the rule engine does not work')
}

/** Passwords are computed in a thread, whose file must be in the package. */
async function accounts () {
  await withServer({ auth: { builtIn: true, adminSecret: secret } }, async ask => {
    await ask({ type: 'identity.loginWithSecret', secret })
    await ask({ type: 'identity.createUser', username: 'alice', password: 'correct horse' })
    await ask({ type: 'identity.login', username: 'alice', password: 'correct horse' })
  })
}

/** So is the trail written. */
async function trail () {
  const audit = { sinks: [jsonlSink({ path: 'audit.jsonl' })], tiers: ['admin', 'write', 'read'] }
  await withServer({ audit }, async ask => { await ask({ type: 'store.buckets' }) })
}

/** And so is the log of a store. */
async function durable () {
  for (const count of [1, 2]) {
    const store = await Store.start({ name: 'durable', durability: { directory: 'durable' } })
    try {
      if (!store.hasBucket('runs')) {
        await store.defineBucket('runs', { key: 'id', schema: { id: { type: 'number' } } })
      }
      const runs = store.bucket('runs')
      const before = await runs.count()
      await runs.insert({ id: before + 1 })
      if (before < count - 1) throw new Error(`start ${count} finds ${before} records`)
    } finally {
      await store.stop()
    }
  }
}

/** The client has no dependencies: where there is no global WebSocket, it takes the class of ws. */
async function client () {
  await withServer({}, async (_ask, url) => {
    const client = createClient(url, { WebSocket })
    await client.request('store.defineBucket', {
      name: 'items', config: { key: 'id', schema: { id: { type: 'string' } } }
    })
    const items = client.query({ bucket: 'items' })
    const shown = new Promise(resolve => {
      items.subscribe(() => { if (items.getSnapshot()?.length === 1) resolve() })
    })
    await client.request('store.insert', { bucket: 'items', data: { id: 'a' } }, { retry: true })
    await shown
    client.close()
    const former = new NoexClient(url, { WebSocket })
    await former.connect()
    const { id } = await former.store.bucket('items').get('a')
    await former.disconnect()
    if (id !== 'a') throw new Error('NoexClient does not work')
  })
}

async function withServer (options, use) {
  const store = await Store.start()
  try {
    const server = await NoexServer.start({ store, port: 0, host: '127.0.0.1', ...options })
    const url = `ws://127.0.0.1:${server.port}`
    const socket = new WebSocket(url)
    let id = 0
    const ask = async fields => await new Promise((resolve, reject) => {
      const own = ++id
      socket.on('message', data => {
        const reply = JSON.parse(data)
        if (reply.id === own) reply.type === 'result' ? resolve(reply.data) : reject(new Error(reply.message))
      })
      socket.send(JSON.stringify({ id: own, ...fields }))
    })
    await once(socket, 'open')
    await use(ask, url)
    socket.close()
    await server.stop()
  } finally {
    await store.stop()
  }
}

main()
