import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { Store, type Commit } from '@hamicek/noex-store'
import type { AuditEntry, NoexOptions } from '../../lib/index.js'
import { TestClient } from '../support/client.js'
import { ephemeral } from '../support/presences.js'
import { serve, startStore, type Served } from '../support/service.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { until } from '../support/until.js'

const program = fileURLToPath(new URL('../fixtures/durable-server.js', import.meta.url))
const adminSecret = '9f1c5e0b7a3d48e2b6c4d1f0a8e7c3b5'

interface ServedPresence extends Served {
  readonly entries: AuditEntry[]
  /** Ids of the records that are there. */
  readonly present: () => Promise<string[]>
}

/** Serves an ephemeral bucket `present` that is watched by the query `who`. */
async function servePresence (
  t: Test, graceMs: number, options: Omit<NoexOptions, 'store'> = {}, own?: Store
): Promise<ServedPresence> {
  const store = own ?? await startStore(t)
  if (!store.hasBucket('present')) await store.defineBucket('present', ephemeral)
  const entries: AuditEntry[] = []
  const audit = { tiers: ['write'], onEntry (entry: AuditEntry) { entries.push(entry) } } as const
  const served = await serve(t, { presence: { graceMs }, audit, ...options }, { store })
  store.defineDeclarativeQuery('who', { bucket: 'present' })
  const present = async (): Promise<string[]> =>
    (await store.bucket('present').all()).map(({ id }) => id as string).sort()
  return { ...served, entries, present }
}

const insert = async (client: TestClient, ...ids: string[]): Promise<void> => {
  for (const id of ids) await client.ask('store.upsert', { bucket: 'present', data: { id } })
}

t.test('a keyed request that is repeated after a reconnect has its records again', async t => {
  const { connect, present, entries } = await servePresence(t, 300)
  const request = { bucket: 'present', data: { id: 'a' }, idempotencyKey: 'once' }
  const [first, other] = [await connect(), await connect()]
  await first.ask('store.upsert', request)
  await other.ask('store.upsert', { bucket: 'present', data: { id: 'b' } })
  first.ws.close()
  const second = await connect()
  await second.ask('store.upsert', request)
  other.ws.close()
  await until(() => entries.some(({ operation }) => operation === 'presence.remove'))
  t.same(await present(), ['a'])
})

t.test('the records of a connection', t => {
  t.test('end with it, in one commit that watchers see, with one entry of the audit', async t => {
    const { store, connect, entries, present } = await servePresence(t, 0)
    const [a, b] = [await connect(), await connect()]
    await insert(a, 'a1', 'a2')
    await insert(b, 'b')
    const { subscriptionId } = await b.ask('store.subscribe', { query: 'who' })
    const commits: Commit[] = []
    store.onDurable(commit => { commits.push(commit) })
    const { sessionId } = entries[0] as AuditEntry
    a.ws.close()
    t.match(await b.push(subscriptionId), { data: [{ id: 'b' }] })
    await until(() => entries.some(({ operation }) => operation === 'presence.remove'))
    t.same(await present(), ['b'])
    t.equal(commits.length, 1)
    t.same(entries.filter(({ operation }) => operation === 'presence.remove').map(
      ({ timestamp: _timestamp, ...entry }) => entry
    ), [{
      userId: null,
      sessionId,
      operation: 'presence.remove',
      resource: 'present',
      result: 'success',
      details: { buckets: { present: 2 } },
      remoteAddress: ''
    }])
  })

  t.test('are those that it has written in whichever way', async t => {
    const { store, connect, present } = await servePresence(t, 0, {
      procedures: {
        definitions: [{
          name: 'join',
          input: { id: { type: 'string' } },
          steps: [{ action: 'store.insert', bucket: 'present', data: { id: '{{ input.id }}' }, as: 'made' }]
        }, {
          name: 'join-all',
          transaction: true,
          runAs: 'owner',
          steps: [{ action: 'store.insert', bucket: 'present', data: { id: 'by transaction' }, as: 'made' }]
        }]
      }
    })
    await store.bucket('present').insertMany(['updated', 'many', 'added'].map(id => ({ id, n: 1 })))
    const client = await connect()
    await client.ask('store.insert', { bucket: 'present', data: { id: 'inserted' } })
    await client.ask('store.insertMany', { bucket: 'present', data: [{ id: 'list' }] })
    await client.ask('store.upsert', { bucket: 'present', data: { id: 'upserted' } })
    await client.ask('store.update', { bucket: 'present', key: 'updated', data: { n: 2 } })
    await client.ask('store.updateMany', { bucket: 'present', filter: { id: 'many' }, data: { n: 2 } })
    await client.ask('store.increment', { bucket: 'present', key: 'added', field: 'n', by: 1 })
    await client.ask('store.transaction', {
      operations: [{ op: 'insert', bucket: 'present', data: { id: 'entry' } }]
    })
    await client.ask('procedures.call', { name: 'join', input: { id: 'by procedure' } })
    await client.ask('procedures.call', { name: 'join-all' })
    await store.bucket('present').insert({ id: 'of the application' })
    t.equal((await present()).length, 10)
    client.ws.terminate()
    await until(async () => (await present()).length === 1)
    t.same(await present(), ['of the application'])
  })

  t.test('stay for the grace, in which a client that comes back takes them over', async t => {
    const { connect, present, store } = await servePresence(t, 200)
    const first = await connect()
    await insert(first, 'kept', 'lost')
    first.ws.terminate()
    await first.closed
    const second = await connect()
    await insert(second, 'kept')
    await until(async () => (await present()).length === 1)
    t.same(await present(), ['kept'])
    t.match(await store.bucket('present').get('kept'), { _version: 2 })
    second.ws.close()
    await until(async () => (await present()).length === 0)
  })

  t.test('obey row rules, and no one else may end them', async t => {
    const { connect, present } = await servePresence(t, 0, {
      auth: {
        validate: token => ({ userId: token, roles: ['user'] }),
        permissions: {
          default: 'deny', rules: [{ role: 'user', allow: 'store.*', where: { id: '$userId' } }]
        }
      }
    })
    const as = async (token: string): Promise<TestClient> => {
      const client = await connect()
      await client.ask('auth.login', { token })
      return client
    }
    const [ann, bob] = [await as('ann'), await as('bob')]
    await insert(ann, 'ann')
    await insert(bob, 'bob')
    t.equal(await bob.code('store.upsert', { bucket: 'present', data: { id: 'ann' } }), 'FORBIDDEN')
    t.match(await bob.ask('store.all', { bucket: 'present' }), [{ id: 'bob' }])
    bob.ws.close()
    await until(async () => (await present()).length === 1)
    t.same(await present(), ['ann'])
  })

  t.test('are no more than it may have', async t => {
    const { connect } = await servePresence(t, 0, { presence: { maxRecords: 2 } })
    const client = await connect()
    await insert(client, '1', '2')
    t.match(await client.request('store.insert', { bucket: 'present', data: { id: '3' } }), {
      code: 'VALIDATION_ERROR', details: { bucket: 'present', maxRecords: 2 }
    })
    t.match(await client.request('store.transaction', {
      operations: [
        { op: 'delete', bucket: 'present', key: '1' }, { op: 'insert', bucket: 'present', data: { id: '3' } }
      ]
    }), { code: 'VALIDATION_ERROR' })
    await client.ask('store.delete', { bucket: 'present', key: '1' })
    await insert(client, '3')
  })

  t.end()
})

t.test('a bucket is defined as ephemeral by clients too', async t => {
  const { connect, store } = await servePresence(t, 0)
  const client = await connect()
  const config = { key: 'id', schema: { id: { type: 'string' } } }
  const define = async (extra: object): Promise<object> =>
    await client.request('store.defineBucket', { name: 'typing', config: { ...config, ...extra } })
  t.match(await define({ ephemeral: 'yes' }), { code: 'VALIDATION_ERROR', message: /config\.ephemeral/ })
  t.match(await define({ ephemeral: true, persistent: true }), {
    code: 'VALIDATION_ERROR', message: /config\.persistent/
  })
  t.match(await define({ ephemeral: true }), { type: 'result' })
  await client.ask('store.insert', { bucket: 'typing', data: { id: '1' } })
  client.ws.close()
  await until(async () => await store.bucket('typing').count() === 0)
})

t.test('a drain leaves nothing behind, and neither does a restart', async t => {
  const directory = temporaryDirectory(t)
  const open = async (): Promise<Store> => await Store.start({ durability: { directory } })
  let store = await open()
  const { app, connect, present, entries } = await servePresence(t, 60_000, {}, store)
  const [gone, here] = [await connect(), await connect()]
  await insert(gone, 'gone')
  await insert(here, 'here')
  gone.ws.terminate()
  await gone.closed
  await store.bucket('present').insert({ id: 'of the application' })
  await app.noex.drain()
  t.same(await present(), ['of the application'])
  t.equal(entries.filter(({ operation }) => operation === 'presence.remove').length, 2)
  await app.close()
  await store.stop()
  store = await open()
  t.equal(await store.bucket('present').count(), 0)
  await store.stop()
})

t.test('a service that is killed has none of them when it is back', async t => {
  const folder = temporaryDirectory(t)
  let child: ChildProcess | undefined
  t.teardown(() => { child?.kill('SIGKILL') })
  const start = async (): Promise<TestClient> => {
    child = fork(program, [join(folder, 'store'), join(folder, 'trail.jsonl'), adminSecret], {
      execArgv: [], env: { ...process.env, NODE_OPTIONS: '' }
    })
    const [port] = await Promise.race([once(child, 'message'), once(child, 'exit')])
    const client = await TestClient.open(t, `ws://127.0.0.1:${String(port)}`)
    await client.ask('identity.loginWithSecret', { secret: adminSecret })
    return client
  }
  let client = await start()
  await client.ask('store.defineBucket', { name: 'present', config: ephemeral })
  await client.ask('store.defineBucket', {
    name: 'notes',
    config: {
      key: 'id',
      schema: { id: { type: 'string' }, of: { type: 'string', ref: 'present', onDelete: 'cascade' } }
    }
  })
  for (let round = 0; round < 2; round++) {
    await client.ask('store.insertMany', { bucket: 'present', data: [{ id: 'a' }, { id: 'b' }] })
    await client.ask('store.insert', { bucket: 'notes', data: { id: `of a ${round}`, of: 'a' } })
    await client.ask('store.insert', { bucket: 'notes', data: { id: `kept ${round}` } })
    const exited = once(child as ChildProcess, 'exit')
    child?.kill('SIGKILL')
    await exited
    client = await start()
    t.equal(await client.ask('store.count', { bucket: 'present' }), 0)
    t.equal(await client.ask('store.count', { bucket: 'notes' }), round + 1)
  }
  const exited = once(child as ChildProcess, 'exit')
  child?.send('stop')
  await exited
})
