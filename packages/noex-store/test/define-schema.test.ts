import { test } from 'tap'
import { DefinitionError, MemoryAdapter, Store, defineSchema, type StorageAdapter } from '../src/index.js'
import { rejection, startStore } from './support/store.js'

const id = { type: 'string', generated: 'uuid' } as const

test('defineSchema', async t => {
  t.test('returns what it is given, copied and frozen', async t => {
    const states = ['new', 'packed'] as const
    const given = {
      orders: { key: 'id', schema: { id, state: { type: 'string', enum: states, default: 'new' } } }
    } as const
    const schema = defineSchema(given)
    t.same(schema, given)
    t.ok(Object.isFrozen(schema) && Object.isFrozen(schema.orders.schema.state.enum))
    t.notOk(Object.isFrozen(states), 'what is given stays as it is')
  })

  t.test('checks definitions as defineBucket does', async t => {
    const bad = (definition: object): (() => unknown) => () => defineSchema({ a: definition } as never)
    t.throws(bad({ key: 'no', schema: { id } }), new DefinitionError(
      'Key field "no" does not exist in schema for bucket "a"'))
    t.throws(bad({ key: 'id', schema: { id }, indexes: ['no'] }), new DefinitionError(
      'Index field "no" does not exist in schema for bucket "a"'))
    t.throws(bad({ key: 'id', schema: { id: { type: 'text' } } }), { name: 'DefinitionError' })
    for (const schema of [undefined, null, [], 'a', 1]) {
      t.throws(() => defineSchema(schema as never), new DefinitionError(
        'A schema must be an object of bucket definitions by name'))
    }
  })

  t.test('refuses an option that does not exist, wherever it stands', async t => {
    const bad = (definition: object): (() => unknown) => () => defineSchema({ a: definition } as never)
    const field = (options: object): object =>
      ({ key: 'id', schema: { id, f: { type: 'string', ...options } } })
    t.throws(
      bad({ key: 'id', schema: { id }, maxsize: 5 }),
      { message: /Bucket "a" has no option "maxsize".* maxSize/ }
    )
    t.throws(
      bad(field({ requird: true })), { message: /Field "f" of bucket "a" has no option "requird".* required/ }
    )
    t.throws(bad(field({ onDelet: 'cascade' })), { message: /no option "onDelet"/ })
    const items = { type: 'string', minlength: 1 }
    t.throws(bad(field({ type: 'array', items })), { message: /Field "f\[\]" .*"minlength"/ })
    const properties = { g: { type: 'string', uniqe: true } }
    t.throws(bad(field({ type: 'object', properties })), { message: /Field "f\.g" .*"uniqe"/ })
    const schema = { b: { key: 'id', schema: { id } }, a: { key: 'id', schema: { id }, maxsize: 5 } }
    const store = await startStore(t)
    t.match(await rejection(store.defineBuckets(schema as never)), { message: /no option "maxsize"/ })
    t.notOk(store.hasBucket('b'), 'none is defined')
  })

  t.test('refuses a reference that leads nowhere, or to a key of another type', async t => {
    const withField = (field: object): (() => unknown) => () => defineSchema({
      customers: { key: 'id', schema: { id } },
      orders: { key: 'id', schema: { id, by: field } }
    } as never)
    t.throws(withField({ type: 'string', ref: 'custmers' }), new DefinitionError(
      'Field "by" of bucket "orders" ' +
      'refers to "custmers", which is no bucket of the schema: customers, orders'))
    t.throws(withField({ type: 'string', ref: 'toString' }), { name: 'DefinitionError' })
    t.throws(withField({ type: 'number', ref: 'customers' }), new DefinitionError(
      'Field "by" of bucket "orders" has type "number"; the key of "customers" has type "string"'))
    t.doesNotThrow(withField({ type: 'string', ref: 'customers' }))
  })
})

test('a store of a schema', async t => {
  const schema = defineSchema({
    customers: { key: 'id', schema: { id, name: { type: 'string', required: true } } },
    orders: {
      key: 'id',
      schema: {
        id,
        by: { type: 'string', required: true, ref: 'customers' },
        total: { type: 'number', required: true },
        address: { type: 'object', properties: { city: { type: 'string' } } }
      }
    }
  })

  t.test('begins with its buckets, and works as any other', async t => {
    const store = await Store.start({ schema })
    t.teardown(() => store.stop())
    t.same((await store.getStats()).buckets.names, ['customers', 'orders'])
    const { id: by } = await store.bucket('customers').insert({ name: 'Ada' })
    const totals: number[] = []
    await store.on('bucket.orders.inserted', ({ record }) => { totals.push(record.total) })
    const large = store.defineQuery('large', async (ctx, { above }: { above: number }) =>
      await ctx.bucket('orders').where({ total: { $gt: above }, 'address.city': 'Brno' }))
    await store.transaction(async tx => {
      const orders = await tx.bucket('orders')
      await orders.insertMany([1, 5].map(total => ({ by, total, address: { city: 'Brno' } })))
    })
    t.same(totals, [1, 5])
    t.equal(large, 'large')
    t.match(await store.runQuery(large, { above: 3 }), [{ total: 5 }])
    t.match(await store.runQuery('large', { above: 0 }), [{ total: 1 }, { total: 5 }])
    const counts = store.defineDeclarativeQuery('counts', {
      bucket: 'orders', aggregate: { function: 'count', groupBy: 'by' }
    })
    t.same(await store.runQuery(counts), [{ key: { by }, value: 2 }])
  })

  t.test('may get its buckets later', async t => {
    const store = await startStore(t)
    await store.defineBucket('other', { key: 'id', schema: { id } })
    const typed = await store.defineBuckets(schema)
    t.equal(typed, store)
    t.match(await typed.bucket('customers').insert({ name: 'Ada' }), { name: 'Ada', _version: 1 })
    const error = await rejection(store.defineBuckets(schema))
    t.match(error, { name: 'BucketAlreadyExistsError', bucket: 'customers' })
  })

  t.test('does not start, and leaves what is saved, when a bucket cannot be read', async t => {
    const memory = new MemoryAdapter()
    const first = await Store.start({ name: 'shop', schema, persistence: { adapter: memory } })
    await first.bucket('customers').insert({ name: 'Ada' })
    await first.stop()
    const saves: string[] = []
    let isBroken = true
    const adapter: StorageAdapter = {
      save: async (key, state) => {
        saves.push(String(key))
        await memory.save(key, state)
      },
      load: async key => {
        if (isBroken && String(key).includes('orders')) throw new Error('no such disk')
        return await memory.load(key)
      },
      delete: async key => await memory.delete(key),
      exists: async key => await memory.exists(key),
      listKeys: async prefix => await memory.listKeys(prefix)
    }
    const error = await rejection(Store.start({ name: 'shop', schema, persistence: { adapter } }))
    t.match(error, { message: 'no such disk' })
    t.notOk(saves.some(key => key.includes('orders')), 'nothing takes the place of what could not be read')
    isBroken = false
    const again = await Store.start({ name: 'shop', schema, persistence: { adapter } })
    t.match(await again.bucket('customers').findOne({ name: 'Ada' }), { name: 'Ada' })
    await again.stop()
  })
})
