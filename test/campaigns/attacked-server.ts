// The process that hostile-mutations.campaign.ts attacks: a service with everything that a client can reach.
import { RuleEngine } from '@hamicek/noex-rules'
import Fastify from 'fastify'
import type { AddressInfo } from 'node:net'
import { Store } from '@hamicek/noex-store'
import { noexPlugin } from '../../lib/index.js'

/** A message of the process. */
export type ServerMessage =
  | { readonly type: 'listening', readonly port: number }
  /** An error that was not caught, or that went to the log as a failure of the service. */
  | {
    readonly type: 'failure'
    readonly kind: 'uncaughtException' | 'unhandledRejection' | 'logged'
    readonly text: string
  }
  | {
    readonly type: 'figures'
    readonly rss: number
    readonly heapUsed: number
    readonly external: number
    readonly connections: number
    readonly sockets: number
    readonly cpuSeconds: number
  }

const say = (message: ServerMessage): void => { process.send?.(message) }

process.on(
  'uncaughtException',
  error => { say({ type: 'failure', kind: 'uncaughtException', text: String(error.stack) }) }
)
process.on('unhandledRejection', reason => {
  say({
    type: 'failure',
    kind: 'unhandledRejection',
    text: String((reason as Error | undefined)?.stack ?? reason)
  })
})

const store = await Store.start({ name: 'attacked' })
const rules = await RuleEngine.start()
const id = { type: 'string', generated: 'uuid' } as const

/**
 * Restores the records of the start: clients may fill the buckets with anything.
 */
async function plant (): Promise<void> {
  for (const { name } of store.getQueries()) store.undefineQuery(name)
  for (const name of ['notes', 'items', ...(await store.getStats()).buckets.names]) {
    if (!name.startsWith('_') && store.hasBucket(name)) await store.dropBucket(name)
  }
  await store.defineBucket('items', {
    key: 'id',
    schema: { id, name: { type: 'string' }, n: { type: 'number' } }
  })
  await store.defineBucket('notes', {
    key: 'id',
    schema: { id, item: { type: 'string', ref: 'items', onDelete: 'cascade' } }
  })
  await store.bucket('items').insertMany([{ id: 'taken', name: 'x', n: 1 }, { id: 'other', name: 'y', n: 2 }])
  if (store.hasBucket('_procedures')) await store.bucket('_procedures').deleteMany({})
  store.defineDeclarativeQuery('named', { bucket: 'items', filter: { name: '{{ params.name }}' } })
  for (const { id } of rules.getRules()) rules.unregisterRule(id)
  for (const { key } of rules.getAllFacts()) rules.deleteFact(key)
}
await plant()

const app = Fastify({
  forceCloseConnections: true,
  logger: {
    level: 'info',
    stream: {
      write: (line: string) => {
        if (/"level":(50|60)\b/.test(line)) {
          say({ type: 'failure', kind: 'logged', text: line.slice(0, 2_000) })
        }
      }
    }
  }
})
await app.register(noexPlugin, {
  store,
  rules,
  path: '/live',
  auth: {
    validate: async token =>
      await Promise.resolve(['admin', 'clerk'].includes(token) ? { userId: token, roles: [token] } : null),
    permissions: {
      default: 'deny',
      rules: [
        { role: 'admin', allow: '*' },
        {
          role: 'clerk',
          allow: 'store.*',
          buckets: ['items', 'notes'],
          where: { name: { $in: ['x', '$userId'] } }
        },
        { role: 'clerk', allow: 'rules.*', topics: ['order.*'] },
        { role: 'clerk', allow: ['procedures.call', 'procedures.list'] }
      ]
    }
  },
  audit: { tiers: ['read', 'write', 'admin'], maxEntries: 1_000 }
})
await app.listen({ port: 0, host: '127.0.0.1' })

const replanting = setInterval(() => {
  plant().catch(error => {
    say({ type: 'failure', kind: 'logged', text: `plant: ${String((error as Error).stack)}` })
  })
}, 1_000)
replanting.unref()

/** Collects garbage and tells what the process needs. */
async function figures (): Promise<void> {
  await plant()
  for (let i = 0; i < 3; i++) {
    globalThis.gc?.()
    await new Promise(resolve => { setTimeout(resolve, 50) })
  }
  const { rss, heapUsed, external } = process.memoryUsage()
  const sockets = await new Promise<number>((resolve, reject) => {
    app.server.getConnections((error, count) => {
      if (error === null) resolve(count)
      else reject(error)
    })
  })
  const { user, system } = process.cpuUsage()
  say({
    type: 'figures',
    rss,
    heapUsed,
    external,
    connections: app.noex.connectionCount,
    sockets,
    cpuSeconds: (user + system) / 1e6
  })
}

process.on('message', message => { if (message === 'figures') figures().catch(error => { throw error }) })
process.once('disconnect', () => { process.exit() })
say({ type: 'listening', port: (app.server.address() as AddressInfo).port })
