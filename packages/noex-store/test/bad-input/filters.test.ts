import { test, type Test } from 'tap'
import { FilterError, type Store, type WhereFilter } from '../../src/index.js'
import { rejection, startStore } from '../support/store.js'

async function numbers (t: Test): Promise<Store> {
  const store = await startStore(t)
  await store.defineBucket('a', {
    key: 'id',
    schema: { id: { type: 'string' }, n: { type: 'number' }, o: { type: 'object' } },
    indexes: ['n']
  })
  const records = Array.from({ length: 100 }, (_, i) => ({ id: `k${i}`, n: i, o: { x: i } }))
  await store.bucket('a').insertMany(records)
  return store
}

test('a filter from a hostile client', async t => {
  const store = await numbers(t)
  const bucket = store.bucket('a')

  t.test('nested deeper than allowed, or in itself, is refused', async t => {
    let deep: WhereFilter = { n: 1 }
    for (let i = 0; i < 10_000; i++) deep = i % 2 === 0 ? { $or: [deep] } : { $and: [deep] }
    t.match(await rejection(bucket.where(deep)), { name: 'FilterError', message: /100 levels/ })
    const circle: { $and: WhereFilter[] } = { $and: [] }
    circle.$and.push(circle)
    t.match(await rejection(bucket.where(circle)), { name: 'FilterError' })
  })

  t.test('of more parts than can be looked at is refused in time', async t => {
    let doubled: WhereFilter = { n: 1 }
    for (let i = 0; i < 60; i++) doubled = { $and: [doubled, doubled] }
    t.match(await rejection(bucket.where(doubled)), { name: 'FilterError', message: /parts/ })
    const flat = { $and: [{ $and: Array.from({ length: 200_000 }, () => ({ n: 1 })) }] }
    t.match(await rejection(bucket.where(flat)), { name: 'FilterError', message: /parts/ })
    const wide = { $or: Array.from({ length: 5_000 }, (_, i) => ({ n: i })) }
    t.equal((await bucket.where(wide)).length, 100)
  })

  t.test('with a list of a million values is answered', async t => {
    const $in = Array.from({ length: 1_000_000 }, (_, i) => i * 2)
    t.equal(await bucket.count({ n: { $in } }), 50)
    t.equal(await bucket.count({ 'o.x': { $in } }), 50)
    t.equal(await bucket.count({ n: { $nin: $in } }), 50)
  })

  t.test('with names that every object has finds what records have themselves', async t => {
    const names = [
      '__proto__', 'constructor', 'toString', '__proto__.polluted', 'o.__proto__', 'o.constructor.name', ''
    ]
    for (const name of names) {
      const filter = JSON.parse(JSON.stringify({ x: 1 }).replace('x', name)) as WhereFilter
      t.equal(await bucket.count(filter), 0, name)
      t.equal(await bucket.count({ [name]: { $exists: false } } as WhereFilter), 100, name)
    }
    await bucket.insert(JSON.parse('{"id":"own","__proto__":7}'))
    t.equal(await bucket.count(JSON.parse('{"__proto__":7}')), 1)
    await bucket.delete('own')
    t.equal(({} as Record<string, unknown>)['polluted'], undefined)
  })

  t.test('with operands of other types is refused, or finds nothing', async t => {
    const refused: unknown[] = [
      { $in: 5 }, { $in: 'abc' }, { $in: { length: 1 } }, { $nin: null }, { $between: [1] },
      { $between: [2, 1] },
      { $between: 'ab' }, { $contains: 1 }, { $startsWith: {} }, { $endsWith: [] }, { $gt: Symbol('x') }
    ]
    for (const condition of refused) {
      t.ok(await rejection(bucket.where({ n: condition })) instanceof FilterError)
      t.ok(await rejection(bucket.deleteMany({ n: condition })) instanceof FilterError)
    }
    const empty: unknown[] = [
      { $gt: {} }, { $lt: [] }, { $gte: NaN }, { $gt: () => 1 }, { $eq: Symbol('x') }, { $in: [NaN, {}, []] },
      { $exists: 'yes' }, {}, []
    ]
    for (const condition of empty) t.equal(await bucket.count({ n: condition }), 0)
    const none = [null, 5, 'n', [], [{ n: 1 }], { $or: {} }, { $and: 'x' }, { $or: [null] }, { $and: [[]] }]
    for (const filter of none) {
      t.ok(await rejection(bucket.where(filter as never)) instanceof FilterError, JSON.stringify(filter))
    }
    t.equal(await bucket.count({ n: 10n as never }), 0)
    t.equal(await bucket.count({ n: { $gte: 98n as never } }), 2)
  })

  t.test('with getters and proxies is read once, and what they throw is the answer', async t => {
    let reads = 0
    t.equal(await bucket.count({ get n () { return ++reads } }), 1)
    t.equal(reads, 1)
    const thrower = { get n (): unknown { throw new Error('mine') } }
    t.match(await rejection(bucket.where(thrower)), { message: 'mine' })
    t.match(await rejection(bucket.updateMany(thrower, { n: 1 })), { message: 'mine' })
    const proxy = new Proxy({ n: 1 }, { ownKeys () { throw new Error('keys') } })
    t.match(await rejection(bucket.where(proxy)), { message: 'keys' })
    const operand = { valueOf () { throw new Error('value') } }
    // Not its own error: JavaScript cannot compare it with anything.
    t.match(await rejection(bucket.where({ n: { $gt: operand } } as never)), {
      name: 'FilterError', message: '$gt of "n" must be a number or a text'
    })
    let writes = 0
    const writer = {
      get n () {
        bucket.insert({ id: `by getter ${writes++}` }).catch(() => {})
        return 1
      }
    }
    t.equal(await bucket.updateMany(writer, { n: 1 }), 1)
    await bucket.deleteMany({ id: { $startsWith: 'by getter' } })
  })

  t.equal(await bucket.count(), 100)
})

test('a filter may be changed by its owner as soon as the call has returned', async t => {
  const store = await numbers(t)
  const $in = [1, 2]
  const filter = { n: { $in }, id: 'k1' }
  const found = store.bucket('a').where(filter)
  $in.length = 0
  filter.id = 'k2'
  t.match(await found, [{ id: 'k1' }])
})
