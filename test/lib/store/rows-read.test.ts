import assert from 'node:assert/strict'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import type { QueryContext, WhereFilter } from '@hamicek/noex-store'
import { Work } from '../../../lib/store/work.js'
import { sampled } from '../../support/sampled.js'
import { entry, ids, mine, open, refusal, value, withNotes, work } from '../../support/rows.js'

type Fields = Readonly<Record<string, unknown>>

/** A filter, and the same condition as a function. */
interface Condition {
  readonly filter: WhereFilter
  readonly holds: (record: Fields) => boolean
}

const says = (filter: WhereFilter, holds: Condition['holds']): Condition => ({ filter, holds })

const field = fc.constantFrom('owner', 'status', 'n')

const simple: fc.Arbitrary<Condition> = fc.oneof(
  fc.constantFrom(says({}, () => true), says({ $or: [] }, () => false)),
  {
    weight: 3,
    arbitrary: fc
      .tuple(field, value)
      .map(([field, value]) => says({ [field]: value }, record => record[field] === value))
  },
  fc
    .tuple(field, value)
    .map(([field, value]) => says({ [field]: { $neq: value } }, record => record[field] !== value)),
  fc
    .tuple(field, fc.array(value))
    .map(([field, list]) => says({ [field]: { $in: list } }, record => list.includes(record[field]))),
  fc
    .tuple(field, fc.boolean())
    .map(([field, exists]) =>
      says({ [field]: { $exists: exists } }, record => (record[field] != null) === exists)
    ),
  fc
    .integer({ min: 0, max: 3 })
    .map(n => says({ n: { $gte: n } }, record => typeof record['n'] === 'number' && record['n'] >= n))
)
const several = fc.array(simple, { maxLength: 3 })
const condition: fc.Arbitrary<Condition> = fc.oneof(
  { weight: 3, arbitrary: simple },
  several.map(parts =>
    says({ $and: parts.map(part => part.filter) }, record => parts.every(part => part.holds(record)))
  ),
  several.map(parts =>
    says({ $or: parts.map(part => part.filter) }, record => parts.some(part => part.holds(record)))
  ),
  fc
    .tuple(value, value)
    .map(([owner, status]) =>
      says({ owner, status }, record => record['owner'] === owner && record['status'] === status)
    )
)

t.test('Reads under a row filter are those of a bucket that holds nothing else', async t => {
  const { store, sharedStore } = await open(t, {})
  let buckets = 0
  await fc.assert(fc.asyncProperty(
    fc.uniqueArray(entry, { selector: ({ id }) => id }), fc.array(entry),
    fc.subarray(['owner', 'status', 'n']),
    fc.boolean(), fc.boolean(), condition, condition, fc.integer({ min: 1, max: 6 }),
    async (inserts, updates, indexes, ordered, named, rows, asked, n) => {
      const name = `b${buckets++}`
      // Numbers and texts are not in the same order.
      const key = (id: number): unknown => named ? `k${id}` : id
      await store.defineBucket(name, {
        key: 'id',
        schema: {
          id: { type: named ? 'string' : 'number' },
          owner: { type: 'string' },
          status: { type: 'string' },
          n: { type: 'number' }
        },
        indexes,
        ...(ordered && { etsType: 'ordered_set' })
      })
      const handle = store.bucket(name)
      for (const { id, ...data } of inserts) await handle.insert({ id: key(id), ...data })
      for (const { id, ...data } of updates) {
        if (await handle.get(key(id)) !== undefined) await handle.update(key(id), data)
      }

      const reads = sharedStore.bucket(name, { scope: rows.filter, work })
      const all = (await handle.all()).filter(rows.holds)
      const matching = all.filter(asked.holds)
      for (let id = 0; id < 31; id++) {
        assert.equal(await reads.get(key(id)), all.find(record => record['id'] === key(id)))
      }
      // In the order of insertion, whichever index serves.
      assert.deepEqual(await reads.all(), all)
      assert.deepEqual(await reads.where(asked.filter), matching)
      assert.equal(await reads.findOne(asked.filter), matching[0])

      for (const [filter, records] of [[asked.filter, matching], [undefined, all]] as const) {
        const numbers = records.map(record => record['n']).filter(n => typeof n === 'number')
        const sum = numbers.reduce((a, b) => a + b, 0)
        assert.equal(await reads.count(filter), records.length)
        assert.equal(await reads.sum('n', filter), sum)
        assert.equal(await reads.avg('n', filter), numbers.length === 0 ? 0 : sum / numbers.length)
        assert.equal(await reads.min('n', filter), numbers.length === 0 ? undefined : Math.min(...numbers))
        assert.equal(await reads.max('n', filter), numbers.length === 0 ? undefined : Math.max(...numbers))
        const groups = await reads.groupBy('status', { function: 'sum', field: 'n' }, filter)
        const sums = new Map<string, number>()
        for (const { status, n } of records) {
          const name = String(status ?? 'null')
          sums.set(name, (sums.get(name) ?? 0) + (typeof n === 'number' ? n : 0))
        }
        assert.deepEqual(groups.map(({ key, value }) => [String(key['status'] ?? 'null'), value]), [...sums])
      }

      const walk = ordered
        ? all.toSorted((a, b) =>
          named ? String(a['id']).localeCompare(String(b['id'])) : Number(a['id']) - Number(b['id'])
        )
        : all
      assert.deepEqual(await reads.first(n), walk.slice(0, n))
      assert.deepEqual(await reads.last(n), walk.slice(-n))
      assert.deepEqual(await reads.paginate({ limit: n }), {
        records: walk.slice(0, n),
        hasMore: walk.length > n,
        nextCursor: walk.slice(0, n).at(-1)?.['id']
      })
      for (const [i, record] of walk.entries()) {
        const records = walk.slice(i + 1, i + 1 + n)
        assert.deepEqual(await reads.paginate({ limit: n, after: record['id'] }), {
          records,
          hasMore: i + 1 + n < walk.length,
          nextCursor: records.at(-1)?.['id']
        })
      }
      const hidden = (await handle.all()).find(record => !rows.holds(record))
      for (const after of [hidden?.['id'] ?? 'gone', 'gone', null]) {
        assert.deepEqual(await reads.paginate({ limit: n, after }), {
          records: [],
          hasMore: false,
          nextCursor: undefined
        })
      }
      await store.dropBucket(name)
    }
  ), { numRuns: sampled(150) })
  t.equal(buckets, sampled(150))
})

t.test('Pages hold every visible record once and in order while others come, change and go', async t => {
  for (const etsType of ['set', 'ordered_set'] as const) {
    const { store, sharedStore } = await open(t, {
      notes: {
        key: 'id',
        schema: { id: { type: 'number' }, owner: { type: 'string' } },
        indexes: ['owner'],
        etsType
      }
    })
    const handle = store.bucket('notes')
    const owners = Array.from({ length: 40 }, (_, i) => i % 3 === 0 ? 'me' : 'you')
    const order = etsType === 'set' ? owners.map((_, i) => (i * 7) % 40) : owners.map((_, i) => i)
    await handle.insertMany(order.map((id, i) => ({ id, owner: owners[i] })))
    const expected = order.filter((_, i) => owners[i] === 'me')
    const seen: unknown[] = []
    let after: unknown
    let next = 100
    for (let more = true; more;) {
      const page = await sharedStore.bucket('notes', { scope: mine, work }).paginate({ limit: 3, after })
      seen.push(...ids(page.records))
      after = page.nextCursor
      more = page.hasMore
      await handle.insertMany([{ id: next++, owner: 'you' }, { id: -next, owner: 'you' }])
      const [gone, changed] = await handle.where({ owner: 'you' })
      await handle.delete(gone?.['id'])
      await handle.update(changed?.['id'], { owner: 'they' })
    }
    t.same(seen, expected, etsType)
  }
})

t.test('Reads of a bucket that is not defined are refused', async t => {
  const { sharedStore } = await withNotes(t)
  const reading = (async () => sharedStore.bucket('nope', { scope: mine, work }))()
  t.equal((await refusal(reading)).code, 'BUCKET_NOT_DEFINED')
})

t.test('An index serves the row filter, or else what the client asks for', async t => {
  const { store, sharedStore } = await open(t, {
    notes: {
      key: 'id',
      schema: { id: { type: 'string' }, owner: { type: 'string' }, text: { type: 'string' } },
      indexes: ['owner', 'text']
    }
  })
  const handle = store.bucket('notes')
  const record = (i: number) => ({ id: `${i}`, owner: i % 100 === 0 ? 'me' : 'you', text: `${i % 200}` })
  await handle.insertMany(Array.from({ length: 2_000 }, (_, i) => record(i)))
  const always = { id: { $exists: true } }
  const looksAt = async (scope: WhereFilter, filter: WhereFilter): Promise<unknown> => {
    const work = new Work(Infinity)
    const found = await sharedStore.bucket('notes', { scope, work }).where(filter)
    return [found.length, work.spent]
  }
  t.same(await looksAt(always, always), [2_000, 4_000], 'all of the bucket, twice')
  t.same(await looksAt(mine, always), [20, 20], 'those of the index on owner')
  t.same(await looksAt(always, { text: '5' }), [10, 10], 'those of the index on text')
  t.same(await looksAt(mine, { text: '0' }), [10, 10], 'the smaller of the two')
  const reads = sharedStore.bucket('notes', { scope: mine, work })
  t.same(ids(await reads.first(2)), ['0', '100'])
  t.same(ids(await reads.last(2)), ['1800', '1900'])
  t.same(ids((await reads.paginate({ limit: 2 })).records), ['0', '100'])
  await handle.update('0', { owner: null })
  const unowned = sharedStore.bucket('notes', { scope: { owner: null }, work })
  t.same(ids(await unowned.all()), ['0'], 'an index knows what is null')
  t.same(
    await looksAt(mine, { owner: 'you' }),
    [0, 19],
    'what the client asks for does not replace the row filter'
  )
})

t.test('A query', async t => {
  const setting = async (t: Test) => {
    const { store, sharedStore } = await withNotes(t, {
      secrets: { key: 'id', schema: { id: { type: 'string' } } }
    })
    await store.bucket('secrets').insert({ id: 's' })
    store.defineDeclarativeQuery('notes', { bucket: 'notes', fields: ['id'] })
    store.defineDeclarativeQuery('secrets', { bucket: 'secrets', fields: ['id'] })
    const define = (name: string, read: (ctx: QueryContext) => Promise<unknown>) => {
      store.defineQuery(name, read)
    }
    return { store, sharedStore, define }
  }
  const confined = (bucket: string) => bucket === 'notes' ? mine : bucket !== 'secrets'

  t.test('reads the records that its scope allows of each bucket [G-C3]', async t => {
    const { sharedStore, define } = await setting(t)
    t.same(await sharedStore.runQuery('notes', undefined, () => true), [
      { id: 'm1' },
      { id: 'o1' },
      { id: 'm2' },
      { id: 'o2' }
    ])
    t.same(await sharedStore.runQuery('notes', undefined, confined), [{ id: 'm1' }, { id: 'm2' }])
    t.match(
      await refusal(sharedStore.runQuery('secrets', undefined, confined)),
      { code: 'FORBIDDEN', message: /bucket that you may not read/ }
    )
    define('every read', async ctx => {
      const bucket = ctx.bucket('notes')
      const page = await bucket.paginate({ limit: 1 })
      return [
        await bucket.get('m1'), await bucket.get('o1'), await bucket.all(), await bucket.where({ text: 'a' }),
        await bucket.findOne({ owner: 'you' }),
        await bucket.count(), await bucket.first(1), await bucket.last(1), page,
        await bucket.paginate({ limit: 5, after: page.nextCursor }),
        await bucket.sum('_version'), await bucket.avg('_version'), await bucket.min('_version'),
        await bucket.max('_version', { owner: 'you' }),
        await bucket.groupBy('owner', { function: 'count' })
      ]
    })
    t.match(await sharedStore.runQuery('every read', undefined, confined), [
      { id: 'm1' }, undefined, [{ id: 'm1' }, { id: 'm2' }], [{ id: 'm1' }], undefined,
      2, [{ id: 'm1' }], [{ id: 'm2' }], { records: [{ id: 'm1' }], hasMore: true, nextCursor: 'm1' },
      { records: [{ id: 'm2' }], hasMore: false, nextCursor: 'm2' },
      2, 1, 1, undefined,
      [{ key: { owner: 'me' }, value: 2 }]
    ])
    t.match(
      await refusal(sharedStore.runQuery('every read', undefined, () => false)),
      { code: 'FORBIDDEN', message: /bucket that you may not read/ }
    )
  })

  t.test('that swallows the refusal reads nothing all the same', async t => {
    const { sharedStore, define } = await setting(t)
    define('stubborn', async ctx => {
      const got: unknown[] = []
      for (let tries = 0; tries < 3; tries++) {
        try {
          got.push(await ctx.bucket('secrets').all())
        } catch (error) {
          got.push((error as { code: string }).code)
        }
        await Promise.resolve()
      }
      return [got, (await ctx.bucket('notes').all()).length]
    })
    t.same(await sharedStore.runQuery('stubborn', undefined, confined), [
      ['FORBIDDEN', 'FORBIDDEN', 'FORBIDDEN'],
      2
    ])
  })

  t.test('that swallows a bucket which does not exist goes on', async t => {
    const { sharedStore, define } = await setting(t)
    define('curious', async ctx => {
      try {
        return await ctx.bucket('nope').all()
      } catch {
        return await ctx.bucket('notes').count()
      }
    })
    t.equal(await sharedStore.runQuery('curious', undefined, () => mine), 2)
  })

  t.test('has as many answers as there are scopes, also at the same time', async t => {
    const { sharedStore, define } = await setting(t)
    define('slow', async ctx => {
      const notes = ctx.bucket('notes')
      await new Promise(resolve => { setImmediate(resolve) })
      return [await notes.count(), await ctx.bucket('notes').count({ text: 'a' })]
    })
    const scopes = [() => true, () => mine, () => ({ text: 'b' }), () => ({ $or: [] })]
    t.same(await Promise.all(scopes.map(async rows => await sharedStore.runQuery('slow', undefined, rows))), [
      [4, 2],
      [2, 1],
      [2, 0],
      [0, 0]
    ])
  })

  t.test('depends under a row filter on what it depends on without', async t => {
    const { sharedStore, define } = await setting(t)
    define('both', async ctx => [await ctx.bucket('notes').get('o1'), await ctx.bucket('notes').first(1)])
    const log: unknown[] = []
    const observer = {
      onBucket (bucket: string) { log.push(bucket) },
      onRecord (bucket: string, key: unknown) { log.push([bucket, key]) }
    }
    await sharedStore.runQuery('both', undefined, () => mine, { observer })
    t.same(log, [['notes', 'o1'], 'notes'])
  })

  t.test('loses a row that leaves the filter, and gains one that enters it', async t => {
    const { store, sharedStore } = await setting(t)
    await store.bucket('notes').update('m1', { owner: 'you' })
    t.same(await sharedStore.runQuery('notes', undefined, confined), [{ id: 'm2' }])
    await store.bucket('notes').update('o2', { owner: 'me' })
    t.same(await sharedStore.runQuery('notes', undefined, confined), [{ id: 'm2' }, { id: 'o2' }])
  })

  t.end()
})
