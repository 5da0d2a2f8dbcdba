import { isDeepStrictEqual } from 'node:util'
import { test, type Test } from 'tap'
import { Store, defineSchema, type Commit, type StoreRecord } from '../src/index.js'

const definition = {
  key: 'id',
  schema: {
    id: { type: 'number' }, at: { type: 'date', unique: true }, since: { type: 'date', default: new Date(7) }
  },
  indexes: ['at', 'since']
} as const

async function started (t: Test, name = 'dates'): Promise<Store> {
  const store = await Store.start({ name })
  t.teardown(async () => { await store.stop() })
  await store.defineBucket('events', definition)
  return store
}

function dateOf (record: StoreRecord | undefined, field = 'at'): Date {
  return record?.[field] as Date
}

test('a date of a record cannot be changed, by the writer, a reader or a listener', async t => {
  const store = await started(t)
  const events = store.bucket('events')
  const commits: Commit[] = []
  store.onCommit(commit => { commits.push(commit) })
  const given = new Date(1000)
  const written = await events.insert({ id: 1, at: given, list: [{ at: new Date(3) }] })
  given.setTime(9)
  const inList = (await events.get(1))?.['list'] as Array<{ at: Date }>
  const change = commits[0]?.changes[0] as { after: StoreRecord }
  const found = [
    dateOf(written), dateOf(written, 'since'), dateOf(await events.get(1)), dateOf(change.after),
    inList[0]?.at as Date, dateOf((await events.all())[0])
  ]
  const setters = Object.getOwnPropertyNames(Date.prototype).filter(name => name.startsWith('set'))
  t.ok(setters.length >= 15)
  for (const date of found) {
    for (const setter of setters) {
      t.throws(
        () => { (date as unknown as Record<string, (n: number) => void>)[setter]?.(5000) },
        { name: 'TypeError', message: /new Date\(record\.field\)/ }, setter
      )
    }
    t.throws(() => { Object.assign(date, { getTime: () => 5000 }) }, TypeError)
  }
  t.equal(dateOf(await events.get(1)).getTime(), 1000)
  t.equal(await events.count({ at: 1000 }), 1)
})

test('a date of a record is like another Date', async t => {
  const store = await started(t)
  const date = dateOf(await store.bucket('events').insert({ id: 1, at: new Date(1000) }))
  t.ok(date instanceof Date)
  t.equal(date.getTime(), 1000)
  t.equal(JSON.stringify(date), '"1970-01-01T00:00:01.000Z"')
  t.ok(date < new Date(1001) && Number(date) === 1000)
  t.ok(isDeepStrictEqual(date, new Date(1000)))
  t.ok(isDeepStrictEqual({ a: [date] }, { a: [new Date(1000)] }))
  t.notOk(isDeepStrictEqual(date, new Date(1001)))
  t.same(date, new Date(1000))
  t.strictSame(date, new Date(1000))
  const clone = structuredClone(date)
  clone.setTime(5)
  t.equal(clone.getTime(), 5)
  const copy = new Date(date)
  copy.setTime(6)
  t.equal(copy.getTime(), 6)
  t.same(Object.keys(date), [])
})

test('indexes and unique values hold against setters of Date.prototype', async t => {
  const store = await started(t)
  const events = store.bucket('events')
  await events.insert({ id: 1, at: new Date(1000) })
  Date.prototype.setTime.call(dateOf(await events.get(1)), 5000)
  t.equal(await events.count({ at: 1000 }), 1)
  t.equal(await events.count({ at: 5000 }), 0)
  t.equal(await events.count({ at: { $gte: 900, $lt: 1100 } }), 1)
  await events.update(1, { x: 1 })
  await events.delete(1)
  await events.insert({ id: 2, at: 1000 })
  t.equal(await events.count({ at: 1000 }), 1)
})

test('dates of transforms, commits, frozen records and definitions cannot be changed', async t => {
  const store = await started(t)
  await store.bucket('events').insert({ id: 1, at: new Date(1000) })
  const refuses = async (from: Store, message: string): Promise<void> => {
    const record = await from.bucket('events').get(1)
    t.throws(() => dateOf(record).setTime(5), { name: 'TypeError' }, message)
  }
  await store.rebuildBucket('events', definition, { each: record => ({ ...record, at: new Date(2000) }) })
  await refuses(store, 'each')
  await store.rebuildBucket('events', definition, records => records.map(
    ([key, record]) => [key, Object.freeze({ ...record, at: new Date(3000) })]
  ))
  await refuses(store, 'list')
  const other = await started(t, 'other')
  const after = Object.freeze({ id: 1, at: new Date(4), _version: 1, _createdAt: 1, _updatedAt: 1 })
  other.apply({
    revision: other.revision + 1,
    time: 1,
    changes: [{ type: 'insert', bucket: 'events', key: 1, before: undefined, after }]
  })
  await refuses(other, 'apply')
  const since = store.getBucketSchema('events')?.schema['since']?.default as Date
  t.throws(() => since.setTime(5), { name: 'TypeError' })
  const schema = defineSchema({ events: definition })
  t.throws(() => schema.events.schema.since.default.setTime(5), { name: 'TypeError' })
})

test('what only looks like a date is refused by name, and a getTime of its own is not asked', async t => {
  const store = await started(t)
  const events = store.bucket('events')
  const none: unknown = Object.create(Date.prototype)
  await t.rejects(events.insert({ id: 1, x: none }), { name: 'ValidationError', message: /invalid date/ })
  const odd = new Date(5)
  odd.getTime = () => 'x' as unknown as number
  t.equal(dateOf(await events.insert({ id: 2, x: odd }), 'x').getTime(), 5)
  const others: unknown[] = [
    Buffer.from('x'), new ArrayBuffer(2), new Uint8Array(2), /x/, Object(1), Object('x')
  ]
  for (const value of others) {
    await t.rejects(events.insert({ id: 3, x: value }), { name: 'ValidationError' })
  }
})
