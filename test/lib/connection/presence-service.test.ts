import { test } from 'tap'
import type { BucketDefinition, Commit } from '@hamicek/noex-store'
import { ControlledLog, ephemeral, startPresences } from '../../support/presences.js'
import { until } from '../../support/until.js'

const text = { type: 'string' } as const
const referring = (onDelete: 'cascade' | 'set_null' | 'restrict'): BucketDefinition =>
  ({ key: 'id', schema: { id: text, of: { type: 'string', ref: 'present', onDelete } } })

test('the records of a connection are removed after the grace, by one commit with one entry', async t => {
  const { clock, store, service, entries, present } = await startPresences(t)
  await store.defineBucket('typing', ephemeral)
  const [a, b] = [service.begin('conn-a'), service.begin('conn-b')]
  await store.bucket('present').insertMany([{ id: 'a1' }, { id: 'a2' }], { writer: a, user: 'ann' })
  await store.bucket('typing').insert({ id: 'a3' }, { writer: a, user: 'ann' })
  await store.bucket('present').insert({ id: 'b' }, { writer: b })
  await store.bucket('present').insert({ id: 'own' })
  const commits: Commit[] = []
  store.onCommit(commit => { commits.push(commit) })
  service.leave(a)
  clock.turn(9_999)
  t.equal(a.size, 3)
  t.same(await present(), ['a1', 'a2', 'b', 'own'])
  clock.turn(1)
  await until(() => entries.length > 0)
  t.same(await present(), ['b', 'own'])
  t.equal(commits.length, 1)
  t.match(commits[0], { user: 'ann', changes: { length: 3 } })
  t.same(entries, [{
    operation: 'presence.remove',
    resource: '*',
    userId: 'ann',
    sessionId: 'conn-a',
    details: { buckets: { present: 2, typing: 1 } }
  }])
  t.equal(a.size, 0)
  t.equal(clock.pending, 0, 'no timer is left')
})

test('a connection that has no such records leaves without any work', async t => {
  const { clock, store, service } = await startPresences(t)
  await store.defineBucket('kept', { key: 'id', schema: { id: text } })
  const presence = service.begin('conn-a')
  await store.bucket('kept').insert({ id: '1' }, { writer: presence })
  service.leave(presence)
  t.same([presence.size, clock.pending], [0, 0])
})

test('who writes a record last has it', async t => {
  const { clock, store, service, entries, present } = await startPresences(t)
  const [a, b] = [service.begin('conn-a'), service.begin('conn-b')]
  const bucket = store.bucket('present')
  const ids = ['upsert', 'update', 'app', 'again', 'gone', 'own']
  await bucket.insertMany(ids.map(id => ({ id })), { writer: a })
  service.leave(a)
  clock.turn(9_000)
  await bucket.upsert({ id: 'upsert', n: 1 }, { writer: b })
  await store.transaction(async tx => {
    await (await tx.bucket('present')).update('update', { n: 1 })
  }, { writer: b })
  await bucket.update('app', { n: 1 })
  await bucket.delete('again')
  await bucket.insert({ id: 'again' }, { writer: b })
  await bucket.delete('gone')
  t.same([a.size, b.size], [1, 3])
  clock.turn(1_000)
  await until(() => entries.length > 0)
  t.same(await present(), ['upsert', 'update', 'app', 'again'])
  service.leave(b)
  clock.turn(10_000)
  await until(() => entries.length > 1)
  t.same(await present(), ['app'], 'what the application has written stays')
})

test('a change that a delete of others causes takes nothing over', async t => {
  const { clock, store, service, entries } = await startPresences(t)
  await store.defineBucket('rooms', { key: 'id', schema: { id: text } })
  await store.defineBucket('seats', {
    key: 'id',
    schema: { id: text, room: { type: 'string', ref: 'rooms', onDelete: 'set_null' } },
    ephemeral: true
  })
  const [user, admin] = [service.begin('conn-user'), service.begin('conn-admin')]
  await store.bucket('rooms').insertMany([{ id: '1' }, { id: '2' }])
  await store.bucket('seats').insertMany([{ id: 'a', room: '1' }, { id: 'b', room: '2' }], { writer: user })
  await store.bucket('rooms').delete('1', { writer: admin })
  await store.transaction(async tx => { await (await tx.bucket('rooms')).delete('2') }, { writer: admin })
  t.same([user.size, admin.size], [2, 0])
  service.leave(user)
  clock.turn(10_000)
  await until(() => entries.length > 0)
  t.equal(await store.bucket('seats').count(), 0)
})

test('records that have ended otherwise are not removed again', async t => {
  const { clock, store, service, entries } = await startPresences(t)
  const presence = service.begin('conn-a')
  const buckets = ['cleared', 'dropped', 'anew', 'kept', 'rebuilt', 'expired']
  for (const name of buckets) {
    await store.defineBucket(name, { ...ephemeral, ...name === 'expired' && { ttl: 1 } })
    await store.bucket(name).insert({ id: '1' }, { writer: presence })
  }
  t.equal(presence.size, buckets.length)
  await store.bucket('cleared').clear()
  await store.bucket('cleared').insert({ id: '1' })
  await store.dropBucket('dropped')
  await store.dropBucket('anew')
  await store.defineBucket('anew', ephemeral)
  await store.bucket('anew').insert({ id: '1' })
  await store.rebuildBucket('kept', { ...ephemeral, ephemeral: false })
  await store.rebuildBucket('rebuilt', { ...ephemeral, indexes: ['n'] }, records =>
    records.map(([key, record]) => [key, { ...record, n: 7 }]))
  await until(async () => { await store.purgeTtl(); return await store.bucket('expired').count() === 0 })
  t.same(presence.list().map(({ bucket }) => bucket), ['rebuilt'])
  service.leave(presence)
  clock.turn(10_000)
  await until(() => entries.length > 0)
  for (const name of ['cleared', 'anew', 'kept']) t.equal(await store.bucket(name).count(), 1, name)
  t.equal(await store.bucket('rebuilt').count(), 0)
  t.match(entries, [{ resource: 'rebuilt', details: { buckets: { rebuilt: 1 } } }])
})

test('references are followed, and what others hold is removed once they let it go', async t => {
  const { clock, store, service, entries, warnings, present } = await startPresences(t)
  for (const onDelete of ['cascade', 'set_null', 'restrict'] as const) {
    await store.defineBucket(onDelete, referring(onDelete))
  }
  const presence = service.begin('conn-a')
  const ids = ['a', 'b', 'c', 'd', 'e']
  await store.bucket('present').insertMany(ids.map(id => ({ id })), { writer: presence })
  await store.bucket('cascade').insert({ id: '1', of: 'a' })
  await store.bucket('set_null').insert({ id: '1', of: 'b' })
  await store.bucket('restrict').insertMany([{ id: '1', of: 'c' }, { id: '2', of: 'e' }])
  service.leave(presence)
  clock.turn(10_000)
  await until(() => entries.length > 0)
  t.same(await present(), ['c', 'e'])
  t.same([await store.bucket('cascade').count(), await store.bucket('set_null').get('1')], [
    0, await store.bucket('set_null').findOne({ of: null })
  ])
  t.match(entries, [{ details: { buckets: { present: 3 } } }])
  t.match(warnings, [/stays as long as others refer to it/])
  await store.bucket('restrict').delete('1')
  clock.turn(60_000)
  await until(() => entries.length > 1)
  t.same(await present(), ['e'])
  await store.bucket('restrict').clear()
  clock.turn(60_000)
  await until(() => entries.length > 2)
  t.same(await present(), [])
  t.equal(warnings.length, 1)
  t.equal(clock.pending, 0)
})

test('a store that takes no writes is asked again until it does', async t => {
  const log = new ControlledLog()
  const { clock, store, service, entries, warnings, present } = await startPresences(t, { log })
  const presences = Array.from({ length: 20 }, (_, i) => service.begin(`conn-${i}`))
  for (const [i, writer] of presences.entries()) {
    await store.bucket('present').insert({ id: `${i}` }, { writer })
  }
  log.isRefusing = true
  for (const presence of presences) service.leave(presence)
  clock.turn(10_000)
  await until(() => warnings.length > 0)
  for (let i = 0; i < 5; i++) {
    clock.turn(1_000)
    await new Promise(resolve => { setImmediate(resolve) })
  }
  t.equal((await present()).length, 20)
  log.isRefusing = false
  await until(async () => {
    clock.turn(1_000)
    return (await present()).length === 0
  })
  await until(() => entries.length === 20)
  t.equal(warnings.length, 1)
  t.equal(new Set(entries.map(({ sessionId }) => sessionId)).size, 20)
})

test('a write that becomes durable after its connection has ended is removed too', async t => {
  const log = new ControlledLog()
  const { clock, store, service, entries, present } = await startPresences(t, { log, graceMs: 0 })
  const presence = service.begin('conn-a')
  let open!: () => void
  log.gate = new Promise(resolve => { open = resolve })
  const writing = store.bucket('present').insert({ id: 'late' }, { writer: presence })
  service.leave(presence)
  clock.turn(60_000)
  t.same(await present(), ['late'])
  open()
  await writing
  await until(() => {
    clock.turn(1_000)
    return entries.length > 0
  })
  t.same(await present(), [])
})

test('a record that another connection is writing at that moment is left to it', async t => {
  const log = new ControlledLog()
  const { clock, store, service, present, entries } = await startPresences(t, { log, graceMs: 0 })
  const [a, b] = [service.begin('conn-a'), service.begin('conn-b')]
  await store.bucket('present').insert({ id: '1' }, { writer: a })
  let open!: () => void
  log.gate = new Promise(resolve => { open = resolve })
  const writing = store.bucket('present').update('1', { n: 1 }, { writer: b })
  service.leave(a)
  for (let i = 0; i < 5; i++) {
    clock.turn(1_000)
    await new Promise(resolve => { setImmediate(resolve) })
  }
  t.same(await present(), ['1'])
  open()
  await writing
  clock.turn(60_000)
  await service.end()
  t.same(await present(), ['1'])
  t.same([a.size, b.size, entries.length], [0, 1, 0])
})

test('a record that another connection fails to take over is removed', async t => {
  const log = new ControlledLog()
  const { clock, store, service, present, entries } = await startPresences(t, { log, graceMs: 0 })
  const [a, b] = [service.begin('conn-a'), service.begin('conn-b')]
  await store.bucket('present').insert({ id: '1' }, { writer: a })
  let open!: () => void
  log.gate = new Promise(resolve => { open = resolve })
  log.isRefusing = true
  const writing = store.bucket('present').update('1', { n: 1 }, { writer: b })
  service.leave(a)
  clock.turn(0)
  open()
  await t.rejects(writing, { code: 'STORE_UNAVAILABLE' })
  t.same([a.size, b.size], [1, 0])
  log.isRefusing = false
  await until(() => {
    clock.turn(1_000)
    return entries.length > 0
  })
  t.same(await present(), [])
})

test('the end does not wait for the grace', async t => {
  const { store, service, entries, present, clock } = await startPresences(t)
  const presence = service.begin('conn-a')
  await store.bucket('present').insert({ id: '1' }, { writer: presence })
  service.leave(presence)
  await service.end()
  t.same(await present(), [])
  t.equal(entries.length, 1)
  t.equal(clock.pending, 0)
  await service.end()
})

test('a connection has no more records than it may', async t => {
  const { store, service } = await startPresences(t, { maxRecords: 2 })
  await store.defineBucket('kept', { key: 'id', schema: { id: text } })
  const presence = service.begin('conn-a')
  const write = async (bucket: string, ids: readonly string[]): Promise<unknown> =>
    await store.bucket(bucket).insertMany(ids.map(id => ({ id })), {
      writer: presence, beforeCommit (writes) { presence.assertRoom(writes) }
    })
  await t.rejects(write('present', ['1', '2', '3']), {
    code: 'VALIDATION_ERROR',
    message: 'A connection may have no more than 2 records in ephemeral buckets such as "present"',
    details: { bucket: 'present', maxRecords: 2 }
  })
  await write('present', ['1', '2'])
  await write('kept', ['1', '2', '3'])
  await t.rejects(write('present', ['3']), { code: 'VALIDATION_ERROR' })
  await store.transaction(async tx => {
    const bucket = await tx.bucket('present')
    await bucket.update('1', { n: 1 })
    await bucket.delete('2')
  }, { writer: presence, beforeCommit (writes) { presence.assertRoom(writes) } })
  await write('present', ['4'])
  t.equal(presence.size, 2)
})

test('thousands that leave at once let others have their turns', async t => {
  const { clock, store, service, entries, present } = await startPresences(t, { graceMs: 0 })
  const count = 3_000
  for (let i = 0; i < count; i++) {
    const presence = service.begin(`conn-${i}`)
    await store.bucket('present').insert({ id: `${i}` }, { writer: presence })
    service.leave(presence)
  }
  clock.turn(0)
  let turns = 0
  await until(() => {
    turns++
    return entries.length === count
  })
  t.ok(turns > 3, `${turns} turns`)
  t.same(await present(), [])
})
