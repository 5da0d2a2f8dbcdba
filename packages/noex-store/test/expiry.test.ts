import { test } from 'tap'
import { TransactionConflictError, type RecordChange } from '../src/index.js'
import { FakeClock, startStore, users } from './support/store.js'

test('a record whose time is up', async t => {
  t.test('is gone from that moment on, for every read and write, and its key is free', async t => {
    const clock = new FakeClock()
    const store = await startStore(t, clock)
    await store.defineBucket('users', { ...users, ttl: '1s' })
    const bucket = store.bucket('users')
    const record = await bucket.insert({ id: 'a', email: '1' })
    t.equal(record._expiresAt, clock.time + 1_000)
    clock.time += 999
    t.equal(await bucket.count(), 1)
    const gone: unknown[] = []
    store.onCommit(
      ({ changes }) => { gone.push(...(changes as RecordChange[]).map(({ type, key }) => [type, key])) }
    )
    clock.time++
    await t.rejects(bucket.update('a', { name: 'late' }), /not found/)
    t.same(gone, [['delete', 'a']])
    for (
      const read of [bucket.get('a'), bucket.findOne({}), bucket.findOne({ email: '1' })]
    ) t.equal(await read, undefined)
    t.match(await bucket.insert({ id: 'b', email: '1' }), { _version: 1 })
    t.match(await bucket.insert({ id: 'a' }), { _version: 2 })
  })

  t.test('is told to subscribers, by purgeTtl or by itself', async t => {
    const clock = new FakeClock()
    const store = await startStore(t, { now: clock.now, ttlCheckIntervalMs: 1 })
    await store.defineBucket('users', { ...users, ttl: 1_000 })
    const told = new Promise(resolve => { store.on('bucket.users.deleted', resolve).catch(() => {}) })
    await store.bucket('users').insert({ id: 'a' })
    clock.time += 1_000
    // The timer of the store does not keep the process alive.
    const alive = setInterval(() => {}, 1_000)
    t.match(await told, { type: 'deleted', key: 'a' })
    clearInterval(alive)
    await store.bucket('users').insertMany([{ id: 'b' }, { id: 'c' }])
    clock.time += 1_000
    t.equal(await store.purgeTtl(), 2)
    t.equal(await store.purgeTtl(), 0)
  })

  t.test('may have any time of its own, also another one later', async t => {
    const clock = new FakeClock()
    const store = await startStore(t, clock)
    await store.defineBucket('users', { ...users, ttl: 1_000 })
    const bucket = store.bucket('users')
    const start = clock.time
    await bucket.insert({ id: 'a', _expiresAt: start + 5_000 })
    await bucket.insert({ id: 'b' })
    await bucket.insert({ id: 'never', _expiresAt: null })
    await bucket.update('b', { _expiresAt: start + 9_000 })
    await bucket.update('b', { _expiresAt: start + 1_000 })
    await bucket.update('b', { _expiresAt: start + 9_000 })
    clock.time = start + 5_000
    t.same((await bucket.all()).map(({ id }) => id), ['b', 'never'])
    clock.time = start + 9_000
    t.equal(await bucket.count(), 1)
  })

  t.test('is hidden also where a great many go at once, which takes several commits', async t => {
    const clock = new FakeClock()
    const store = await startStore(t, clock)
    await store.defineBucket('users', { ...users, ttl: 1_000 })
    const bucket = store.bucket('users')
    await bucket.insertMany(Array.from({ length: 30_000 }, (_, i) => ({ id: `${i}`, age: i, role: 'old' })))
    await bucket.insert({ id: 'new', age: 5, role: 'old', _expiresAt: clock.time + 10_000 })
    const sizes: number[] = []
    store.onCommit(({ changes }) => { sizes.push(changes.length) })
    clock.time += 1_000
    t.equal(await bucket.count(), 1)
    t.equal(await bucket.get('29999'), undefined)
    t.same((await bucket.where({ role: 'old' })).map(({ id }) => id), ['new'])
    t.same((await bucket.first(5)).map(({ id }) => id), ['new'])
    t.same((await bucket.last(5)).map(({ id }) => id), ['new'])
    t.match(await bucket.paginate({ limit: 3 }), { records: { length: 1 }, hasMore: false })
    t.equal(await bucket.sum('age'), 5)
    t.equal(await bucket.min('age'), 5)
    await store.settle()
    t.ok(sizes.every(size => size <= 1_000))
    t.equal(sizes.reduce((sum, size) => sum + size, 0), 30_000)
    t.equal((await store.getStats()).records.total, 1)
  })

  t.test('cannot be referred to, also before it is removed', async t => {
    const clock = new FakeClock()
    const store = await startStore(t, clock)
    await store.defineBucket('users', { ...users, ttl: 1_000 })
    await store.defineBucket(
      'orders', { key: 'id', schema: { id: { type: 'string' }, user: { type: 'string', ref: 'users' } } }
    )
    await store.bucket('users').insert({ id: 'a' })
    clock.time += 1_000
    await t.rejects(
      store.bucket('orders').insert({ id: '1', user: 'a' }), { name: 'ReferentialIntegrityError' }
    )
    await t.rejects(store.transaction(async tx => {
      await (await tx.bucket('orders')).insert({ id: '1', user: 'a' })
    }), { name: 'ReferentialIntegrityError' })
  })

  t.test('stays when the clock goes back, and keeps the order of insertion', async t => {
    const clock = new FakeClock()
    const store = await startStore(t, clock)
    await store.defineBucket('users', { ...users, ttl: 1_000, maxSize: 2 })
    const bucket = store.bucket('users')
    await bucket.insert({ id: 'a' })
    clock.time -= 100_000
    await bucket.insert({ id: 'b' })
    await bucket.insert({ id: 'c' })
    t.same((await bucket.all()).map(({ id }) => id), ['b', 'c'])
    clock.time += 100_000
    t.equal(await bucket.count(), 0)
  })
})

test('writes of a bucket with overdue records', async t => {
  const clock = new FakeClock()
  const store = await startStore(t, clock)
  await store.defineBucket('users', { ...users, ttl: 1_000 })
  const bucket = store.bucket('users')
  await bucket.insertMany(Array.from({ length: 40_000 }, (_, i) => ({ id: `${i}`, email: `${i}` })))
  clock.time += 1_000
  await store.transaction(async tx => {
    const users = await tx.bucket('users')
    t.equal(await users.get('39999'), undefined)
    t.equal(await users.count(), 0)
    await users.insert({ id: '39999', email: '39998' })
  })
  t.match(await bucket.all(), [{ id: '39999', _version: 2 }])
  clock.time += 1_000
  await bucket.insertMany(Array.from({ length: 40_000 }, (_, i) => ({ id: `${i}`, email: `${i}` })))
  clock.time += 1_000
  const writes = [
    bucket.update('39997', {}).catch((error: Error) => error.message),
    bucket.insert({ id: '39999', email: '39998' }),
    bucket.updateMany({}, { name: 'x' }),
    bucket.upsert({ id: '39996' })
  ]
  t.match(await Promise.all(writes), [/not found/, { _version: 4 }, 1, { _version: 3 }])
  await store.settle()
  t.equal(await bucket.deleteMany({}), 2)
})

test('a transaction does not commit on records whose time is up', async t => {
  t.test('when the clock goes on within a read', async t => {
    const clock = new FakeClock()
    let ticks = Infinity
    const now = (): number => ticks-- > 0 ? clock.time : clock.time + 1
    const store = await startStore(t, { now })
    await store.defineBucket('users', { ...users, ttl: 100 })
    await store.defineBucket('log', users)
    const bucket = store.bucket('users')
    for (const read of ['where', 'findOne', 'count', 'get'] as const) {
      for (let tick = 0; tick <= 6; tick++) {
        ticks = Infinity
        await bucket.clear()
        await bucket.insert({ id: 'a' })
        clock.time += 99
        const commit = store.transaction(async tx => {
          const users = await tx.bucket('users')
          ticks = tick
          const found = read === 'get' ? await users.get('a') : await users[read]({})
          ticks = 0
          await (await tx.bucket('log')).upsert({ id: 'a' })
          return found === 1 || (typeof found === 'object' && (!Array.isArray(found) || found.length === 1))
        }).catch((error: Error) => error.name)
        t.not(await commit, true, `${read}, tick ${tick}`)
      }
    }
  })

  t.test('when it runs out after the read, also for more than one commit removes', async t => {
    for (const count of [1, 5_000]) {
      const clock = new FakeClock()
      const store = await startStore(t, clock)
      await store.defineBucket('users', { ...users, ttl: 100 })
      await store.defineBucket('log', users)
      await store.bucket('users').insertMany(Array.from({ length: count }, (_, i) => ({ id: `${i}` })))
      for (const read of ['where', 'findOne', 'count', 'get'] as const) {
        const commit = store.transaction(async tx => {
          const users = await tx.bucket('users')
          if (read === 'get') await users.get('0')
          else await users[read]({})
          clock.time += 100
          await (await tx.bucket('log')).insert({ id: read })
        })
        await t.rejects(commit, TransactionConflictError, `${read} of ${count}`)
        await store.bucket('users').clear()
        await store.bucket('users').insertMany(Array.from({ length: count }, (_, i) => ({ id: `${i}` })))
      }
      t.equal(await store.bucket('log').count(), 0)
    }
  })
})
