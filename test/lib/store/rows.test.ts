import assert from 'node:assert/strict'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import {
  Store,
  type AccessOptions, type BucketDefinition, type QueryContext, type StoreRecord,
  type TransactionBucketHandle, type TransactionContext, type WhereFilter
} from '@hamicek/noex-store'
import { toReplyError } from '../../../lib/store/store-errors.js'
import { referencedBuckets } from '../../../lib/store/bucket-definition.js'
import type { RowScope } from '../../../lib/store/row-scope.js'
import { defineBucket, dropBucket, updateBucket } from '../../../lib/store/schema-change.js'
import { SharedStore } from '../../../lib/store/shared-store.js'
import type { TransactionEntry } from '../../../lib/store/transaction-entry.js'
import { runTransaction } from '../../../lib/store/transaction.js'
import { Work } from '../../../lib/store/work.js'
import { Writes } from '../../../lib/store/writes.js'
import { sampled } from '../../support/sampled.js'

const work = new Work(Infinity)

/** Reaches every record. */
const everything: RowScope = { rows: () => undefined, assertStillAllowed () {}, work, maxChanges: Infinity }

/** Reaches the records that match, whatever the operation. */
function within (rows: WhereFilter): RowScope {
  return { rows: () => rows, assertStillAllowed () {}, work, maxChanges: Infinity }
}

const mine: WhereFilter = { owner: 'me' }

// The pauses between two tries of a transaction keep no process alive.
const alive = setInterval(() => {}, 1_000)
t.teardown(() => { clearInterval(alive) })

async function open (
  t: Test,
  buckets: Readonly<Record<string, BucketDefinition>>
): Promise<{ store: Store, sharedStore: SharedStore }> {
  const store = await Store.start()
  t.teardown(async () => { await store.stop() })
  for (const [name, definition] of Object.entries(buckets)) await store.defineBucket(name, definition)
  const sharedStore = SharedStore.of(store)
  return { store, sharedStore }
}

const notes: BucketDefinition = {
  key: 'id',
  schema: {
    id: { type: 'string' },
    owner: { type: 'string' },
    text: { type: 'string', maxLength: 10 },
    code: { type: 'string', unique: true }
  }
}

/** A bucket with two records of mine, m1 and m2, and two of another, o1 and o2. */
async function withNotes (t: Test, more: Readonly<Record<string, BucketDefinition>> = {}, definition = notes) {
  const opened = await open(t, { notes: definition, ...more })
  const handle = opened.store.bucket('notes')
  await handle.insertMany([
    { id: 'm1', owner: 'me', text: 'a' }, { id: 'o1', owner: 'you', text: 'a', code: 'O' },
    { id: 'm2', owner: 'me', text: 'b' }, { id: 'o2', owner: 'you', text: 'b' }
  ])
  return { ...opened, state: async () => shown(await handle.all()) }
}

const untouched = ['m1 me a', 'o1 you a', 'm2 me b', 'o2 you b']

function shown (records: readonly StoreRecord[]): string[] {
  return records.map(({ id, owner, text }) => [id, owner, text].map(String).join(' '))
}

/** The code with which the failure of `work` would be answered. */
async function refusal (
  work: Promise<unknown>
): Promise<{ code: string | undefined, message: string, details: unknown }> {
  try {
    await work
  } catch (error) {
    const reply = toReplyError(error)
    return { code: reply?.code, message: reply?.message ?? String(error), details: reply?.details }
  }
  return { code: 'none', message: '', details: undefined }
}

const ids = (records: readonly StoreRecord[]): unknown[] => records.map(record => record['id'])

type Fields = Readonly<Record<string, unknown>>

/** A filter, and the same said in another way. */
interface Condition {
  readonly filter: WhereFilter
  readonly holds: (record: Fields) => boolean
}

const says = (filter: WhereFilter, holds: Condition['holds']): Condition => ({ filter, holds })

const field = fc.constantFrom('owner', 'status', 'n')
const value = fc.constantFrom<unknown>('a', 'a', 'b', null, 1, 2)
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
const entry = fc.record({
  id: fc.integer({ min: 0, max: 30 }),
  owner: fc.constantFrom('a', 'b', null),
  status: fc.constantFrom('a', 'b', null),
  n: fc.constantFrom(1, 2, 3, null)
}, { requiredKeys: ['id'] })

t.test('Reads under a row filter are those of a bucket that holds nothing else', async t => {
  const { store, sharedStore } = await open(t, {})
  let buckets = 0
  await fc.assert(fc.asyncProperty(
    fc.uniqueArray(entry, { selector: ({ id }) => id }), fc.array(entry), fc.subarray(['owner', 'status', 'n']),
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

type Write = readonly [
  title: string,
  write: (sharedStore: SharedStore, rowScope: RowScope) => Promise<unknown>,
  result: object | string | number,
  state?: readonly string[]
]

const writes: readonly Write[] = [
  [
    'insert inside',
    (a, r) => new Writes(a, r).insert('notes', { id: 'n', owner: 'me' }),
    { id: 'n', _version: 1 },
    [...untouched, 'n me undefined']
  ],
  ['insert outside', (a, r) => new Writes(a, r).insert('notes', { id: 'n', owner: 'you' }), 'FORBIDDEN'],
  ['insert without a user', (a, r) => new Writes(a, r).insert('notes', { id: 'n' }), 'FORBIDDEN'],
  [
    'insert that does not fit',
    (a, r) => new Writes(a, r).insert('notes', { id: 'n', owner: 'me', text: 'much too long' }),
    'VALIDATION_ERROR'
  ],
  ['insert without a key', (a, r) => new Writes(a, r).insert('notes', { owner: 'me' }), 'VALIDATION_ERROR'],
  [
    'insert with a key that is taken inside',
    (a, r) => new Writes(a, r).insert('notes', { id: 'm1', owner: 'me' }),
    'ALREADY_EXISTS'
  ],
  [
    'insert with a key that is taken outside',
    (a, r) => new Writes(a, r).insert('notes', { id: 'o1', owner: 'me' }),
    'ALREADY_EXISTS'
  ],
  [
    'insert with a unique value that is taken outside',
    (a, r) => new Writes(a, r).insert('notes', { id: 'n', owner: 'me', code: 'O' }),
    'ALREADY_EXISTS'
  ],
  [
    'insertMany inside',
    (a, r) => new Writes(a, r).insertMany('notes', [{ id: 'n', owner: 'me' }, { id: 'p', owner: 'me' }]),
    [{ id: 'n' }, { id: 'p' }],
    [...untouched, 'n me undefined', 'p me undefined']
  ],
  ['insertMany of nothing', (a, r) => new Writes(a, r).insertMany('notes', []), []],
  [
    'insertMany with one outside',
    (a, r) => new Writes(a, r).insertMany('notes', [{ id: 'n', owner: 'me' }, { id: 'p', owner: 'you' }]),
    'FORBIDDEN'
  ],
  [
    'insertMany with a key twice',
    (a, r) => new Writes(a, r).insertMany('notes', [{ id: 'n', owner: 'me' }, { id: 'n', owner: 'me' }]),
    'ALREADY_EXISTS'
  ],
  [
    'upsert of a new record inside',
    (a, r) => new Writes(a, r).upsert('notes', { id: 'n', owner: 'me' }),
    { id: 'n' },
    [...untouched, 'n me undefined']
  ],
  [
    'upsert of a new record outside',
    (a, r) => new Writes(a, r).upsert('notes', { id: 'n', owner: 'you' }),
    'FORBIDDEN'
  ],
  [
    'upsert inside',
    (a, r) => new Writes(a, r).upsert('notes', { id: 'm1', text: 'z' }),
    { id: 'm1', _version: 2 },
    ['m1 me z', ...untouched.slice(1)]
  ],
  [
    'upsert that leads outside',
    (a, r) => new Writes(a, r).upsert('notes', { id: 'm1', owner: 'you' }),
    'FORBIDDEN'
  ],
  ['upsert outside', (a, r) => new Writes(a, r).upsert('notes', { id: 'o1', text: 'z' }), 'FORBIDDEN'],
  [
    'upsert that takes over a record',
    (a, r) => new Writes(a, r).upsert('notes', { id: 'o1', owner: 'me' }),
    'FORBIDDEN'
  ],
  [
    'upsert with an object for a key',
    (a, r) => new Writes(a, r).upsert('notes', { id: {}, owner: 'me' }),
    'VALIDATION_ERROR'
  ],
  [
    'update inside',
    (a, r) => new Writes(a, r).update('notes', 'm1', { text: 'z' }),
    { id: 'm1', text: 'z', _version: 2 },
    ['m1 me z', ...untouched.slice(1)]
  ],
  [
    'update that leads outside',
    (a, r) => new Writes(a, r).update('notes', 'm1', { owner: 'you' }),
    'FORBIDDEN'
  ],
  ['update outside', (a, r) => new Writes(a, r).update('notes', 'o1', { text: 'z' }), 'FORBIDDEN'],
  [
    'update outside that does not fit',
    (a, r) => new Writes(a, r).update('notes', 'o1', { text: 'much too long' }),
    'FORBIDDEN'
  ],
  [
    'update that takes over a record',
    (a, r) => new Writes(a, r).update('notes', 'o1', { owner: 'me' }),
    'FORBIDDEN'
  ],
  [
    'update of a missing record',
    (a, r) => new Writes(a, r).update('notes', 'nope', { text: 'z' }),
    'NOT_FOUND'
  ],
  [
    'updateMany',
    (a, r) => new Writes(a, r).updateMany('notes', { text: 'a' }, { text: 'z' }),
    1,
    ['m1 me z', ...untouched.slice(1)]
  ],
  [
    'updateMany of everything',
    (a, r) => new Writes(a, r).updateMany('notes', {}, { text: 'z' }),
    2,
    ['m1 me z', 'o1 you a', 'm2 me z', 'o2 you b']
  ],
  [
    'updateMany that stays inside',
    (a, r) => new Writes(a, r).updateMany('notes', {}, { owner: 'me', text: 'z' }),
    2,
    ['m1 me z', 'o1 you a', 'm2 me z', 'o2 you b']
  ],
  [
    'updateMany that leads outside',
    (a, r) => new Writes(a, r).updateMany('notes', { text: 'a' }, { owner: 'you' }),
    'FORBIDDEN'
  ],
  [
    'updateMany that asks for others',
    (a, r) => new Writes(a, r).updateMany('notes', { owner: 'you' }, { owner: 'me' }),
    0
  ],
  [
    'updateMany that does not fit',
    (a, r) => new Writes(a, r).updateMany('notes', {}, { text: 'much too long' }),
    'VALIDATION_ERROR'
  ],
  ['delete inside', (a, r) => new Writes(a, r).delete('notes', 'm1'), 'done', untouched.slice(1)],
  ['delete outside', (a, r) => new Writes(a, r).delete('notes', 'o1'), 'FORBIDDEN'],
  ['delete of a missing record', (a, r) => new Writes(a, r).delete('notes', 'nope'), 'done'],
  [
    'update inside at its version',
    (a, r) => new Writes(a, r).update('notes', 'm1', { text: 'z' }, 1),
    { id: 'm1', _version: 2 },
    ['m1 me z', ...untouched.slice(1)]
  ],
  [
    'update inside at another version',
    (a, r) => new Writes(a, r).update('notes', 'm1', { text: 'z' }, 2),
    'CONFLICT'
  ],
  [
    'update outside at its version',
    (a, r) => new Writes(a, r).update('notes', 'o1', { text: 'z' }, 1),
    'FORBIDDEN'
  ],
  [
    'update outside at another version',
    (a, r) => new Writes(a, r).update('notes', 'o1', { text: 'z' }, 2),
    'FORBIDDEN'
  ],
  [
    'upsert outside at another version',
    (a, r) => new Writes(a, r).upsert('notes', { id: 'o1', text: 'z' }, 2),
    'FORBIDDEN'
  ],
  [
    'upsert inside at another version',
    (a, r) => new Writes(a, r).upsert('notes', { id: 'm1', text: 'z' }, 2),
    'CONFLICT'
  ],
  ['delete outside at another version', (a, r) => new Writes(a, r).delete('notes', 'o1', 2), 'FORBIDDEN'],
  ['delete inside at another version', (a, r) => new Writes(a, r).delete('notes', 'm1', 2), 'CONFLICT'],
  ['deleteMany', (a, r) => new Writes(a, r).deleteMany('notes', { text: 'a' }), 1, untouched.slice(1)],
  [
    'deleteMany of everything',
    (a, r) => new Writes(a, r).deleteMany('notes', {}),
    2,
    ['o1 you a', 'o2 you b']
  ],
  ['deleteMany that asks for others', (a, r) => new Writes(a, r).deleteMany('notes', { owner: 'you' }), 0],
  ['clear', (a, r) => new Writes(a, r).clear('notes'), 'FORBIDDEN'],
  [
    'a write to a bucket that is not there',
    (a, r) => new Writes(a, r).insert('nope', {}),
    'BUCKET_NOT_DEFINED'
  ],
  [
    'a delete in a bucket that is not there',
    (a, r) => new Writes(a, r).deleteMany('nope', {}),
    'BUCKET_NOT_DEFINED'
  ]
]

t.test('Writes under a row filter change no record outside of it, and make none', async t => {
  const replies: BucketDefinition = {
    key: 'id',
    schema: { id: { type: 'string' }, note: { type: 'string', ref: 'notes', onDelete: 'cascade' } }
  }
  for (const more of [{}, { replies }]) {
    for (const [title, write, result, state = untouched] of writes) {
      const opened = await withNotes(t, more)
      if (typeof result === 'string' && result !== 'done') {
        const { code, message } = await refusal(write(opened.sharedStore, within(mine)))
        t.equal(code, result, title)
        if (result === 'FORBIDDEN') t.notMatch(message, /\bme\b|[mo][12]/, 'the refusal holds no values')
      } else {
        t.match(await write(opened.sharedStore, within(mine)) ?? 'done', result, title)
      }
      t.same(await opened.state(), state, title)
    }
  }
})

t.test(
  'Filters that name fields of the store, or have several parts, hold for what a write makes',
  async t => {
    const { sharedStore, state } = await withNotes(t)
    const table: ReadonlyArray<readonly [rows: WhereFilter, code: string]> = [
      [{ _version: 1 }, 'FORBIDDEN'],
      [{ $and: [{ owner: 'me' }, { $or: [{ text: 'a' }, { text: 'b' }] }] }, 'FORBIDDEN'],
      [{ owner: 'me', text: { $neq: 'z' } }, 'FORBIDDEN'],
      [{ $or: [] }, 'none']
    ]
    for (const [rows, code] of table) {
      const update = new Writes(sharedStore, within(rows)).updateMany('notes', {}, { text: 'z' })
      t.equal((await refusal(update)).code, code, JSON.stringify(rows))
      t.same(await state(), untouched)
    }
    const either = within({ $or: [{ owner: 'me' }, { owner: 'they' }] })
    t.equal(await new Writes(sharedStore, either).updateMany('notes', {}, { text: 'z' }), 2)
  }
)

t.test('What the store fills into a new record counts', async t => {
  const { store, sharedStore } = await open(t, {
    numbered: {
      key: 'id',
      schema: { id: { type: 'number', generated: 'autoincrement' }, owner: { type: 'string', default: 'me' } }
    },
    random: {
      key: 'id',
      schema: { id: { type: 'string', generated: 'uuid' }, owner: { type: 'string', default: () => 'you' } }
    },
    brief: { key: 'id', schema: { id: { type: 'string' }, owner: { type: 'string' } }, ttl: '1h' },
    small: { key: 'id', schema: { id: { type: 'string' }, owner: { type: 'string' } }, maxSize: 1 }
  })
  t.match(await new Writes(sharedStore, within(mine)).insert('numbered', {}), { id: 1, owner: 'me' })
  t.match(await new Writes(sharedStore, within(mine)).insert('numbered', { id: 2 }), { id: 2 })
  t.match(
    await new Writes(sharedStore, within(mine)).upsert('numbered', {}),
    { id: 3 },
    'a number that is taken is passed over'
  )
  t.match(
    await new Writes(sharedStore, within(mine)).insertMany('numbered', [{}, { owner: 'me' }]),
    [{ id: 4 }, { id: 5 }]
  )
  const low = within({ id: { $lt: 6 } })
  t.equal((await refusal(new Writes(sharedStore, low).insert('numbered', {}))).code, 'FORBIDDEN')
  t.equal((await refusal(new Writes(sharedStore, within(mine)).insert('random', {}))).code, 'FORBIDDEN')
  t.match(await new Writes(sharedStore, within({ owner: 'you', _version: 1 })).insert('random', {}), {
    id: String, owner: 'you'
  })
  const before = Date.now()
  const { _expiresAt } = await new Writes(sharedStore, within(mine)).insert('brief', {
    id: 'a', owner: 'me', _expiresAt: 1e15
  })
  t.ok(_expiresAt !== undefined && _expiresAt >= before + 3_600_000 && _expiresAt <= Date.now() + 3_600_000)
  await new Writes(sharedStore, everything).insert('small', { id: 'o', owner: 'you' })
  await new Writes(sharedStore, within(mine)).insert('small', { id: 'm', owner: 'me' })
  t.same(
    ids(await store.bucket('small').all()),
    ['m'],
    'a full bucket gives up its oldest record, whoever sees it'
  )
})

t.test('A key that is taken is answered as without a row filter', async t => {
  const { sharedStore } = await open(t, {
    notes: { key: 'id', schema: { id: { type: 'string' }, owner: { type: 'string' } } },
    fixed: { key: 'id', schema: { id: { type: 'string', default: 'only' }, owner: { type: 'string' } } }
  })
  const data = { id: 'x', owner: 'me' }
  await new Writes(sharedStore, everything).insert('notes', data)
  await new Writes(sharedStore, everything).insert('fixed', { owner: 'me' })
  const table: ReadonlyArray<(rowScope: RowScope) => Promise<unknown>> = [
    rowScope => new Writes(sharedStore, rowScope).insert('notes', data),
    rowScope => new Writes(sharedStore, rowScope).insertMany('notes', [{ ...data, id: 'y' }, data]),
    rowScope =>
      new Writes(sharedStore, rowScope).insertMany('notes', [
        { ...data, id: 'y' },
        { ...data, id: 'y' }
      ]),
    rowScope => new Writes(sharedStore, rowScope).insert('fixed', { owner: 'me' })
  ]
  for (const insert of table) {
    const plain = await refusal(insert(everything))
    t.match(plain, { code: 'ALREADY_EXISTS', details: { field: 'id', value: String } })
    t.same(await refusal(insert(within(mine))), plain)
  }
})

t.test('What a deletion does to the records that refer to it is not confined', async t => {
  const { store, sharedStore } = await withNotes(t, {
    replies: {
      key: 'id',
      schema: {
        id: { type: 'string' },
        owner: { type: 'string' },
        note: { type: 'string', ref: 'notes', onDelete: 'cascade' },
        seen: { type: 'string', ref: 'notes', onDelete: 'set_null' }
      }
    }
  })
  const replies = store.bucket('replies')
  await replies.insertMany([
    { id: 'a', owner: 'you', note: 'm1' },
    { id: 'b', owner: 'you', seen: 'm2' },
    { id: 'c', owner: 'you', note: 'o1' }
  ])
  await new Writes(sharedStore, within(mine)).delete('notes', 'm1')
  t.equal(await new Writes(sharedStore, within(mine)).deleteMany('notes', {}), 1)
  t.match(await replies.all(), [{ id: 'b', seen: null }, { id: 'c', note: 'o1' }])
})

/** Lets `interfere` run in transactions after a call of `method`, as another writer would. */
function interfering (
  store: Store, method: keyof TransactionBucketHandle, interfere: () => Promise<unknown>
): void {
  const transaction = store.transaction.bind(store)
  store.transaction = async (work, options) => await transaction(async tx => await work(new Proxy(tx, {
    get: (target, name) => name !== 'open'
      ? (target[name as keyof TransactionContext] as () => unknown).bind(target)
      : (bucket: string, access?: AccessOptions) => new Proxy(target.open(bucket, access), {
          get (handle, member) {
            const value = handle[member as keyof TransactionBucketHandle] as unknown
            if (typeof value !== 'function') return value
            return async (...args: unknown[]) => {
              const result: unknown = await value.apply(handle, args)
              if (member === method || member === `${method}Soon`) await interfere()
              return result
            }
          }
        })
  })), options)
}

/** Runs one entry as a transaction, confined to the records of mine. */
const alone = (entry: TransactionEntry) => async (sharedStore: SharedStore): Promise<unknown> =>
  await runTransaction(sharedStore, [entry], within(mine))

t.test('A record that another writer takes away meanwhile is not changed', async t => {
  const table: ReadonlyArray<
    readonly [title: string, write: (sharedStore: SharedStore) => Promise<unknown>, code: string]
  > = [
    ['update', alone({ op: 'update', bucket: 'notes', key: 'm1', data: { text: 'z' } }), 'FORBIDDEN'],
    [
      'update that takes it back',
      alone({ op: 'update', bucket: 'notes', key: 'm1', data: { owner: 'me' } }),
      'FORBIDDEN'
    ],
    ['upsert', alone({ op: 'upsert', bucket: 'notes', data: { id: 'm1', text: 'z' } }), 'FORBIDDEN'],
    ['delete', alone({ op: 'delete', bucket: 'notes', key: 'm1' }), 'FORBIDDEN'],
    [
      'updateMany',
      alone({ op: 'updateMany', bucket: 'notes', filter: { text: 'a' }, data: { owner: 'me' } }),
      'none'
    ],
    ['deleteMany', alone({ op: 'deleteMany', bucket: 'notes', filter: { text: 'a' } }), 'none']
  ]
  for (const [title, write, code] of table) {
    for (const method of ['update', 'upsert', 'updateMany', 'delete', 'deleteMany'] as const) {
      const { store, sharedStore, state } = await withNotes(t, {
        replies: { key: 'id', schema: { id: { type: 'string' }, note: { type: 'string', ref: 'notes' } } }
      })
      let taken = 0
      const handle = store.bucket('notes')
      interfering(
        store,
        method,
        async () => { if (taken++ === 0) await handle.update('m1', { owner: 'you' }) }
      )
      const refused = await refusal(write(sharedStore))
      if (taken === 0) {
        t.equal(refused.code, 'none', `${title} has no ${method}`)
        continue
      }
      t.equal(refused.code, code, `${title}, after ${method}`)
      t.same(await state(), ['m1 you a', ...untouched.slice(1)])
    }
  }
})

t.test('A record that another writer puts in the place of the one that was found is not changed', async t => {
  const { store, sharedStore, state } = await withNotes(t)
  const handle = store.bucket('notes')
  let replaced = false
  interfering(store, 'update', async () => {
    if (replaced) return
    replaced = true
    await handle.delete('m1')
    // Its version is that of the record which was found.
    await handle.insert({ id: 'm1', owner: 'you', text: 'new' })
  })
  const update = alone({ op: 'update', bucket: 'notes', key: 'm1', data: { owner: 'me' } })
  t.equal((await refusal(update(sharedStore))).code, 'FORBIDDEN')
  t.same(await state(), [...untouched.slice(1), 'm1 you new'])
})

t.test(
  'A write that is not confined to some records, but expects a version, notices another writer too [G-F7]',
  async t => {
    const { store, sharedStore } = await withNotes(t)
    let done = false
    interfering(store, 'update', async () => {
      if (done) return
      done = true
      await store.bucket('notes').update('m1', { text: 'first' })
    })
    const entry: TransactionEntry = {
      op: 'update',
      bucket: 'notes',
      key: 'm1',
      data: { text: 'stale' },
      expectedVersion: 1
    }
    t.equal((await refusal(runTransaction(sharedStore, [entry], everything))).code, 'CONFLICT')
    t.match(await store.bucket('notes').get('m1'), { text: 'first', _version: 2 })
  }
)

t.test('A key that another writer takes meanwhile', async t => {
  const insert = (owner: string) => async (store: Store) => {
    await store.bucket('notes').insert({ id: 'n', owner, text: 'x' })
  }
  const table: ReadonlyArray<
    readonly [
      title: string,
      write: (sharedStore: SharedStore) => Promise<unknown>,
      owner: string,
      code: string,
      state: string
    ]
  > = [
    [
      'insert',
      alone({ op: 'insert', bucket: 'notes', data: { id: 'n', owner: 'me' } }),
      'me',
      'CONFLICT',
      'n me x'
    ],
    [
      'upsert of what is visible',
      alone({ op: 'upsert', bucket: 'notes', data: { id: 'n', owner: 'me', text: 'y' } }),
      'me',
      'none',
      'n me y'
    ],
    [
      'upsert of what is not',
      alone({ op: 'upsert', bucket: 'notes', data: { id: 'n', owner: 'me', text: 'y' } }),
      'you',
      'FORBIDDEN',
      'n you x'
    ]
  ]
  for (const [title, write, owner, code, expected] of table) {
    for (const method of ['insert', 'upsert'] as const) {
      if (!title.startsWith(method)) continue
      const { store, sharedStore, state } = await withNotes(t)
      let taken = false
      interfering(store, method, async () => {
        if (taken) return
        taken = true
        await insert(owner)(store)
      })
      t.equal((await refusal(write(sharedStore))).code, code, `${title}, after ${method}`)
      t.ok(taken)
      t.same(await state(), [...untouched, expected])
    }
  }
})

t.test('Whoever is always overtaken is told to try again', async t => {
  const { store, sharedStore } = await withNotes(t)
  let tries = 0
  interfering(
    store,
    'update',
    async () => { await store.bucket('notes').update('m1', { text: `t${++tries}` }) }
  )
  const update = alone({ op: 'update', bucket: 'notes', key: 'm1', data: { text: 'z' } })
  t.equal((await refusal(update(sharedStore))).code, 'CONFLICT')
  t.equal(tries, 10)
  t.match(await store.bucket('notes').get('m1'), { text: 't10' })
})

t.test('Writers that race never change a record that one of them does not see', async t => {
  const owner = fc.constantFrom('me', 'you')
  const key = fc.constantFrom('m1', 'm2', 'o1', 'o2', 'n1')
  type Act = (sharedStore: SharedStore, rowScope: RowScope, by: string) => Promise<unknown>
  const act: fc.Arbitrary<Act> = fc.oneof(
    fc.tuple(key, owner).map(([id, owner]): Act => (sharedStore, rowScope, text) =>
      new Writes(sharedStore, rowScope).upsert('notes', { id, owner, text })),
    fc.tuple(key, owner).map(([id, owner]): Act => (sharedStore, rowScope, text) =>
      new Writes(sharedStore, rowScope).insert('notes', { id, owner, text })),
    fc.tuple(key, fc.option(owner)).map(([id, owner]): Act => (sharedStore, rowScope, text) =>
      new Writes(sharedStore, rowScope).update('notes', id, { text, ...(owner !== null && { owner }) })),
    fc.option(owner).map((owner): Act => (sharedStore, rowScope, text) =>
      new Writes(sharedStore, rowScope).updateMany('notes', {}, { text, ...(owner !== null && { owner }) })),
    key.map((id): Act => (sharedStore, rowScope, text) => runTransaction(sharedStore, [
      { op: 'update', bucket: 'notes', key: id, data: { text } },
      { op: 'updateMany', bucket: 'notes', filter: {}, data: { text } }
    ], rowScope))
  )
  let changes = 0
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(act, fc.boolean(), fc.nat({ max: 12 })), { minLength: 2, maxLength: 12 }),
      async acts => {
        const { store, sharedStore } = await withNotes(t)
        const seen: Array<{ oldRecord?: StoreRecord, newRecord?: StoreRecord, record?: StoreRecord }> = []
        const stop = await store.on('bucket.*', event => { seen.push(event as never) })
        await Promise.all(acts.map(async ([act, confined, delay]) => {
          for (let turn = 0; turn < delay; turn++) await Promise.resolve()
          await refusal(
            act(sharedStore, confined ? within(mine) : everything, confined ? 'confined' : 'free')
          )
        }))
        await store.settle()
        await stop()
        for (const { oldRecord, newRecord, record = newRecord } of seen) {
          if (record?.['text'] !== 'confined') continue
          changes++
          if (record['owner'] !== 'me' || (oldRecord !== undefined && oldRecord['owner'] !== 'me')) {
            assert.fail(JSON.stringify([oldRecord, record]))
          }
        }
      }
    ),
    { numRuns: sampled(300) }
  )
  t.ok(changes > sampled(200), `${changes} confined changes were seen`)
})

t.test('Each entry of a transaction is confined as the operation that it stands for', async t => {
  const setting = async () => {
    const opened = await withNotes(t)
    const rows: Readonly<Record<string, WhereFilter>> = {
      'store.get': { owner: 'you' },
      'store.where': mine,
      'store.findOne': mine,
      'store.count': mine,
      'store.groupBy': mine,
      'store.insert': mine,
      'store.insertMany': mine,
      'store.upsert': mine,
      'store.update': mine,
      'store.increment': mine,
      'store.updateMany': mine,
      'store.delete': { text: 'b' },
      'store.deleteMany': mine
    }
    const rowScope: RowScope = {
      rows: operation => rows[operation],
      assertStillAllowed () {},
      work,
      maxChanges: Infinity
    }
    return {
      ...opened,
      transact: async (...entries: TransactionEntry[]) =>
        await runTransaction(opened.sharedStore, entries, rowScope)
    }
  }
  const bucket = 'notes'

  await t.test('which sees what earlier ones have made visible', async t => {
    const { transact, state } = await setting()
    t.match(
      await transact(
        { op: 'get', bucket, key: 'm1' },
        { op: 'get', bucket, key: 'o1' },
        { op: 'insert', bucket, data: { id: 'n', owner: 'me', text: 'b' } },
        { op: 'insertMany', bucket, data: [{ id: 'p', owner: 'me' }] },
        { op: 'where', bucket, filter: { text: 'b' } },
        { op: 'findOne', bucket, filter: { owner: 'you' } },
        { op: 'count', bucket },
        { op: 'count', bucket, filter: { text: 'a' } },
        { op: 'groupBy', bucket, field: 'owner', aggregate: { function: 'count' } },
        { op: 'upsert', bucket, data: { id: 'm1', text: 'c' } },
        { op: 'update', bucket, key: 'm1', data: { text: 'd' } },
        { op: 'updateMany', bucket, filter: { text: 'b' }, data: { text: 'e' } },
        { op: 'delete', bucket, key: 'o2' },
        { op: 'delete', bucket, key: 'nope' },
        { op: 'deleteMany', bucket, filter: { text: { $exists: false } } },
        { op: 'where', bucket, filter: {} }
      ),
      [
        undefined,
        { id: 'o1' },
        { id: 'n' },
        [{ id: 'p' }],
        [{ id: 'm2' }, { id: 'n' }],
        undefined,
        4,
        1,
        [{ key: { owner: 'me' }, value: 4 }],
        { text: 'c' },
        { text: 'd' },
        2,
        { deleted: true },
        { deleted: true },
        1,
        [{ id: 'm1' }, { id: 'm2' }, { id: 'n' }]
      ]
    )
    t.same(await state(), ['m1 me d', 'o1 you a', 'm2 me e', 'n me e'])
  })

  await t.test('and one outside undoes all', async t => {
    const first: TransactionEntry = { op: 'update', bucket, key: 'm1', data: { text: 'z' } }
    const table: readonly TransactionEntry[] = [
      { op: 'insert', bucket, data: { id: 'n', owner: 'you' } },
      { op: 'insertMany', bucket, data: [{ id: 'n', owner: 'me' }, { id: 'p' }] },
      { op: 'upsert', bucket, data: { id: 'n' } },
      { op: 'upsert', bucket, data: { id: 'o1', owner: 'me' } },
      { op: 'update', bucket, key: 'o1', data: {} },
      { op: 'update', bucket, key: 'o1', data: {}, expectedVersion: 7 },
      { op: 'increment', bucket, key: 'o1', field: 'n', by: 1 },
      { op: 'increment', bucket, key: 'o1', field: 'text', by: 1, expectedVersion: 7 },
      { op: 'update', bucket, key: 'm1', data: { owner: 'you' } },
      { op: 'updateMany', bucket, filter: { text: 'b' }, data: { owner: null } },
      { op: 'delete', bucket, key: 'o1' },
      { op: 'delete', bucket, key: 'o1', expectedVersion: 7 }
    ]
    for (const entry of table) {
      const { transact, state } = await setting()
      for (const entries of [[first, entry], [entry, first]]) {
        t.match(
          await refusal(transact(...entries)),
          { code: 'FORBIDDEN', details: undefined },
          JSON.stringify(entry)
        )
        t.same(await state(), untouched)
      }
    }
    const { transact } = await setting()
    t.match(await refusal(transact({ op: 'insert', bucket, data: { id: 'o1', owner: 'me' } })), {
      code: 'CONFLICT',
      details: { bucket, key: 'o1' }
    })
  })
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
        await bucket.get('m1'), await bucket.get('o1'), await bucket.all(), await bucket.where({ text: 'a' }), await bucket.findOne({ owner: 'you' }),
        await bucket.count(), await bucket.first(1), await bucket.last(1), page, await bucket.paginate({ limit: 5, after: page.nextCursor }),
        await bucket.sum('_version'), await bucket.avg('_version'), await bucket.min('_version'), await bucket.max('_version', { owner: 'you' }),
        await bucket.groupBy('owner', { function: 'count' })
      ]
    })
    t.match(await sharedStore.runQuery('every read', undefined, confined), [
      { id: 'm1' }, undefined, [{ id: 'm1' }, { id: 'm2' }], [{ id: 'm1' }], undefined,
      2, [{ id: 'm1' }], [{ id: 'm2' }], { records: [{ id: 'm1' }], hasMore: true, nextCursor: 'm1' }, { records: [{ id: 'm2' }], hasMore: false, nextCursor: 'm2' },
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

t.test('A right that is lost while a write waits', async t => {
  const plain: BucketDefinition = {
    key: 'id',
    schema: { id: { type: 'string' }, owner: { type: 'string' }, text: { type: 'string' } }
  }
  const referred: Readonly<Record<string, BucketDefinition>> = {
    replies: {
      key: 'id',
      schema: { id: { type: 'string' }, note: { type: 'string', ref: 'notes', onDelete: 'cascade' } }
    }
  }
  const numbered: BucketDefinition = {
    key: 'id',
    schema: { id: { type: 'number', generated: 'autoincrement' }, owner: { type: 'string' } }
  }
  const small: BucketDefinition = { ...plain, maxSize: 4 }
  const random: BucketDefinition = {
    ...plain,
    schema: { ...plain.schema, id: { type: 'string', generated: 'uuid' } }
  }
  type Case = readonly [
    title: string,
    write: (sharedStore: SharedStore, rowScope: RowScope) => Promise<unknown>,
    definition?: BucketDefinition,
    more?: Readonly<Record<string, BucketDefinition>>
  ]
  const table: readonly Case[] = [
    ['insert', (a, r) => new Writes(a, r).insert('notes', { id: 'n', owner: 'me' })],
    [
      'insert with a random key and a reference that was added later',
      (a, r) => new Writes(a, r).insert('notes', { owner: 'me' }),
      random
    ],
    ['insertMany', (a, r) => new Writes(a, r).insertMany('notes', [{ id: 'n', owner: 'me' }])],
    ['upsert', (a, r) => new Writes(a, r).upsert('notes', { id: 'm1', text: 'z' })],
    ['upsert of a new record', (a, r) => new Writes(a, r).upsert('notes', { id: 'n', owner: 'me' })],
    [
      'upsert into a full bucket',
      (a, r) => new Writes(a, r).upsert('notes', { id: 'n', owner: 'me' }),
      small
    ],
    ['update', (a, r) => new Writes(a, r).update('notes', 'm1', { text: 'z' })],
    ['updateMany', (a, r) => new Writes(a, r).updateMany('notes', {}, { text: 'z' })],
    [
      'updateMany of the filter\'s field',
      (a, r) => new Writes(a, r).updateMany('notes', {}, { owner: 'me' })
    ],
    ['delete', (a, r) => new Writes(a, r).delete('notes', 'm1')],
    ['delete of what others refer to', (a, r) => new Writes(a, r).delete('notes', 'm1'), plain, referred],
    ['deleteMany', (a, r) => new Writes(a, r).deleteMany('notes', {})],
    [
      'deleteMany of what others refer to',
      (a, r) => new Writes(a, r).deleteMany('notes', {}),
      plain,
      referred
    ],
    ['clear', (a, r) => new Writes(a, r).clear('notes')],
    ['clear of what others refer to', (a, r) => new Writes(a, r).clear('notes'), plain, referred],
    [
      'transaction',
      (a, r) => runTransaction(a, [
        { op: 'insert', bucket: 'notes', data: { id: 'n', owner: 'me' } },
        { op: 'update', bucket: 'notes', key: 'm1', data: { text: 'z' } }
      ], r)
    ],
    [
      'a number in the place of one that is taken',
      (a, r) => new Writes(a, r).insert('numbers', { owner: 'me' })
    ],
    ['defineBucket', (a, r) => defineBucket(a, 'new', { key: 'id', schema: { id: { type: 'string' } } }, r)],
    [
      'updateBucket',
      (a, r) => updateBucket(a, 'notes', { addFields: { late: { type: 'string', unique: true } } }, r)
    ],
    ['dropBucket', (a, r) => dropBucket(a, 'notes', r)]
  ]
  for (const [title, write, definition = plain, more = {}] of table) {
    for (const rows of [undefined, mine]) {
      // Stops at the first call, then at the second, until there are none left.
      for (let allowed = 0, stopped = true; stopped; allowed++) {
        const { store, sharedStore } = await withNotes(t, { ...more, numbers: numbered }, definition)
        await store.bucket('numbers').insert({ id: 2 })
        await updateBucket(
          sharedStore,
          'notes',
          { addFields: { parent: { type: 'string', ref: 'notes' } } },
          everything
        )
        const state = async () => [
          await store.getStats(),
          store.hasBucket('notes') && store.getBucketSchema('notes'),
          store.hasBucket('notes') && (await store.bucket('notes').all())
        ]
        const before = await state()
        let calls = 0
        const assertStillAllowed = (): void => { if (calls++ === allowed) throw new Error('lost') }
        const refused = await refusal(
          write(sharedStore, { rows: () => rows, assertStillAllowed, work, maxChanges: Infinity })
        )
        stopped = calls > allowed
        if (allowed === 0 && !(rows !== undefined && title.startsWith('clear'))) {
          t.ok(stopped, `${title} asks`)
        }
        if (stopped) {
          t.match(refused, { code: undefined, message: 'Error: lost' }, title)
          t.same(await state(), before, `${title} has written nothing`)
        }
      }
    }
  }
})

t.test('referencedBuckets', async t => {
  t.test('names what a definition or an update refers to, once each [G-C18]', async t => {
    t.same(
      referencedBuckets(
        {
          key: 'id',
          schema: { id: {}, a: { ref: '_users' }, b: { ref: 'x', onDelete: 'cascade' }, c: { ref: '_users' } }
        },
        'schema'
      ),
      ['_users', 'x']
    )
    t.same(
      referencedBuckets({ addFields: { a: { ref: '_users' } }, schema: { b: { ref: 'no' } } }, 'addFields'),
      ['_users']
    )
    t.same(referencedBuckets(JSON.parse('{"schema":{"__proto__":{"ref":"_users"}}}'), 'schema'), ['_users'])
  })

  t.test('takes whatever comes', async t => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.jsonValue(),
          fc.jsonValue().map(schema => ({ schema, addFields: schema })),
          fc.dictionary(fc.string(), fc.jsonValue()).map(schema => ({ schema }))
        ),
        config => {
          for (const member of ['schema', 'addFields'] as const) {
            assert.ok(referencedBuckets(config, member).every(name => typeof name === 'string'))
          }
        }
      )
    )
    t.same(referencedBuckets(undefined, 'schema'), [])
  })
})
