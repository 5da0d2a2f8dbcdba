import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { FileLog, Store, type LogEntry } from '@hamicek/noex-store'
import {
  adminSecret,
  linesOf,
  place,
  serveAudited,
  steps,
  writesIn,
  type Line
} from '../support/audited-service.js'
import type { TestClient } from '../support/client.js'
import { serve } from '../support/service.js'
import { smallDisk } from '../support/small-disk.js'
import { compareTrailWithLog } from '../support/trail-and-log.js'
import { parseNoteText } from '../../lib/audit/entry-note.js'
import { jsonlSink, type AuditEntry } from '../../lib/exports/audit.js'

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

t.test('a request that fails, or commits more than once, waits for the trail', async t => {
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

t.test('a write that is rolled back has no success entry, and its revision has no entry', async t => {
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

t.test('a note is parsed only if it is one of the audit', async t => {
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
