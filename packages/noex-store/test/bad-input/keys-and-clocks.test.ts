import { test } from 'tap'
import { ValidationError, type FieldType } from '../../src/index.js'
import { FakeClock, rejection, startStore } from '../support/store.js'

const odd: readonly unknown[] = [
  0, 1, NaN, Infinity, '', '0', '1', 'NaN', true, false, 'true', null, undefined, 1n, Symbol.iterator,
  new Date(1), new Date(NaN), {}, [], () => 1
]

test('keys of every type', async t => {
  const taken: ReadonlyArray<readonly [FieldType, readonly unknown[]]> = [
    ['string', ['', '0', '1', 'NaN', 'true']], ['number', [0, 1]], ['boolean', [true, false]]
  ]
  for (const [type, right] of taken) {
    t.test(`a key of type ${type}`, async t => {
      const store = await startStore(t)
      await store.defineBucket('a', { key: 'id', schema: { id: { type } } })
      const bucket = store.bucket('a')
      for (const id of odd) {
        if (right.includes(id)) t.match(await bucket.insert({ id }), { _version: 1 })
        else t.ok(await rejection(bucket.insert({ id })) instanceof ValidationError, String(id))
      }
      for (const id of odd) {
        t.equal((await bucket.get(id))?.['id'], right.includes(id) ? id : undefined)
        if (right.includes(id)) continue
        await bucket.delete(id)
        await t.rejects(bucket.update(id, {}), /not found/)
      }
      t.equal(await bucket.count(), right.length)
    })
  }

  t.test('-0 and 0 are one key, and so are all forms of one time', async t => {
    const store = await startStore(t)
    await store.defineBucket('n', { key: 'id', schema: { id: { type: 'number' } } })
    await store.bucket('n').insert({ id: -0 })
    await t.rejects(store.bucket('n').insert({ id: 0 }), /already exists/)
    t.match(await store.bucket('n').get(0), { _version: 1 })
    await store.defineBucket('d', { key: 'id', schema: { id: { type: 'date' } }, etsType: 'ordered_set' })
    const dates = store.bucket('d')
    await dates.insertMany([{ id: new Date(1_000) }, { id: 2_000 }, { id: '1970-01-01T00:00:00Z' }])
    for (const same of [new Date(2_000), 2_000, '1970-01-01T00:00:02Z']) {
      await t.rejects(dates.insert({ id: same }), /already exists/)
      t.match(await dates.get(same), { id: 2_000 })
    }
    await t.rejects(dates.insertMany([{ id: 5 }, { id: new Date(5) }]), /Duplicate key/)
    t.same((await dates.first(3)).map(({ id }) => Number(new Date(id as never))), [0, 1_000, 2_000])
    await dates.delete(new Date(2_000))
    t.equal(await dates.count(), 2)
  })

  t.test('a key of 1 MB, and keys of any characters', async t => {
    const store = await startStore(t)
    await store.defineBucket('a', { key: 'id', schema: { id: { type: 'string' } }, etsType: 'ordered_set' })
    const bucket = store.bucket('a')
    const keys = [
      'k'.repeat(1 << 20), '__proto__', 'constructor', '\ud800', '\udc00\ud800', '🦆', '\0', ' ', 'é',
      'e\u0301'
    ]
    for (const id of keys) await bucket.insert({ id })
    for (const id of keys) t.equal((await bucket.get(id))?.['id'], id)
    t.equal((await bucket.paginate({ after: '🦆', limit: 20 })).records.every(({ id }) => id !== '🦆'), true)
    t.equal((await bucket.first(100)).length, keys.length)
  })
})

test('a clock that jumps', async t => {
  t.test('back and forth leaves versions, order and expiry as they are', async t => {
    const clock = new FakeClock()
    const store = await startStore(t, { now: clock.now })
    await store.defineBucket('a', { key: 'id', schema: { id: { type: 'number' } }, ttl: 1_000, maxSize: 50 })
    const bucket = store.bucket('a')
    const start = clock.time
    const versions = new Map<unknown, number>()
    store.onCommit(({ changes }) => {
      for (const change of changes) {
        if (!('after' in change) || change.after === undefined) continue
        if (change.after._version <= (versions.get(change.key) ?? 0)) t.fail('a version again')
        versions.set(change.key, change.after._version)
      }
    })
    let seed = 1
    for (let i = 0; i < 3_000; i++) {
      seed = (seed * 48_271) % 2_147_483_647
      clock.time = start + seed % 5_000 - 2_500
      await bucket.upsert({ id: seed % 60, i })
      const visible = await bucket.all()
      if (visible.some(({ _expiresAt: at = 0 }) => at <= clock.time)) t.fail('a record whose time is up')
      if (visible.length > 50) t.fail('too many records')
    }
    clock.time = start - 1e9
    t.equal(await bucket.count(), (await bucket.all()).length)
    clock.time = start + 1e9
    t.equal(await bucket.count(), 0)
    t.equal(await store.purgeTtl(), 0)
  })

  t.test('never brings back what has expired', async t => {
    const clock = new FakeClock()
    const store = await startStore(t, { now: clock.now })
    await store.defineBucket('a', { key: 'id', schema: { id: { type: 'number' } }, ttl: 1_000 })
    await store.bucket('a').insert({ id: 1 })
    clock.time += 1_000
    t.equal(await store.bucket('a').get(1), undefined)
    clock.time -= 1_000
    t.equal(await store.bucket('a').get(1), undefined)
    t.match(await store.bucket('a').insert({ id: 1 }), { _version: 2 })
  })
})

test('a record whose time is up', async t => {
  for (const onDelete of ['restrict', 'cascade', 'set_null'] as const) {
    t.test(`refers to nothing any more, by ${onDelete}`, async t => {
      const clock = new FakeClock()
      const store = await startStore(t, { now: clock.now })
      await store.defineBucket('things', { key: 'id', schema: { id: { type: 'string' } } })
      await store.defineBucket('notes', {
        key: 'id',
        schema: { id: { type: 'string' }, of: { type: 'string', ref: 'things', onDelete } },
        ttl: 10
      })
      await store.bucket('things').insert({ id: 'x' })
      await store.bucket('notes').insert({ id: 'n', of: 'x' })
      const events: string[] = []
      await store.on('bucket.*.*', ({ type, bucket }) => { events.push(`${bucket} ${type}`) })
      clock.time += 10
      await store.bucket('things').delete('x')
      await store.purgeTtl()
      t.same(events.sort(), ['notes deleted', 'things deleted'])
    })
  }

  t.test('holds no unique value, also for a transaction', async t => {
    const clock = new FakeClock()
    const store = await startStore(t, { now: clock.now })
    await store.defineBucket('a', {
      key: 'id', schema: { id: { type: 'string' }, u: { type: 'number', unique: true } }, ttl: 10
    })
    await store.bucket('a').insert({ id: 'old', u: 1 })
    clock.time += 10
    await store.transaction(async tx => { await (await tx.bucket('a')).insert({ id: 'new', u: 1 }) })
    t.equal(await store.bucket('a').count(), 1)
  })

  t.test('may be all of them at once, and holds the loop up no longer than a slice', async t => {
    const clock = new FakeClock()
    const store = await startStore(t, { now: clock.now })
    await store.defineBucket('a', { key: 'id', schema: { id: { type: 'number' } }, ttl: 10 })
    await store.bucket('a').insertMany(Array.from({ length: 60_000 }, (_, id) => ({ id })))
    let largest = 0
    store.onCommit(({ changes }) => { largest = Math.max(largest, changes.length) })
    clock.time += 10
    t.equal(await store.bucket('a').count(), 0)
    t.match(await store.bucket('a').insert({ id: 59_999 }), { _version: 2 })
    t.equal(await store.bucket('a').count(), 1)
    t.equal(largest, 1_000)
  })
})
