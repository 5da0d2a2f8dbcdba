import { setImmediate as turn } from 'node:timers/promises'
import { test } from 'tap'
import { BucketNotDefinedError, DefinitionError, type BucketDefinition } from '../../src/index.js'
import { rejection, startStore } from '../support/store.js'

const plain: BucketDefinition = { key: 'id', schema: { id: { type: 'string' }, n: { type: 'number' } } }

test('names', async t => {
  t.test('of buckets and fields may have any characters', async t => {
    const store = await startStore(t)
    const names = [
      '__proto__', 'constructor', 'toString', 'a.b', '*', ' ', '\0', '🦆', '\ud800', '\udc00',
      'x'.repeat(1_000)
    ]
    const heard: string[] = []
    await store.on('bucket.*', ({ bucket }) => { heard.push(bucket) })
    for (const name of names) {
      const text = JSON.stringify(name)
      const schema = JSON.parse(`{"id":{"type":"string"},${text}:{"type":"number","unique":true}}`)
      await store.defineBucket(name, { key: 'id', schema, indexes: [name] })
      const input = JSON.parse(`{"id":"x",${text}:7}`) as Record<string, unknown>
      await store.bucket(name).insert(input)
      t.equal(await store.bucket(name).count({ id: 'x' }), 1)
      t.equal(await store.bucket(name).count(JSON.parse(`{${text}:7}`)), 1, text)
      await t.rejects(store.bucket(name).insert({ ...input, id: 'y' }), { name: 'UniqueConstraintError' })
      t.equal(await store.dropBucket(name), true)
    }
    t.same(heard, names)
  })

  t.test('of buckets that are none are refused', async t => {
    const store = await startStore(t)
    for (const name of ['', 'x'.repeat(1 << 20), null, undefined, 5, {}, Symbol('x'), ['a']]) {
      t.ok(await rejection(store.defineBucket(name as never, plain)) instanceof DefinitionError)
      t.equal(store.hasBucket(name as never), false)
      t.equal(await store.dropBucket(name as never), false)
    }
    t.throws(() => store.bucket('x'.repeat(1 << 20)), BucketNotDefinedError)
  })

  t.test('of the store\'s own members are refused as key', async t => {
    const store = await startStore(t)
    for (const key of ['_version', '_createdAt', '_updatedAt', '_expiresAt']) {
      const failure = await rejection(store.defineBucket('a', { key, schema: { [key]: { type: 'number' } } }))
      t.ok(failure instanceof DefinitionError, key)
    }
  })
})

test('a bucket that is dropped and defined again', async t => {
  t.test('is open to handles of before, and empty', async t => {
    const store = await startStore(t)
    await store.defineBucket('a', plain)
    const handle = store.bucket('a')
    await handle.insert({ id: 'x' })
    await store.dropBucket('a')
    t.ok(await rejection(handle.get('x')) instanceof BucketNotDefinedError)
    t.ok(await rejection(handle.insert({ id: 'x' })) instanceof BucketNotDefinedError)
    await store.defineBucket('a', { ...plain, key: 'n' })
    t.equal(await handle.count(), 0)
    t.match(await handle.insert({ n: 1 }), { n: 1, _version: 1 })
  })

  t.test('ends transactions that have touched it', async t => {
    const store = await startStore(t)
    for (const isDefinedAgain of [true, false]) {
      await store.defineBucket('a', plain)
      await store.defineBucket('b', plain)
      const failure = await rejection(store.transaction(async tx => {
        await (await tx.bucket('b')).insert({ id: 'x' })
        await (await tx.bucket('a')).insert({ id: 'x' })
        await store.dropBucket('a')
        if (isDefinedAgain) await store.defineBucket('a', plain)
      }))
      t.equal(failure.name, isDefinedAgain ? 'TransactionConflictError' : 'BucketNotDefinedError')
      t.equal(await store.bucket('b').count(), 0)
      await store.dropBucket('a')
      await store.dropBucket('b')
    }
  })

  t.test('ends subscriptions and long reads of before, and has new ones', async t => {
    const store = await startStore(t)
    await store.defineBucket('a', plain)
    await store.bucket('a').insertMany(Array.from({ length: 20_000 }, (_, i) => ({ id: `k${i}`, n: i })))
    store.defineQuery('all', async ctx => await ctx.bucket('a').count())
    const before: unknown[] = []
    await store.subscribe('all', result => { before.push(result) })
    const reading = store.bucket('a').where({ n: { $gt: -1 }, id: { $contains: 'k' } })
    const updating = store.bucket('a').updateMany({ id: { $contains: 'k' } }, { n: 1 })
    await store.dropBucket('a')
    await store.defineBucket('a', plain)
    await store.bucket('a').insert({ id: 'new' })
    await store.settle()
    t.equal((await reading).length, 20_000)
    t.ok([0, 20_000].includes(await updating.catch(() => 0)))
    t.same(before, [])
    t.match(await store.bucket('a').get('new'), { _version: 1 })
    const after: unknown[] = []
    await store.subscribe('all', result => { after.push(result) })
    await store.bucket('a').delete('new')
    await store.settle()
    t.same(after, [0])
  })
})

test('a default that is a function', async t => {
  const withDefault = (make: () => unknown): BucketDefinition =>
    ({ ...plain, schema: { ...plain.schema, n: { type: 'number', default: make } } })

  t.test('and throws refuses the record', async t => {
    const store = await startStore(t)
    await store.defineBucket('a', withDefault(() => { throw new Error('mine') }))
    for (const write of ['insert', 'upsert'] as const) {
      t.match(await rejection(store.bucket('a')[write]({ id: 'x' })), { message: 'mine' })
    }
    const batch = store.bucket('a').insertMany([{ id: 'x', n: 1 }, { id: 'y' }])
    t.match(await rejection(batch), { message: 'mine' })
    t.equal(await store.bucket('a').count(), 0)
    t.equal(store.revision, 1)
  })

  t.test('and returns a promise is refused, also one that rejects', async t => {
    const store = await startStore(t)
    await store.defineBucket('a', withDefault(async () => 1))
    await store.defineBucket('b', withDefault(async () => { throw new Error('mine') }))
    for (const name of ['a', 'b']) await t.rejects(store.bucket(name).insert({ id: 'x' }), /asynchronous/)
    await turn()
    t.equal(await store.bucket('a').count(), 0)
  })

  t.test('and writes, also to its own bucket and key, leaves a whole state', async t => {
    const store = await startStore(t)
    let isWriting = false
    await store.defineBucket('a', withDefault(() => {
      if (isWriting) return 1
      isWriting = true
      const inside = [store.bucket('a').insert({ id: 'x' }), store.bucket('a').insert({ id: 'beside' })]
      Promise.allSettled(inside).catch(() => {})
      isWriting = false
      return 2
    }))
    t.match(await rejection(store.bucket('a').insert({ id: 'x' })), { code: 'RECORD_EXISTS' })
    t.same((await store.bucket('a').all()).map(({ id, n }) => [id, n]), [['x', 1], ['beside', 1]])
  })

  t.test('and drops its bucket is refused', async t => {
    const store = await startStore(t)
    await store.defineBucket('a', withDefault(() => {
      store.dropBucket('a').catch(() => {})
      return 1
    }))
    t.ok(await rejection(store.bucket('a').insert({ id: 'x' })) instanceof BucketNotDefinedError)
    t.equal(store.hasBucket('a'), false)
  })
})

test('references in circles', async t => {
  const store = await startStore(t)
  const linked = (ref: string, onDelete: 'cascade' | 'restrict' | 'set_null'): BucketDefinition =>
    ({ key: 'id', schema: { id: { type: 'string' }, to: { type: 'string', ref, onDelete } } })
  await store.defineBucket('a', linked('b', 'cascade'))
  await t.rejects(store.bucket('a').insert({ id: 'x', to: 'y' }), BucketNotDefinedError)
  await store.defineBucket('b', linked('c', 'cascade'))
  await store.defineBucket('c', linked('a', 'cascade'))
  await store.defineBucket('self', linked('self', 'restrict'))
  await store.transaction(async tx => {
    for (const [from, to] of [['a', 'b'], ['b', 'c'], ['c', 'a'], ['self', 'self']] as const) {
      await (await tx.bucket(from)).insert({ id: from, to })
    }
  })
  await store.bucket('b').delete('b')
  for (const name of ['a', 'b', 'c']) t.equal(await store.bucket(name).count(), 0, name)
  await store.bucket('self').delete('self')
  t.equal(await store.bucket('self').count(), 0, 'a record that restricts itself')
})
