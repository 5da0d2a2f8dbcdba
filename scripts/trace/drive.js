// Runs in a process of its own: traces a service of one checkout, through its public API, and sends the
// trips.
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire, register } from 'node:module'
import { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { Recorder } from './recorder.js'

/** A trip is over when no function has been entered for so long. */
const QUIET_MS = 200
const WARM_UP = 20
const ROUNDS = 5

const root = resolve(process.argv[2])
const recorder = new Recorder()
globalThis[Symbol.for('noex.trace')] = recorder
register('./instrument.js', import.meta.url, { data: { url: pathToFileURL(join(root, 'dist')).href + '/' } })

const require = createRequire(join(root, 'package.json'))
const load = async path => await import(pathToFileURL(path).href)
const { NoexServer } = await load(join(root, 'dist/lib/index.js'))
const { jsonlSink } = await load(join(root, 'dist/lib/exports/audit.js'))
const { Store } = await load(join(root, 'dist/lib/exports/store.js'))
const { RuleEngine } = await load(join(root, 'dist/lib/exports/rules.js'))
const WebSocket = require('ws')

const folder = mkdtempSync(join(tmpdir(), 'noex-trace-'))
let count = 0
const next = () => String(++count)
const store = await Store.start({ name: 'trace' })
const rules = await RuleEngine.start()
const server = await startServer()
try {
  process.send(await measure())
} finally {
  await server.stop()
  await rules.stop()
  await store.stop()
  rmSync(folder, { recursive: true, force: true })
}

async function startServer () {
  const trail = join(folder, 'trail.jsonl')
  const field = { type: 'string', required: true }
  await store.defineBucket('orders', { key: 'id', schema: { id: field, owner: field, note: field } })
  await store.bucket('orders').insertMany(['1', '2'].map(id => ({ id, owner: 'alice', note: '0' })))
  store.defineQuery('notes', async context => await context.bucket('orders').all())
  const allow = ['store.get', 'store.update', 'store.subscribe']
  return await NoexServer.start({
    store,
    rules,
    port: 0,
    host: '127.0.0.1',
    auth: {
      validate: userId => ({ userId, roles: ['clerk'] }),
      permissions: {
        default: 'deny',
        rules: [{ role: 'clerk', allow, buckets: ['orders', 'notes'], where: { owner: '$userId' } }]
      }
    },
    // Timers that fire in the middle of a round would make it differ from the others.
    audit: {
      tiers: ['read', 'write', 'admin'],
      sinks: [jsonlSink({ path: trail })],
      writeTimeoutMs: 3_600_000
    },
    rateLimit: { maxRequests: 1_000_000, windowMs: 3_600_000 },
    heartbeat: { intervalMs: 3_600_000 },
    routes: { metrics: '/metrics' }
  })
}

async function measure () {
  const client = await connect()
  await client.ask({ type: 'auth.login', token: 'alice' })
  const update = async () =>
    await client.ask({ type: 'store.update', bucket: 'orders', key: '1', data: { note: next() } })
  const get = async () => await client.ask({ type: 'store.get', bucket: 'orders', key: '1' })
  const trips = { 'store.update': await repeat(update), 'store.get': await repeat(get) }

  const subscriber = await connect()
  await subscriber.ask({ type: 'auth.login', token: 'alice' })
  await subscriber.ask({ type: 'store.subscribe', query: 'notes' })
  trips.push = await repeat(async () => {
    const arrived = subscriber.nextPush()
    await store.bucket('orders').update('2', { note: next() })
    await arrived
  }, { endsWithWrite: true })
  client.close()
  subscriber.close()
  return trips
}

/** Traces an action, warmed up, several times. */
async function repeat (action, { endsWithWrite = false } = {}) {
  for (let i = 0; i < WARM_UP; i++) await action()
  const trips = []
  for (let i = 0; i < ROUNDS; i++) {
    await quiet()
    recorder.start()
    const restore = endsWithWrite ? stopAtWrite() : () => {}
    await action()
    await quiet()
    recorder.stop()
    restore()
    trips.push(recorder.trip)
  }
  return trips
}

async function quiet () {
  while (performance.now() - recorder.lastEntry < QUIET_MS) await sleep(QUIET_MS / 3)
}

/** Ends the recording with the first bytes that a socket of this process writes. */
function stopAtWrite () {
  const { write } = Socket.prototype
  Socket.prototype.write = function (...args) {
    recorder.stop()
    return write.apply(this, args)
  }
  return () => { Socket.prototype.write = write }
}

async function connect () {
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}`)
  const replies = new Map()
  let onPush
  let id = 0
  socket.on('message', data => {
    const message = JSON.parse(data)
    if (message.type === 'push') onPush?.()
    else if (message.type === 'error') throw new Error(`${message.code}: ${message.message}`)
    else replies.get(message.id)?.()
  })
  await once(socket, 'open')
  return {
    ask: async fields => await new Promise(resolve => {
      replies.set(++id, resolve)
      socket.send(JSON.stringify({ id, ...fields }))
    }),
    nextPush: async () => await new Promise(resolve => { onPush = resolve }),
    close: () => { socket.close() }
  }
}
