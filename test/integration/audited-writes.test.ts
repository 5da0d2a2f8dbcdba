import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { FileLog, Store, type LogEntry } from '@hamicek/noex-store'
import { TestClient } from '../client.js'
import { serve, type Served } from '../helper.js'
import { logInto } from '../log-into.js'
import { smallDisk } from '../small-disk.js'
import { temporaryDirectory } from '../temporary-directory.js'
import { compareTrailWithLog } from '../trail-and-log.js'
import { parseNoteText } from '../../lib/audit/entry-note.js'
import { jsonlSink, type AuditEntry, type AuditSink, type RecordedEntry } from '../../lib/exports/audit.js'

/** A sink whose files are those of a trail, and which holds back what it is given while it is told to. */
function heldSink (path: string): AuditSink & { isHolding: boolean, isLost: boolean } {
  const sink = jsonlSink({ path })
  const held = {
    name: 'held',
    policy: sink.policy,
    isHolding: false,
    isLost: false,
    async open (context: Parameters<AuditSink['open']>[0]) {
      const writer = await sink.open(context)
      return {
        commits: writer.commits as NonNullable<typeof writer.commits>,
        async write (batch: readonly RecordedEntry[]) {
          while (held.isHolding) await delay(2)
          if (held.isLost) throw new Error('the process has ended')
          await writer.write(batch)
        },
        close: async () => { await writer.close() }
      }
    }
  }
  return held
}

interface Audited extends Served {
  readonly sink: ReturnType<typeof heldSink>
  readonly lines: Array<Record<string, unknown>>
  /** Ends the service as a crash would: what the trail does not have yet, it never gets. */
  readonly crash: () => Promise<void>
  readonly stop: () => Promise<void>
}

interface Place {
  readonly directory: string
  readonly path: string
}

async function serveAudited (t: Test, { directory, path }: Place): Promise<Audited> {
  const store = await Store.start({ durability: { directory, onNotice () {} } })
  t.teardown(async () => { await store.stop().catch(() => {}) })
  const sink = heldSink(path)
  const lines: Array<Record<string, unknown>> = []
  const audit = { tiers: ['admin' as const, 'write' as const], sinks: [sink], writeTimeoutMs: 400 }
  const served = await serve(t, { audit }, { store, fastify: { logger: logInto(lines) } })
  const stop = async (): Promise<void> => {
    await served.app.close().catch(() => {})
    await store.stop()
  }
  return {
    ...served,
    sink,
    lines,
    stop,
    async crash () {
      sink.isLost = true
      sink.isHolding = false
      await stop()
    }
  }
}

function place (t: Test): Place {
  const folder = temporaryDirectory(t)
  return { directory: join(folder, 'store'), path: join(folder, 'trail.jsonl') }
}

type Line = Readonly<Record<string, any>>
const linesOf = (path: string): Line[] =>
  readFileSync(path, 'utf8').split('\n').filter(line => line !== '').map(line => JSON.parse(line) as Line)
const writesIn = (path: string): Line[] => linesOf(path).filter(({ revision }) => revision !== undefined)

const steps = [
  { action: 'store.insert', bucket: 'items', data: { id: 'p1' } },
  { action: 'store.insert', bucket: 'items', data: { id: 'p2' } }
]

t.test('the entry of a write is in its commit, and the reply does not wait for the trail', async t => {
  const at = place(t)
  const service = await serveAudited(t, at)
  const { store, sink, connect } = service
  const client = await connect()
  await client.ask('store.insert', { bucket: 'items', data: { id: 'a', n: 1 } })
  sink.isHolding = true
  await client.ask('store.update', { bucket: 'items', key: 'a', data: { n: 2 } })
  const { revision } = store
  await client.ask('store.transaction', {
    operations: [{ op: 'insert', bucket: 'items', data: { id: 'b' } }]
  })
  const isLater = ({ operation }: Line): boolean => operation !== 'store.insert'
  t.notOk(writesIn(at.path).some(isLater), 'the trail has them not yet')
  sink.isHolding = false
  const { entries } = await client.ask('audit.query', { operation: 'store.update' })
  t.match(entries, [{ revision, epoch: store.epoch, result: 'success' }], 'memory has it')
  await service.stop()
  t.match(writesIn(at.path), [
    { operation: 'store.insert', revision: revision - 1, result: 'success' },
    { operation: 'store.update', revision, result: 'success' },
    { operation: 'store.transaction', revision: revision + 1, result: 'success' }
  ])
  t.match(await compareTrailWithLog(at.directory, at.path), { differences: [], requests: 3, recovered: 0 })
})

t.test('what fails, or commits more than once, waits for the trail', async t => {
  const at = place(t)
  const { sink, connect } = await serveAudited(t, at)
  const clients = await Promise.all([connect(), connect(), connect()])
  await clients[0].ask('procedures.register', { procedure: { name: 'both', steps } })
  const config = { key: 'id', schema: { id: { type: 'string' } } }
  sink.isHolding = true
  const waiting = [
    clients[0].request('store.insert', { bucket: 'items', data: { id: 1 } }),
    clients[1].request('procedures.call', { name: 'both' }),
    clients[2].request('store.defineBucket', { name: 'more', config })
  ]
  t.equal(await Promise.race([...waiting, delay(60, 'waiting')]), 'waiting')
  sink.isHolding = false
  t.same((await Promise.all(waiting)).map(({ type }) => type), ['error', 'result', 'result'])
})

t.test('a start brings back what a crash has taken from the trail', async t => {
  const at = place(t)
  const first = await serveAudited(t, at)
  const clients = await Promise.all(Array.from({ length: 4 }, async () => await first.connect()))
  const [client] = clients as [TestClient]
  await client.ask('procedures.register', { procedure: { name: 'both', steps } })
  await client.ask('store.insert', { bucket: 'items', data: { id: 'told' } })
  for (let i = 0; writesIn(at.path).length < 2 && i < 1_000; i++) await delay(5)
  first.sink.isHolding = true
  await client.ask('store.insert', { bucket: 'items', data: { id: 'a' } })
  const { revision } = first.store
  await client.ask('store.transaction', {
    operations: [{ op: 'update', bucket: 'items', key: 'a', data: { n: 1 } }]
  })
  clients[1]?.request('procedures.call', { name: 'both' }).catch(() => {})
  for (let i = 0; first.store.revision < revision + 3 && i < 1_000; i++) await delay(2)
  await first.store.whenDurable()
  // The application's own writes are nobody's request.
  await first.store.bucket('items').insert({ id: 'own' }, { note: () => 'of the application' })
  await first.crash()
  t.equal(writesIn(at.path).length, 2, 'the trail has the registration and the first insert')

  const second = await serveAudited(t, at)
  t.match(second.lines.filter(({ msg }) => /brought back/.test(String(msg))), [{ level: 40, entries: 3 }])
  await (await second.connect()).ask('store.insert', { bucket: 'items', data: { id: 'next' } })
  await second.stop()
  const recovered = writesIn(at.path).slice(2)
  t.match(recovered, [
    {
      operation: 'store.insert',
      resource: 'items',
      result: 'success',
      revision,
      details: { recovered: true },
      remoteAddress: '127.0.0.1'
    },
    {
      operation: 'store.transaction',
      result: 'success',
      revision: revision + 1,
      details: { buckets: ['items'], recovered: true }
    },
    {
      operation: 'procedures.call',
      resource: 'both',
      result: 'error',
      revision: revision + 3,
      error: 'the server ended before the operation did',
      details: { recovered: true }
    },
    { operation: 'store.insert', result: 'success', revision: revision + 5 }
  ])
  t.ok(recovered.every(({ timestamp }, i) => i === 0 || timestamp >= recovered[i - 1]?.['timestamp']))

  const third = await serveAudited(t, at)
  await third.stop()
  t.equal(writesIn(at.path).length, 6, 'a stop in order leaves nothing to bring back')
})

t.test('a trail that is new, or another service\'s, is not filled with what is old', async t => {
  const at = place(t)
  const first = await serveAudited(t, at)
  const client = await first.connect()
  for (let i = 0; i < 5; i++) await client.ask('store.insert', { bucket: 'items', data: { id: `k${i}` } })
  await first.stop()
  const moved = { ...at, path: at.path.replace('trail', 'moved') }
  const second = await serveAudited(t, moved)
  await (await second.connect()).ask('store.insert', { bucket: 'items', data: { id: 'in the new one' } })
  t.match(second.lines, [{ level: 40, trails: [at.path], trail: moved.path, msg: /another audit trail/ }])
  await second.stop()
  t.match(writesIn(moved.path), [{ operation: 'store.insert' }])
  // Its files are gone: they begin anew.
  for (const name of ['jsonl', 'checkpoints']) rmSync(moved.path.replace('jsonl', name))
  const third = await serveAudited(t, moved)
  await third.stop()
  t.ok(writesIn(moved.path).length <= 1, 'at most what was not known to be there')
})

t.test('revisions of another history do not count', async t => {
  const at = place(t)
  const first = await serveAudited(t, at)
  const client = await first.connect()
  for (let i = 0; i < 5; i++) await client.ask('store.insert', { bucket: 'items', data: { id: `k${i}` } })
  await first.stop()
  renameSync(at.directory, `${at.directory}-old`)
  const second = await serveAudited(t, at)
  second.sink.isHolding = true
  const other = await second.connect()
  for (let i = 0; i < 2; i++) await other.ask('store.insert', { bucket: 'items', data: { id: `k${i}` } })
  await second.crash()
  const third = await serveAudited(t, at)
  await third.stop()
  const epochs = new Set(writesIn(at.path).map(({ epoch }) => epoch))
  t.equal(epochs.size, 2)
  t.match(await compareTrailWithLog(at.directory, at.path), { differences: [], requests: 2, recovered: 2 })
  const old = await compareTrailWithLog(`${at.directory}-old`, at.path)
  t.match(old, { differences: [], requests: 5, recovered: 0 })
})

t.test('a write that is taken back has no success entry, and its revision none of its own', async t => {
  const at = place(t)
  const log = new FileLog({ directory: at.directory })
  let isFull = false
  const append = log.append.bind(log)
  log.append = async (entries: readonly LogEntry[], previous: number) => {
    if (isFull) throw new Error('ENOSPC: no space left on device')
    await append(entries, previous)
  }
  const store = await Store.start()
  t.teardown(async () => { await store.stop().catch(() => {}) })
  await store.attachLog(log)
  const audit = { tiers: ['admin' as const, 'write' as const], sinks: [jsonlSink({ path: at.path })] }
  const { connect, app } = await serve(t, { audit }, { store })
  const client = await connect()
  await client.ask('procedures.register', { procedure: { name: 'both', steps } })
  const { revision } = store
  isFull = true
  const write = { bucket: 'items', data: { id: 'a' } }
  t.match(await client.request('store.insert', write), { code: 'INTERNAL_ERROR' })
  isFull = false
  for (let i = 0; store.durability.state !== 'ok' && i < 2_000; i++) await delay(2)
  // The second commit of the procedure is refused.
  const stop = store.onDurable(() => { isFull = true })
  t.match(await client.request('procedures.call', { name: 'both' }), { code: 'INTERNAL_ERROR' })
  stop()
  isFull = false
  for (let i = 0; store.durability.state !== 'ok' && i < 2_000; i++) await delay(2)
  await client.ask('store.insert', { bucket: 'items', data: { id: 'b' } })
  await app.close()
  await store.stop()
  const [, refused, half, written] = linesOf(at.path)
  t.match(refused, { operation: 'store.insert', result: 'error' })
  t.notOk(refused && 'revision' in refused)
  t.match(half, { operation: 'procedures.call', result: 'error', revision: revision + 1 })
  t.match(written, { operation: 'store.insert', result: 'success', revision: revision + 2 })
  t.match(await compareTrailWithLog(at.directory, at.path), { differences: [], recovered: 0 })
})

t.test('a trail that cannot be written refuses the next requests, and loses no entry', async t => {
  const at = place(t)
  const first = await serveAudited(t, at)
  const client = await first.connect()
  await client.ask('store.insert', { bucket: 'items', data: { id: 'a' } })
  first.sink.isHolding = true
  await client.ask('store.insert', { bucket: 'items', data: { id: 'b' } })
  const refused = { code: 'INTERNAL_ERROR', details: { reason: 'audit_unavailable' } }
  let reply
  for (let i = 0; reply?.['type'] !== 'error' && i < 500; i++) {
    reply = await client.request('store.insert', { bucket: 'items', data: { id: `more${i}` } })
    await delay(5)
  }
  t.match(reply, refused, 'when the oldest entry has waited for too long')
  first.sink.isHolding = false
  for (let i = 0; reply?.['type'] === 'error' && i < 500; i++) {
    reply = await client.request('store.insert', { bucket: 'items', data: { id: 'last' } })
    await delay(5)
  }
  t.match(reply, { type: 'result' })
  await first.stop()
  t.match(await compareTrailWithLog(at.directory, at.path), { differences: [], recovered: 0 })
})

t.test('full disks', async t => {
  for (const small of [['path'], ['directory'], ['path', 'directory']] as const) {
    await t.test(`of ${small.join(' and ')}`, async t => {
      const disk = smallDisk(t)
      if (disk === undefined) return
      const onDisk = { path: join(disk.directory, 'trail.jsonl'), directory: join(disk.directory, 'store') }
      const at = { ...place(t), ...Object.fromEntries(small.map(member => [member, onDisk[member]])) }
      const first = await serveAudited(t, at)
      const client = await first.connect()
      disk.fill()
      const write = async (id: string): Promise<string> => {
        const data = { id, name: 'x'.repeat(300) }
        return (await client.request('store.upsert', { bucket: 'items', data }))['type']
      }
      let answered = 0
      for (let i = 0; i < 2_000 && await write(`k${i % 10}`) === 'result'; i++) answered++
      t.ok(answered < 2_000, `${answered} were answered`)
      disk.free()
      for (let i = 0; i < 2_000 && await write('after') !== 'result'; i++) await delay(5)
      await first.stop()
      const { differences, successes } = await compareTrailWithLog(at.directory, at.path)
      t.same(differences, [])
      t.ok((successes['store.upsert'] ?? 0) >= answered + 1)
    })
  }
})

t.test('a trail that is removed under the server says so, and goes on', async t => {
  const at = place(t)
  const first = await serveAudited(t, at)
  const client = await first.connect()
  await client.ask('store.insert', { bucket: 'items', data: { id: 'a' } })
  await delay(100)
  rmSync(at.path)
  for (let i = 0; i < 20; i++) {
    await client.request('store.upsert', { bucket: 'items', data: { id: 'b', n: i } })
    await delay(10)
  }
  await first.stop()
  const lines = linesOf(at.path)
  t.match(lines[0], { operation: 'audit.lost' })
  t.match(lines.at(-1), { operation: 'server.drain' })
  const revisions = writesIn(at.path).map(({ revision }) => revision)
  t.same(revisions, revisions.map((_, i) => revisions[0] + i), 'each write after that is there')
})

const program = fileURLToPath(new URL('../fixtures/durable-server.js', import.meta.url))
const adminSecret = '9f1c5e0b7a3d48e2b6c4d1f0a8e7c3b5'

t.test('a service that is killed under load', async t => {
  const { directory, path } = place(t)
  let child: ChildProcess | undefined
  t.teardown(() => { child?.kill('SIGKILL') })
  const start = async (): Promise<string> => {
    child = fork(program, [directory, path, adminSecret, '1000000000'], {
      execArgv: [], env: { ...process.env, NODE_OPTIONS: '' }
    })
    const [port] = await Promise.race([once(child, 'message'), once(child, 'exit')])
    return `ws://127.0.0.1:${String(port)}`
  }
  let answered = 0
  for (let round = 0; round < 3; round++) {
    const url = await start()
    const clients = await Promise.all(Array.from({ length: 64 }, async () => await TestClient.open(t, url)))
    await Promise.all(clients.map(async client => {
      await client.ask('identity.loginWithSecret', { secret: adminSecret })
    }))
    const writing = Promise.allSettled(clients.map(async (client, i) => {
      for (let n = 1; ; n++) {
        await client.ask('store.insert', { bucket: 'orders', data: { tag: `${round}-${i}`, n } })
        answered++
      }
    }))
    await delay(100 + Math.random() * 300)
    const exited = once(child as ChildProcess, 'exit')
    child?.kill('SIGKILL')
    await exited
    await writing
  }
  await start()
  const exited = once(child as ChildProcess, 'exit')
  child?.send('stop')
  await exited
  const { differences, recovered, successes } = await compareTrailWithLog(directory, path)
  t.same(differences.slice(0, 5), [])
  t.ok((successes['store.insert'] ?? 0) >= answered, `${answered} answered, ${recovered} brought back`)
})

t.test('a note is read as what it is', async t => {
  const entry = {
    timestamp: 1,
    userId: null,
    sessionId: 'c',
    operation: 'store.insert',
    resource: '*',
    result: 'success',
    remoteAddress: ''
  }
  const note = { audit: 1, request: 'a', whole: true, told: { '/t': 1 }, entry }
  t.match(parseNoteText(JSON.stringify(note)), { request: 'a', whole: true, told: { '/t': 1 }, entry })
  const wrong = [
    { audit: 2 }, { request: 1 }, { told: { '/t': 'x' } }, { told: [] }, { whole: 1 },
    { entry: null }, { entry: {} }, { entry: { ...entry, operation: 1 } }
  ]
  const others = ['', 'text', '{"audit":1,', '[]', ...wrong.map(one => JSON.stringify({ ...note, ...one }))]
  for (const other of others) t.equal(parseNoteText(other), undefined, other)
})

t.test('the entry of every operation that writes names its last commit', async t => {
  const { directory, path } = place(t)
  const store = await Store.start({ durability: { directory, onNotice () {} } })
  t.teardown(async () => { await store.stop().catch(() => {}) })
  const entries: AuditEntry[] = []
  const audit = {
    tiers: ['admin' as const, 'write' as const],
    sinks: [jsonlSink({ path })],
    onEntry: (entry: AuditEntry) => { entries.push(entry) }
  }
  const { connect } = await serve(t, { audit, auth: { builtIn: true, adminSecret } }, { store })
  const client = await connect()
  const password = 'correct horse 1'
  const procedure = { name: 'both', steps }
  const config = { key: 'id', schema: { id: { type: 'string' } } }
  const shop = { resourceType: 'bucket', resourceName: 'shop' }
  await client.ask('identity.loginWithSecret', { secret: adminSecret })
  const { id: userId } = await client.ask('identity.createUser', { username: 'alice', password })
  const { id: roleId } = await client.ask('identity.createRole', { name: 'clerk', permissions: [] })
  const alice = { subjectType: 'user', subjectId: userId, ...shop }
  const user = await connect()
  const asked: Array<readonly [TestClient, string, object?]> = [
    [client, 'identity.updateUser', { userId, displayName: 'Alice' }],
    [client, 'identity.updateRole', { roleId, description: 'sells' }],
    [client, 'identity.assignRole', { userId, roleName: 'clerk' }],
    [client, 'identity.removeRole', { userId, roleName: 'clerk' }],
    [client, 'identity.deleteRole', { roleId }],
    [client, 'store.defineBucket', { name: 'shop', config }],
    [client, 'identity.grant', { ...alice, operations: ['read', 'write'] }],
    [client, 'identity.revoke', { ...alice, operations: ['write'] }],
    [client, 'identity.transferOwner', { ...shop, newOwnerId: userId }],
    [user, 'identity.login', { username: 'alice', password }],
    [user, 'identity.refreshSession'],
    [user, 'identity.changePassword', { userId, currentPassword: password, newPassword: `${password}2` }],
    [user, 'identity.logout'],
    [client, 'identity.resetPassword', { userId, newPassword: password }],
    [client, 'identity.disableUser', { userId }],
    [client, 'identity.enableUser', { userId }],
    [client, 'identity.deleteUser', { userId }],
    [client, 'store.updateBucket', { name: 'shop', updates: { addFields: { n: { type: 'number' } } } }],
    [client, 'store.defineQuery', { name: 'all', config: { bucket: 'shop' } }],
    [client, 'store.undefineQuery', { name: 'all' }],
    [client, 'store.dropBucket', { name: 'shop' }],
    [client, 'procedures.register', { procedure }],
    [client, 'procedures.update', { name: 'both', updates: { description: 'two' } }],
    [client, 'procedures.call', { name: 'both' }],
    [client, 'procedures.unregister', { name: 'both' }],
    [client, 'store.insert', { bucket: 'items', data: { id: 'a', n: 1 } }],
    [client, 'store.insertMany', { bucket: 'items', data: [{ id: 'b' }, { id: 'c' }] }],
    [client, 'store.update', { bucket: 'items', key: 'a', data: { n: 2 } }],
    [client, 'store.increment', { bucket: 'items', key: 'a', field: 'n', by: 1 }],
    [client, 'store.upsert', { bucket: 'items', data: { id: 'a', n: 3 } }],
    [client, 'store.updateMany', { bucket: 'items', filter: { id: 'b' }, data: { n: 4 } }],
    [client, 'store.delete', { bucket: 'items', key: 'a' }],
    [client, 'store.deleteMany', { bucket: 'items', filter: { id: 'b' } }],
    [client, 'store.clear', { bucket: 'items' }]
  ]
  for (const [asking, type, fields] of asked) {
    const { revision } = store
    await asking.ask(type, fields)
    const entry = entries.at(-1)
    t.match(entry, { operation: type, result: 'success', epoch: store.epoch })
    t.ok((entry?.revision ?? 0) > revision && (entry?.revision ?? 0) <= store.revision, type)
  }
  await client.ask('store.delete', { bucket: 'items', key: 'none' })
  t.notOk('revision' in (entries.at(-1) ?? {}), 'one that has changed nothing names none')
})
