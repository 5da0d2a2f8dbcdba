import fc from 'fast-check'
import { test } from 'tap'
import {
  FilterError, matchesFilter, type StoreRecord, type WhereFilter
} from '../src/index.js'
import { definition, filters, records } from './support/filters.js'
import { rejection, startStore, users } from './support/store.js'

const record = (fields: Record<string, unknown>): StoreRecord =>
  ({ _version: 1, _createdAt: 0, _updatedAt: 0, ...fields })

test('a filter', async t => {
  t.test('compares as JavaScript does', async t => {
    const r = record({ n: 5, s: 'Abc', z: null, nan: NaN, o: { k: 1 } })
    const cases: Array<readonly [WhereFilter, boolean]> = [
      [{}, true], [{ n: 5 }, true], [{ n: '5' }, false], [{ z: null }, true], [{ z: undefined }, false], [
        { missing: undefined }, true
      ],
      [{ missing: null }, false], [{ nan: NaN }, false], [{ nan: { $in: [NaN] } }, true], [
        { n: { $gt: 4, $lt: 6 } }, true
      ],
      [{ n: { $gt: '4' } }, true], [{ z: { $gte: 0 } }, false], [
        { n: { $eq: undefined } }, true
      ], [{ n: { $unknown: 1 } }, true],
      [{ n: { $neq: 5 } }, false], [{ n: { $in: [1, 5] } }, true], [{ n: { $nin: [1, 5] } }, false], [
        { s: { $contains: 'BC' } }, true
      ],
      [
        { s: { $startsWith: 'A' } }, true
      ], [{ s: { $endsWith: 'C' } }, false], [{ n: { $contains: '5' } }, false],
      [{ z: { $exists: false } }, true], [
        { missing: { $exists: true } }, false
      ], [{ n: { $between: [5, 5] } }, true],
      [{ $or: [] }, false], [{ $and: [] }, true], [{ $or: [{ n: 1 }, { s: 'Abc' }] }, true], [
        { $and: [{ n: 5 }, { $or: [{ n: 6 }] }] }, false
      ],
      [{ n: {} }, false], [{ toString: undefined }, true], [{ constructor: Object }, false]
    ]
    for (const [filter, isMatch] of cases) t.equal(matchesFilter(r, filter), isMatch, JSON.stringify(filter))
  })

  t.test('does not stumble over an object that no text or number can be made of', async t => {
    const store = await startStore(t)
    await store.defineBucket('users', users)
    const bucket = store.bucket('users')
    const odd = { valueOf: 1, toString: 1 }
    await bucket.insertMany([{ id: 'a', m: odd }, { id: 'b', m: 5 }, { id: 'c', m: [7] }])
    const found = async (filter: WhereFilter): Promise<unknown> =>
      (await bucket.where(filter)).map(({ id }) => id)
    t.same(await found({ m: { $gt: 4 } }), ['b', 'c'])
    t.same(await found({ m: { $lte: 9 } }), ['b', 'c'])
    t.same(await found({ m: { $between: [6, 8] } }), ['c'])
    t.same((await bucket.find({ sort: { m: 'desc' } })).map(({ id }) => id), ['b', 'a', 'c'])
    t.equal((await bucket.groupBy('m', { function: 'count' })).length, 3)
    for (const bound of [odd, Symbol('s'), Object.create(null)]) {
      await t.rejects(bucket.where({ m: { $gt: bound as number } }), FilterError)
      await t.rejects(bucket.where({ m: { $between: [bound as number, 5] } }), FilterError)
    }
  })

  t.test('follows dotted paths through own members only', async t => {
    const r = record({ meta: { k: 1, list: [{ x: 2 }] }, 'a.b': 3, a: { b: 4 }, text: 'abc' })
    for (const [filter, isMatch] of [
      [{ 'meta.k': 1 }, true], [{ 'meta.list.0.x': 2 }, true], [
        { 'meta.k': { $gt: 1 } }, false
      ], [{ 'a.b': 3 }, true], [{ 'a.b': 4 }, false],
      [{ 'text.length': 3 }, false], [
        { 'meta.constructor.name': 'Object' }, false
      ], [{ 'meta.x.y': undefined }, true]
    ] as const) t.equal(matchesFilter(r, filter), isMatch, JSON.stringify(filter))
  })

  t.test('finds one point in time in each of its forms', async t => {
    const store = await startStore(t)
    for (const indexes of [[], ['born']]) {
      const name = `users${indexes.length}`
      await store.defineBucket(name, { ...users, indexes })
      const bucket = store.bucket(name)
      await bucket.insertMany(
        [
          { id: 'date', born: new Date(1_000) }, { id: 'ms', born: 1_000 },
          { id: 'iso', born: '1970-01-01T00:00:01Z' }, { id: 'other', born: 2_000 }
        ]
      )
      for (const born of [new Date(1_000), 1_000, '1970-01-01T00:00:01.000Z', '1970-01-01T01:00:01+01:00']) {
        t.equal(await bucket.count({ born }), 3)
        t.equal((await bucket.where({ born: { $lte: born as string } })).length, 3)
        t.equal((await bucket.where({ born: { $in: [born] } })).length, 3)
      }
      t.equal((await bucket.groupBy('born', { function: 'count' })).length, 2)
    }
  })

  t.test('that cannot be evaluated, or can match nothing, is refused by name', async t => {
    for (const filter of [
      {
        n: { $between: [10, 2] }
      }, { n: { $between: [1] } }, { n: { $in: 5 } }, { n: { $nin: {} } }, { n: { $contains: 5 } },
      { $or: {} }, { $and: 5 }, null, [], 'x'
    ]) {
      t.throws(
        () => matchesFilter(record({ n: 1 }), filter as WhereFilter), FilterError, JSON.stringify(filter)
      )
    }
    let deep: WhereFilter = { n: 1 }
    for (let i = 0; i < 5_000; i++) deep = { $and: [deep] }
    t.throws(() => matchesFilter(record({}), deep), FilterError)
  })

  t.test('of an index has the answer that it has without one, for null and absent values too', async t => {
    const store = await startStore(t)
    await store.defineBucket('users', users)
    const bucket = store.bucket('users')
    await bucket.insertMany([{ id: 'a', age: null }, { id: 'b' }, { id: 'c', age: 1 }])
    t.same((await bucket.where({ age: null })).map(({ id }) => id), ['a'])
    t.same((await bucket.where({ age: undefined })).map(({ id }) => id), ['b'])
    t.same((await bucket.where({ age: { $exists: false } })).map(({ id }) => id), ['a', 'b'])
    t.equal(await bucket.count({ age: null }), 1)
    t.match(await bucket.findOne({ email: undefined }), { id: 'a' })
    t.equal(await bucket.updateMany({ age: null }, { name: 'x' }), 1)
    t.equal(await bucket.deleteMany({ age: null }), 1)
  })

  t.test('can be tried for fields that no record has or had', async t => {
    const store = await startStore(t)
    await store.defineBucket('users', users)
    const bucket = store.bucket('users')
    t.equal(store.fieldsOf('none'), undefined)
    t.same(store.fieldsOf('users')?.list(), [])
    const knows = (...names: string[]): boolean[] =>
      names.map(name => store.fieldsOf('users')?.has(name) === true)
    await rejection(bucket.insert({ id: 'a', age: 'text', refused: 1 }))
    t.same(knows('refused', 'age'), [false, false], 'what was not committed is no record')
    await bucket.insert({ id: 'a', nmae: 1 })
    await bucket.update('a', { other: 1 })
    await rejection(bucket.update('a', { age: 'text', later: 1 }))
    await bucket.delete('a')
    t.same(knows('id', 'nmae', 'other', 'role', '_version', 'later', 'email'),
      [true, true, true, true, true, false, false])
    await store.updateBucket('users', { ttl: '1h' })
    t.same(knows('other', 'later'), [true, false])
    await bucket.insertMany(Array.from({ length: 1_000 }, (_, i) => ({ id: `${i}`, [`f${i}`]: 1 })))
    t.same(knows('anything'), [true])
    t.match(store.fieldsOf('users'), { isFull: true })
    await store.updateBucket('users', { ttl: '2h' })
    t.same(knows('anything'), [true], 'also when it is defined anew')
  })

  t.test('and a name of any length takes no memory', async t => {
    const store = await startStore(t)
    await store.defineBucket('users', users)
    await store.bucket('users').insert({ id: 'a', ['x'.repeat(257)]: 1 })
    t.match(store.fieldsOf('users'), { isFull: true })
    t.same(store.fieldsOf('users')?.list(), [])
  })
})

test('the planner never changes an answer', async t => {
  /** The same records in a bucket with all indexes and in one with none, changed in the same way. */
  const compare = async (padding: number, numRuns: number): Promise<void> => {
    const tried = fc.array(filters, { minLength: 1, maxLength: 8 })
    await fc.assert(fc.asyncProperty(records, tried, async (rows, wanted) => {
      const store = await startStore(t)
      await store.defineBucket('indexed', { ...definition, indexes: ['n', 's', 'd', 'x', 'o.k'] })
      const { u, ...schema } = definition.schema
      await store.defineBucket('plain', { ...definition, schema })
      // The key of the plain bucket has no index either: it is asked for by another name.
      const plain = store.bucket('plain')
      const indexed = store.bucket('indexed')
      const pad = Array.from(
        { length: padding }, (_, i) => ({ id: `p${i}`, n: 100 + i, s: 'zzz', d: 100, x: 9 })
      )
      const input = [...rows.map((row, i) => ({ ...row, id: `${i}`, u: `u${i}` })), ...pad]
      for (const bucket of [plain, indexed]) {
        await bucket.insertMany(input)
        for (let i = 0; i < rows.length; i += 3) {
          await bucket.update(
          `${i}`, { ...rows[(i + 1) % rows.length] }
          )
        }
        for (let i = 0; i < rows.length; i += 5) await bucket.delete(`${i}`)
        await bucket.insert({ id: '0', n: 3, s: 'ab' })
      }
      if (padding > 0) {
        // Lets the ordered indexes be built.
        for (const field of ['n', 's', 'd']) {
          await indexed.where(
            { [field]: { $gt: field === 's' ? 'a' : 3 } }
          )
        }
        await store.settle()
        await indexed.update('0', { n: 4, d: 2 })
        await plain.update('0', { n: 4, d: 2 })
      }
      for (const filter of wanted) {
        const expected = (await plain.where({ $and: [filter, { $or: [{}] }] })).map(({ id }) => id)
        const all = (await plain.all()).filter(row => compareByHand(row, filter)).map(({ id }) => id)
        t.same(expected, all)
        t.same((await indexed.where(filter)).map(({ id }) => id), expected)
        t.same(await indexed.count(filter), expected.length)
        t.same((await indexed.findOne(filter))?.['id'], expected[0])
      }
      await store.stop()
    }), { numRuns })
  }

  t.test('in a small bucket', async () => {
    await compare(0, 300)
  })

  t.test('with ordered indexes', async () => {
    await compare(1_100, 60)
  })
})

/** Tries a filter without schema; dates are made milliseconds in both before. */
function compareByHand (row: StoreRecord, filter: WhereFilter): boolean {
  return matchesFilter({ ...row, d: milliseconds(row['d']) }, convert(filter))
}

function convert (filter: WhereFilter): WhereFilter {
  return Object.fromEntries(Object.entries(filter).map(([name, value]): [string, unknown] => {
    if (name === '$or' || name === '$and') return [name, (value as WhereFilter[]).map(convert)]
    if (name !== 'd') return [name, value]
    if (typeof value !== 'object' || value === null || value instanceof Date) {
      return [name, milliseconds(value)]
    }
    return [name, Object.fromEntries(Object.entries(value).map(([operator, operand]): [string, unknown] =>
      [
        operator,
        operator === '$startsWith'
          ? operand
          : Array.isArray(operand) ? operand.map(milliseconds) : milliseconds(operand)
      ]))]
  }))
}

function milliseconds (value: unknown): unknown {
  if (value instanceof Date) return value.getTime()
  return typeof value === 'string' && value.startsWith('1970') ? Date.parse(value) : value
}
