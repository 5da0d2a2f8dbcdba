import { test, type Test } from 'tap'
import { defineBucket } from '../src/commit/definitions.js'
import { insertMany } from '../src/write/insert-many.js'
import { Engine } from '../src/commit/engine.js'
import {
  slicer, WorkBudgetError, type BucketHandle, type DeclarativeQueryConfig, type QueryBucket, type Store, type
  WhereFilter, type WorkMeter
} from '../src/index.js'
import { BucketReader } from '../src/query/bucket-reader.js'
import { startStore } from './support/store.js'

/** Counts units, and refuses those above `limit`. */
class Meter implements WorkMeter {
  units = 0
  readonly #limit: number

  constructor (limit = Infinity) {
    this.#limit = limit
  }

  take (units: number): void {
    if (this.units + units > this.#limit) throw new Error('too much')
    this.units += units
  }
}

const RECORDS = 1_000

async function filled (t: Test): Promise<Store> {
  const store = await startStore(t)
  const id = { type: 'number' as const }
  await store.defineBucket('things', { key: 'id', schema: { id, group: id }, indexes: ['group'] })
  await store.defineBucket('sorted', { key: 'id', schema: { id }, etsType: 'ordered_set' })
  for (const name of ['things', 'sorted']) {
    await store.bucket(name).insertMany(Array.from({ length: RECORDS }, (_, i) => ({
      id: i, group: i % 10, n: i
    })))
  }
  return store
}

/** Processor time of each turn of the event loop while `work` runs, in milliseconds. */
async function turnsOf (work: () => Promise<void>): Promise<number[]> {
  const turns: number[] = []
  let at = process.cpuUsage()
  const watch = (): void => {
    const { user, system } = process.cpuUsage(at)
    turns.push((user + system) / 1_000)
    at = process.cpuUsage()
    next = setImmediate(watch)
  }
  let next = setImmediate(watch)
  await work()
  clearImmediate(next)
  return turns
}

type Read = (bucket: BucketHandle) => Promise<unknown>

const reads: ReadonlyArray<readonly [
  title: string,
  units: number,
  read: Read,
  scope?: WhereFilter | undefined,
  bucket?: string
]> = [
  ['get', 0, async b => await b.get(1)],
  ['get in a scope of two conditions', 2, async b => await b.get(1), { n: { $gte: 0, $lt: 5 } }],
  ['all', RECORDS, async b => await b.all()],
  ['where, two conditions', 2 * RECORDS, async b => await b.where({ n: { $gt: 5, $lt: 7 } })],
  ['where in a scope', 2 * RECORDS, async b => await b.where({ n: { $lt: 7 } }), { n: { $gt: 5 } }],
  ['where, by an index alone', 100, async b => await b.where({ group: 3 })],
  ['where, by the index of the scope', 100, async b => await b.all(), { group: 3 }],
  ['where, by an index and one condition', 100, async b => await b.where({ group: 3, n: { $gt: 5 } })],
  [
    'where, by an index and two conditions',
    200,
    async b => await b.where({ group: 3, n: { $gt: 5, $lt: 50 } })
  ],
  ['$or', 3 * RECORDS, async b => await b.count({ $or: [{ n: 1 }, { n: 2 }, { n: 3 }] })],
  ['$in, which is one condition', RECORDS, async b => await b.count({ n: { $in: [1, 2, 3] } })],
  ['findOne: the steps of the walk', 32, async b => await b.findOne({ n: 1 })],
  ['count of all', 0, async b => await b.count()],
  ['count by an index', 0, async b => await b.count({ group: 1 })],
  ['sum', 2 * RECORDS, async b => await b.sum('n')],
  ['sum of some', RECORDS + 10, async b => await b.sum('n', { n: { $lt: 10 } })],
  ['groups by three fields', 5 * RECORDS, async b => await b.groupBy(['a', 'b', 'c'], { function: 'count' })],
  ['a page', 10, async b => await b.paginate({ limit: 100 })],
  ['a page behind a cursor', 2, async b => await b.paginate({ limit: 20, after: 3 })],
  ['the first and last records', 4, async b => [await b.first(20), await b.last(20)]],
  [
    'a page with a filter: the steps of the walk',
    32,
    async b => await b.paginate({ limit: 10, filter: { n: { $gte: 5 } } })
  ],
  ['a page in a scope', 2 * 32, async b => await b.first(10), { n: { $gte: 0, $lt: 900 } }],
  ['a page in a scope that finds nothing', RECORDS, async b => await b.first(10), { n: -1 }],
  ['a page in the order of keys', 10, async b => await b.paginate({ limit: 100 }), undefined, 'sorted'],
  ['a page in the order of keys in a scope', 32, async b => await b.first(10), { n: { $gte: 0 } }, 'sorted']
]

test('a read takes units of the meter of its handle before it does the work', async t => {
  const store = await filled(t)
  for (const [title, units, read, scope, bucket = 'things'] of reads) {
    const open = (work: WorkMeter): BucketHandle => store.bucket(bucket, { work, ...(scope && { scope }) })
    const meter = new Meter(units)
    await read(open(meter))
    t.equal(meter.units, units, title)
    if (units > 0) await t.rejects(read(open(new Meter(units - 1))), { message: 'too much' }, title)
  }
})

test('texts that are searched count by their length, and are looked at one by one', async t => {
  const store = await startStore(t)
  await store.defineBucket('texts', { key: 'id', schema: { id: { type: 'number' } } })
  const text = 'x'.repeat(64_000)
  for (let i = 0; i < 2_000; i += 500) {
    await store.bucket('texts').insertMany(Array.from({ length: 500 }, (_, id) => ({ id: i + id, text })))
  }
  const meter = new Meter()
  const turns = await turnsOf(async () => {
    await store.bucket('texts', { work: meter }).count({ text: { $contains: 'y' } })
  })
  t.equal(meter.units, 2_000 + 2_000 * 4_000)
  t.ok(turns.length > 2, `${turns.length} turns`)
  await t.rejects(
    store.bucket('texts', { work: new Meter(5_000) }).where({ text: { $contains: 'y' } }),
    /too much/
  )
})

test('no text of one record holds others up, however often a filter looks through it', async t => {
  const store = await startStore(t)
  await store.defineBucket('texts', { key: 'id', schema: { id: { type: 'number' } } })
  const bucket = store.bucket('texts')
  await bucket.insert({ id: 1, text: 'x'.repeat(1_000_000) })
  const parts = (count: number): WhereFilter[] => Array.from(
    { length: count },
    (_, i) => ({ text: { $contains: `${'x'.repeat(480 + i % 20)}y${'x'.repeat(480 + Math.floor(i / 20))}` } })
  )
  t.equal(await bucket.count({ $or: parts(1) }), 0)
  const tries: Array<(filter: WhereFilter) => Promise<unknown>> = [
    async filter => await bucket.count(filter), async filter => await bucket.paginate({ limit: 1, filter }),
    async filter => await bucket.deleteMany(filter),
    async filter => await store.transaction(async tx => {
      await (await tx.bucket('texts')).update(1, { n: 1 })
      return await (await tx.bucket('texts')).where(filter)
    })
  ]
  for (const read of tries) {
    const turns = await turnsOf(async () => {
      await t.rejects(read({ $or: parts(120) }), {
        name: 'FilterError', message: /5 ms on the texts of one record/
      })
    })
    // 120 searches take more than 500 ms.
    t.ok(Math.max(...turns) < 100, `${Math.max(...turns)} ms`)
  }
  const words = Array.from({ length: 20 }, (_, i) => ({ text: { $contains: `word ${i} of many` } }))
  t.equal(await bucket.count({ $or: [...words, { text: { $contains: 'XX' } }] }), 1, 'words are found fast')
})

test('long texts are compared and sorted in slices', async t => {
  const store = await startStore(t)
  await store.defineBucket('texts', { key: 'id', schema: { id: { type: 'number' } } })
  const bucket = store.bucket('texts')
  const prefix = 'x'.repeat(500_000)
  // Not a concatenation, which would be put together at its first comparison.
  const text = (i: number): string =>
    Buffer.from(`${prefix}${String(i * 37 % 60).padStart(2, '0')}`).toString()
  for (let id = 0; id < 60; id++) await bucket.insert({ id, text: text(id) })
  const texts = Array.from({ length: 100 }, (_, i) => ({ text: { $gt: `${prefix}30${i}` } }))
  let count: number | undefined
  const compared = await turnsOf(async () => { count = await bucket.count({ $or: texts }) })
  t.equal(count, 29)
  t.ok(compared.length > 5, `compared in ${compared.length} turns`)
  let sorted: unknown[] = []
  const turns = await turnsOf(async () => { sorted = await bucket.find({ sort: { text: 'asc' } }) })
  t.same(
    sorted.map(record => Number((record as { text: string }).text.slice(-2))),
    Array.from({ length: 60 }, (_, i) => i)
  )
  t.ok(turns.length > 1, `sorted in ${turns.length} turns`)
})

test('a read that its meter ends leaves no snapshot behind', async t => {
  const bytes = { maxRecordBytes: 1e9, maxOperationBytes: 1e9 }
  const options = {
    name: 's',
    now: Date.now,
    maxDeletedKeys: 10,
    maxWork: Infinity,
    validatorTimeoutMs: 1_000,
    ...bytes,
    onListenerError () {}
  }
  const engine = new Engine(options, 'epoch')
  defineBucket(engine, 'many', { key: 'id', schema: { id: { type: 'number' } } })
  await insertMany(engine, 'many', Array.from({ length: 50_000 }, (_, id) => ({
    id, n: id, text: 'y'.repeat(640)
  })))
  const { snapshots } = engine.bucket('many').contents
  const reads: ReadonlyArray<(bucket: QueryBucket) => Promise<unknown>> = [
    async b => await b.sum('n', { n: { $gte: 0 } }),
    async b => await b.groupBy('n', { function: 'count' }, { n: { $gte: 0 } }),
    async b => await b.paginate({ limit: 100, filter: { n: -1 } }),
    async b => await b.where({ text: { $contains: 'x' } })
  ]
  for (const read of reads) {
    for (const limit of [0, 1_000, 51_000]) {
      const reading = read(new BucketReader(engine, 'many', { work: new Meter(limit) }))
      await reading.catch(() => {})
      t.equal(snapshots.size, 0)
    }
  }
  const whole = new BucketReader(engine, 'many').sum('n', { n: { $gte: 0 }, text: { $contains: 'y' } })
  t.equal(snapshots.size, 1, 'while it reads, there is one')
  await whole
  t.equal(snapshots.size, 0)
})

test('without a meter, all of one read counts against maxWork', async t => {
  const store = await startStore(t, { maxWork: 5_000 })
  await store.defineBucket('things', { key: 'id', schema: { id: { type: 'number' } } })
  const bucket = store.bucket('things')
  await bucket.insertMany(Array.from({ length: RECORDS }, (_, id) => ({ id, n: id })))
  t.equal(await bucket.sum('n', { n: { $gte: 0, $lt: 500 } }), 124_750)
  await t.rejects(
    bucket.count({ $and: Array.from({ length: 6 }, (_, i) => ({ n: { $neq: -i } })) }),
    WorkBudgetError
  )
  await t.rejects(bucket.groupBy(['a', 'b', 'c', 'd'], { function: 'count' }), WorkBudgetError)
  store.defineDeclarativeQuery('sorted', { bucket: 'things', sort: { n: 'desc' } })
  await t.rejects(store.runQuery('sorted'), { name: 'WorkBudgetError', budget: 5_000 })
})

const queries: ReadonlyArray<readonly [units: number, config: Omit<DeclarativeQueryConfig, 'bucket'>]> = [
  [RECORDS, {}],
  [0, { aggregate: { function: 'count' } }],
  [2 * RECORDS, { aggregate: { function: 'max', field: 'n' } }],
  [3 * RECORDS, { aggregate: { function: 'sum', field: 'n', groupBy: 'group' } }],
  [RECORDS + 10 * RECORDS, { sort: { n: 'desc' } }],
  // Not all are sorted, when only the first are wanted.
  [RECORDS + RECORDS + 20, { sort: { n: 'desc' }, limit: 10, fields: ['n', 'id'] }]
]

test('a query takes units of the meter of its run', async t => {
  const store = await filled(t)
  for (const [i, [units, config]] of queries.entries()) {
    store.defineDeclarativeQuery(`q${i}`, { bucket: 'things', ...config })
    const work = new Meter(units)
    await store.runQuery(`q${i}`, undefined, undefined, { work })
    t.equal(work.units, units, JSON.stringify(config))
    if (units === 0) continue
    await t.rejects(store.runQuery(`q${i}`, undefined, undefined, { work: new Meter(units - 1) }), /too much/)
  }
  store.defineQuery('code', async ctx => [
    await ctx.bucket('things').count({ n: 1 }), await ctx.bucket('things').all()
  ])
  const work = new Meter()
  await store.runQuery('code', undefined, undefined, { work })
  t.equal(work.units, 2 * RECORDS)
})

test('long work of all stores shares 5 ms of each turn', async t => {
  const stores = await Promise.all([startStore(t), startStore(t)])
  for (const store of stores) {
    await store.defineBucket('many', {
      key: 'id', schema: { id: { type: 'number' }, g: { type: 'number' } }, indexes: ['g']
    })
    await store.bucket('many').insertMany(
      Array.from({ length: 20_000 }, (_, id) => ({ id, n: id, g: id % 2 }))
    )
  }
  const slow = { $and: Array.from({ length: 100 }, (_, i) => ({ n: { $neq: -i } })) }
  const turns = await turnsOf(async () => {
    await Promise.all([
      ...stores.map(async store => await store.bucket('many').count(slow)),
      // By an index, whose records are tried on the rest.
      ...stores.map(async store => await store.bucket('many').count({ g: 1, ...slow })),
      (async () => {
        for (let i = 0; i < 100; i++) {
          if (slicer.isSpent) await slicer.nextTurn()
          for (const end = performance.now() + 1; performance.now() < end;);
        }
      })()
    ])
  })
  turns.sort((a, b) => a - b)
  t.ok(turns.length > 20, `${turns.length} turns`)
  const most = turns[Math.floor(turns.length * 0.9)] as number
  t.ok(most < 15, `90 % of the turns take less than ${most} ms`)
})

test('a long sort is one of slices, and keeps the order of equal records', async t => {
  const store = await startStore(t)
  await store.defineBucket('many', { key: 'id', schema: { id: { type: 'number' } } })
  const records = Array.from({ length: 7_001 }, (_, id) => ({ id, n: (id * 7_919) % 613 }))
  await store.bucket('many').insertMany(records)
  store.defineDeclarativeQuery('sorted', { bucket: 'many', sort: { n: 'desc' }, fields: ['id', 'n'] })
  t.same(await store.runQuery('sorted'), [...records].sort((a, b) => b.n - a.n))
})
