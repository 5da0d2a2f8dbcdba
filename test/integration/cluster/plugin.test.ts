import t, { type Test } from 'tap'
import Fastify, { type FastifyInstance } from 'fastify'
import { MemoryAdapter, Store } from '@hamicek/noex-store'
import { noexPlugin, type NoexOptions } from '../../../lib/index.js'
import { TestClient } from '../../support/client.js'
import { sql, until } from '../../support/cluster.js'
import { makeServer, postgresPrograms, testDatabase, testPool } from '../../support/postgres.js'

interface ClusterNode {
  readonly app: FastifyInstance
  readonly store: Store
  readonly connect: () => Promise<TestClient>
}

/** Starts an application with a store that joins a log; all of it ends with the test. */
async function startApplication (
  t: Test, cluster: NoexOptions['cluster'], options: Omit<NoexOptions, 'store' | 'cluster'> = {}
): Promise<ClusterNode> {
  const store = await Store.start()
  await store.defineBucket('items', {
    key: 'id', schema: { id: { type: 'string', required: true }, n: { type: 'number' } }
  })
  store.defineDeclarativeQuery('all', { bucket: 'items' })
  const app = Fastify()
  t.teardown(async () => {
    await app.close()
    await store.stop().catch(() => {})
  })
  await app.register(noexPlugin, { store, cluster, ...options })
  const url = (await app.listen({ port: 0, host: '127.0.0.1' })).replace('http', 'ws')
  return { app, store, connect: async () => await TestClient.open(t, url) }
}

const statusOf = async ({ app }: ClusterNode): Promise<unknown> => (await app.inject('/readyz')).json().status

t.test('options that are wrong, or not built, are refused by name', async t => {
  const store = await Store.start()
  const kept = await Store.start({ persistence: { adapter: new MemoryAdapter() } })
  t.teardown(async () => { await Promise.all([store.stop(), kept.stop()]) })
  const postgres = 'postgres://postgres@127.0.0.1:5432/test'
  for (const [options, message] of [
    [{ store, cluster: { name: 'a' } }, /option cluster\.postgres is required/],
    [{ store, cluster: { postgres } }, /option cluster\.name is required/],
    [{ store, cluster: { postgres, name: "a'; --" } }, /option cluster\.name must be a name of/],
    [{ store, cluster: { postgres: {}, name: 'a' } }, /option cluster\.postgres must be a connection string or/],
    [{ store, cluster: { postgres, name: 'a', leaseMs: 10 } }, /cluster\.leaseMs must be an integer from 500/],
    [{ store, cluster: { postgres, name: 'a', reads: 'local' } }, /option cluster\.reads is unknown/],
    [{ store: kept, cluster: { postgres, name: 'a' } }, /option store must be in memory with cluster/]
  ] as unknown as Array<[NoexOptions, RegExp]>) {
    const app = Fastify()
    const register = async (): Promise<void> => { await app.register(noexPlugin, options) }
    await t.rejects(register, { name: 'NoexOptionsError', message })
  }
})

t.test('a standby serves reads and live queries, refuses writes, and takes over', async t => {
  const { connectionString, isServer } = await testDatabase(t)
  if (!isServer) return
  const pool = testPool(t, connectionString)
  const accounts = { auth: { builtIn: true, adminSecret: '9f1c5e0b7a3d48e2b6c4d1f0a8e7c3b5' } } as const
  const leader = await startApplication(t, { postgres: pool, name: 'shop' }, accounts)
  const standby = await startApplication(t, { postgres: connectionString, name: 'shop' }, accounts)
  t.equal(await statusOf(leader), 'ok')
  t.equal(await statusOf(standby), 'standby')
  t.equal((await standby.app.inject('/livez')).statusCode, 200)
  const { adminSecret: secret } = accounts.auth
  const [writer, watcher] = [await leader.connect(), await standby.connect()]
  await writer.ask('identity.loginWithSecret', { secret })
  await writer.ask('store.insert', { bucket: 'items', data: { id: 'a', n: 1 } })

  await leader.app.noex.store.bucket('items').insert({ id: 'b', n: 2 })
  await until('it is applied', () => standby.store.revision === leader.store.revision)
  t.strictSame(await standby.store.takeImage(), await leader.store.takeImage())
  const refused = await watcher.request('identity.loginWithSecret', { secret })
  t.match(refused, { code: 'INTERNAL_ERROR', details: { reason: 'store_unavailable' } }, 'a login is a write')
  await t.rejects(standby.app.noex.store.bucket('items').insert({ id: 'c' }), { code: 'NOT_LEADER' })

  await leader.app.close()
  await until('the standby leads', async () => await statusOf(standby) === 'ok')
  await t.rejects(leader.store.bucket('items').insert({ id: 'd' }), { code: 'STORE_UNAVAILABLE' },
    'an application that has ended writes no more')
  t.equal(await leader.store.bucket('items').count(), 2, 'reads go on')
  await leader.store.stop()
  await watcher.ask('identity.loginWithSecret', { secret })
  await watcher.ask('store.insert', { bucket: 'items', data: { id: 'd', n: 3 } })
})

t.test('a live query on a standby is told of the leader\'s commits', async t => {
  const { connectionString } = await testDatabase(t)
  const leader = await startApplication(t, { postgres: connectionString, name: 'shop' })
  const standby = await startApplication(t, { postgres: connectionString, name: 'shop' })
  const watcher = await standby.connect()
  await watcher.ask('store.subscribe', { query: 'all' })
  const writer = await leader.connect()
  await writer.ask('store.insert', { bucket: 'items', data: { id: 'a', n: 1 } })
  t.match(await watcher.next(({ type }) => type === 'push'), { channel: 'subscription' })
  const refused = await watcher.request('store.insert', { bucket: 'items', data: { id: 'b' } })
  t.match(refused, { code: 'INTERNAL_ERROR', details: { reason: 'store_unavailable' } })
})

t.test('a write whose outcome is not known says so, and is done once with its key', async t => {
  const programs = postgresPrograms(t)
  if (programs === undefined) return
  const server = await makeServer(t, programs)
  await server.start()
  const node = await startApplication(t, { postgres: server.connectionString, name: 'shop', leaseMs: 1_000 })
  const client = await node.connect()
  const insert = { bucket: 'items', data: { id: 'a', n: 1 }, idempotencyKey: 'one' }
  // Which renews the lease, so that the next statement is the one that is not answered.
  await client.ask('store.insert', { bucket: 'items', data: { id: 'before' } })
  server.freeze()
  t.teardown(() => { server.resume() })
  const unknown = await client.request('store.insert', insert)
  t.match(unknown, { code: 'INTERNAL_ERROR', details: { reason: 'store_unavailable', outcome: 'unknown' } })
  t.equal(await statusOf(node), 'store_unavailable')
  server.resume()
  await until('it takes writes again', async () => await statusOf(node) === 'ok')
  t.match(await client.ask('store.insert', insert), { id: 'a', _version: 1 })
  const [{ n }] = await sql(server.connectionString,
    "SELECT count(*)::int AS n FROM noex_log WHERE body LIKE '%\"key\":\"one\"%'")
  t.equal(n, 1, 'the log has it once')
})
