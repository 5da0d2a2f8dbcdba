import { test } from 'tap'
import {
  BucketNotDefinedError, CommitTooLargeError, ReferentialIntegrityError, type RecordChange, type Store
} from '../src/index.js'
import { commitsOf, rejection, startStore } from './support/store.js'

const thing = { key: 'id', schema: { id: { type: 'string' } } } as const

test('references', async t => {
  const start = async (
    t: Parameters<typeof startStore>[0], onDelete: 'restrict' | 'cascade' | 'set_null'
  ): Promise<Store> => {
    const store = await startStore(t)
    await store.defineBucket('users', thing)
    await store.defineBucket('orders', {
      key: 'id', schema: { id: { type: 'string' }, user: { type: 'string', ref: 'users', onDelete } }
    })
    await store.bucket('users').insertMany([{ id: 'a' }, { id: 'b' }])
    await store.bucket('orders').insertMany(
      [{ id: '1', user: 'a' }, { id: '2', user: 'a' }, { id: '3', user: 'b' }]
    )
    return store
  }

  t.test('to no record are refused', async t => {
    const store = await start(t, 'restrict')
    const orders = store.bucket('orders')
    t.match(await rejection(orders.insert({ id: '4', user: 'x' })), {
      name: 'ReferentialIntegrityError',
      sourceBucket: 'orders',
      sourceField: 'user',
      targetBucket: 'users',
      targetKey: 'x'
    })
    await t.rejects(orders.update('1', { user: 'x' }), ReferentialIntegrityError)
    await t.rejects(orders.updateMany({}, { user: 'x' }), ReferentialIntegrityError)
    await t.rejects(store.transaction(async tx => {
      await (await tx.bucket('orders')).insert({ id: '4', user: 'x' })
    }), ReferentialIntegrityError)
    await t.rejects(store.bucket('users').delete('a'), ReferentialIntegrityError)
    t.equal(await orders.count(), 3)
    await store.dropBucket('users')
    await t.rejects(orders.insert({ id: '4', user: 'a' }), BucketNotDefinedError)
  })

  t.test('delete along or become null, in the same commit', async t => {
    const cascade = await start(t, 'cascade')
    const commits = commitsOf(cascade)
    await cascade.bucket('users').delete('a')
    t.same((commits[0]?.changes as RecordChange[]).map(({ type, bucket, key }) => [type, bucket, key]),
      [['delete', 'users', 'a'], ['delete', 'orders', '1'], ['delete', 'orders', '2']])
    const setNull = await start(t, 'set_null')
    await setNull.bucket('users').deleteMany({ id: 'a' })
    t.match(
      await setNull.bucket('orders').all(),
      [{ user: null, _version: 2 }, { user: null }, { user: 'b', _version: 1 }]
    )
  })

  t.test('to a record that the same transaction has deleted are refused, old ones too', async t => {
    for (const onDelete of ['cascade', 'set_null'] as const) {
      const store = await start(t, onDelete)
      await t.rejects(store.transaction(async tx => {
        const [users, orders] = [await tx.bucket('users'), await tx.bucket('orders')]
        await users.delete('a')
        if (onDelete === 'cascade') await orders.insert({ id: '1', user: 'a' })
        else await orders.update('1', { user: 'a' })
      }), { name: 'ReferentialIntegrityError', targetKey: 'a' })
      t.equal(await store.bucket('orders').count(), 3)
      t.match(await store.bucket('users').get('a'), { id: 'a' })
    }
  })

  t.test('in a circle end', async t => {
    const store = await startStore(t)
    await store.defineBucket('nodes', {
      key: 'id',
      schema: {
        id: { type: 'string' }, next: { type: 'string', ref: 'nodes', onDelete: 'cascade' }
      }
    })
    const nodes = store.bucket('nodes')
    await nodes.insertMany([{ id: 'a' }, { id: 'b', next: null }])
    await nodes.update('a', { next: 'b' })
    await nodes.update('b', { next: 'a' })
    await nodes.delete('a')
    t.equal(await nodes.count(), 0)
  })

  t.test('are checked in the state that a transaction leads to', async t => {
    const store = await start(t, 'restrict')
    await store.transaction(async tx => {
      const [users, orders] = [await tx.bucket('users'), await tx.bucket('orders')]
      await orders.insert({ id: '4', user: 'new' })
      await users.insert({ id: 'new' })
      await users.delete('a')
      await orders.deleteMany({ user: 'a' })
    })
    t.same((await store.bucket('orders').all()).map(({ id }) => id), ['3', '4'])
  })

  t.test('stay as they are when the bucket is cleared', async t => {
    const store = await start(t, 'cascade')
    await store.bucket('users').clear()
    t.equal(await store.bucket('orders').count(), 3)
  })

  t.test('of 100,000 records delete along in time, and not beyond what the writer allows', async t => {
    const store = await start(t, 'cascade')
    await store.bucket('orders').insertMany(
      Array.from({ length: 100_000 }, (_, i) => ({ id: `x${i}`, user: 'b' }))
    )
    await t.rejects(store.bucket('users').delete('b', { maxChanges: 10_000 }), CommitTooLargeError)
    await store.bucket('users').delete('b')
    t.equal(await store.bucket('orders').count(), 2)
  })
})
