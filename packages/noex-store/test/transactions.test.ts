import fc from 'fast-check'
import { test } from 'tap'
import {
  BucketNotDefinedError, MemoryLog, RecordNotFoundError, TransactionConflictError, UniqueConstraintError,
  type Store
} from '../src/index.js'
import { FakeClock, rejection, startStore, users } from './support/store.js'

const account = {
  key: 'id', schema: { id: { type: 'string' }, balance: { type: 'number' } }, indexes: ['balance']
} as const

async function twoBuckets (t: Parameters<typeof startStore>[0]): Promise<Store> {
  const store = await startStore(t)
  await store.defineBucket('left', account)
  await store.defineBucket('right', account)
  await store.bucket('left').insert({ id: 'a', balance: 0 })
  await store.bucket('right').insert({ id: 'a', balance: 0 })
  return store
}

/** Lets `count` microtasks pass. */
async function ticks (count: number): Promise<void> {
  for (let i = 0; i < count; i++) await undefined
}

test('an acknowledged update is never taken back', async t => {
  t.test('by a transaction that is refused, wherever it comes between', async t => {
    for (let offset = 0; offset < 60; offset++) {
      const store = await twoBuckets(t)
      const refused = store.transaction(async tx => {
        await (await tx.bucket('left')).update('a', { balance: 1 })
        await (await tx.bucket('right')).insert({ id: 'b', balance: 1 })
      }).then(() => 'committed', () => 'refused')
      const update = ticks(offset).then(async () => await store.bucket('left').update('a', { other: offset }))
      const taken = store.bucket('right').insert({ id: 'b' })
      await Promise.all([update, taken])
      t.equal(await refused, 'refused')
      t.match(await store.bucket('left').get('a'), { balance: 0, other: offset }, `offset ${offset}`)
    }
  })

  t.test('and no reader sees half of a transaction, in any order of steps', async t => {
    await fc.assert(fc.asyncProperty(fc.scheduler(), async scheduler => {
      const store = await twoBuckets(t)
      const [left, right] = [store.bucket('left'), store.bucket('right')]
      let acknowledged = 0
      let halves = 0
      const transfer = async (): Promise<void> => {
        await store.transaction(async tx => {
          const [from, to] = [await tx.bucket('left'), await tx.bucket('right')]
          const before = (await from.get('a'))?.['balance'] as number
          await scheduler.schedule(Promise.resolve())
          await from.update('a', { balance: before - 1 })
          await scheduler.schedule(Promise.resolve())
          await to.update('a', { balance: ((await to.get('a'))?.['balance'] as number) + 1 })
        })
        acknowledged++
      }
      const look = async (): Promise<void> => {
        await scheduler.schedule(Promise.resolve())
        const [a, b] = await Promise.all([left.get('a'), right.get('a')])
        if ((a?.['balance'] as number) + (b?.['balance'] as number) !== 0) halves++
      }
      const count = async (): Promise<void> => {
        await scheduler.schedule(Promise.resolve())
        const before = (await left.get('a'))?.['counted'] as number | undefined
        await left.update('a', { counted: (before ?? 0) + 1 }, {})
      }
      const work = Promise.allSettled([transfer(), look(), transfer(), count(), look(), transfer()])
      await scheduler.waitFor(work)
      t.equal(halves, 0)
      t.match(await left.get('a'), { balance: -acknowledged, counted: 1 })
      t.match(await right.get('a'), { balance: acknowledged })
      await store.stop()
    }), { numRuns: 150 })
  })
})

test('a transaction', async t => {
  t.test('commits over all its buckets in one step', async t => {
    const store = await twoBuckets(t)
    const revision = store.revision
    const result = await store.transaction(async tx => {
      await (await tx.bucket('left')).update('a', { balance: -5 })
      await (await tx.bucket('right')).update('a', { balance: 5 })
      return 'done'
    }, { user: 'jana' })
    t.equal(result, 'done')
    t.equal(store.revision, revision + 1)
  })

  t.test('sees its own writes, in the order of results', async t => {
    const store = await startStore(t)
    await store.defineBucket('users', users)
    const bucket = store.bucket('users')
    await bucket.insertMany([{ id: 'a', age: 1 }, { id: 'b', age: 2 }, { id: 'c', age: 3 }])
    await store.transaction(async tx => {
      const users = await tx.bucket('users')
      await users.insert({ id: 'd', age: 4 })
      await users.update('b', { age: 20 })
      await users.delete('a')
      t.same((await users.all()).map(({ id }) => id), ['b', 'c', 'd'])
      t.same((await users.where({ age: { $gt: 3 } })).map(({ id }) => id), ['b', 'd'])
      t.match(await users.findOne({ age: { $gte: 4 } }), { id: 'b' })
      t.same([await users.count(), await users.count({ age: 2 }), await users.count({ age: 20 })], [3, 0, 1])
      t.equal(await users.get('a'), undefined)
      t.match(await users.upsert({ id: 'd', age: 5 }), { age: 5, _version: 2 })
      t.equal(await users.updateMany({ age: { $lt: 10 } }, { name: 'x' }), 2)
      t.equal(await users.deleteMany({ id: 'c' }), 1)
      t.equal(await bucket.count(), 3)
    })
    t.match(await bucket.all(), [{ id: 'b', age: 20 }, { id: 'd', name: 'x' }])
  })

  t.test('may delete and insert one key, and insert and delete another: one change or none', async t => {
    const store = await twoBuckets(t)
    const changes: string[] = []
    store.onCommit(
      commit => {
        for (const change of commit.changes) {
          changes.push(
          `${change.type} ${'key' in change ? String(change.key) : ''}`
          )
        }
      }
    )
    await store.transaction(async tx => {
      const left = await tx.bucket('left')
      await left.update('a', { balance: 1 })
      await left.delete('a')
      t.match(await left.insert({ id: 'a', balance: 9 }), { _version: 2 })
      await left.insert({ id: 'b' })
      await left.delete('b')
    })
    t.same(changes, ['update a'])
    t.match(await store.bucket('left').get('a'), { balance: 9, _version: 2 })
    t.match(await store.bucket('left').insert({ id: 'b' }), { _version: 1 })
  })

  t.test('leaves nothing when its function throws, and takes no call after its end', async t => {
    const store = await twoBuckets(t)
    let kept: Awaited<ReturnType<Parameters<Parameters<Store['transaction']>[0]>[0]['bucket']>> | undefined
    await t.rejects(store.transaction(async tx => {
      kept = await tx.bucket('left')
      await kept.update('a', { balance: 5 })
      throw new RangeError('mine')
    }), RangeError)
    t.match(await store.bucket('left').get('a'), { balance: 0 })
    await t.rejects(async () => { await kept?.update('a', {}) }, /already committed/)
    await t.rejects(store.transaction(async tx => { await tx.bucket('none') }), BucketNotDefinedError)
    const missing = store.transaction(async tx => { await (await tx.bucket('left')).update('x', {}) })
    t.ok(await rejection(missing) instanceof RecordNotFoundError)
  })

  for (const [what, read, write] of [
    ['a record', tx => tx.get('a'), store => store.update('a', { balance: 1 })],
    ['an absence', tx => tx.get('new'), store => store.insert({ id: 'new' })],
    [
      'a record that was deleted and made anew', tx => tx.get('a'),
      async store => { await store.delete('a'); await store.insert({ id: 'a', balance: 0 }) }
    ],
    [
      'the result of a filter, by a record that comes', tx => tx.where({ balance: 7 }),
      store => store.insert({ id: 'new', balance: 7 })
    ],
    [
      'the result of a filter, by a record that goes', tx => tx.where({ balance: 0 }),
      store => store.delete('a')
    ],
    ['a count', tx => tx.count({ balance: { $gte: 0 } }), store => store.insert({ id: 'new', balance: 7 })],
    ['the whole bucket, by clear', tx => tx.all(), store => store.clear()]
  ] as Array<[string, (tx: Awaited<ReturnType<import('../src/index.js').TransactionContext['bucket']>>) =>
  Promise<unknown>,
  (bucket: import('../src/index.js').BucketHandle) => Promise<unknown>]>) {
    t.test(`is refused when another writer has changed what it read: ${what}`, async t => {
      const store = await twoBuckets(t)
      const attempt = store.transaction(async tx => {
        await read(await tx.bucket('left'))
        await write(store.bucket('left'))
        await (await tx.bucket('right')).update('a', { balance: 1 })
      })
      await t.rejects(attempt, TransactionConflictError)
      t.match(await store.bucket('right').get('a'), { balance: 0 })
    })
  }

  t.test('is not refused for what it did not read', async t => {
    const store = await twoBuckets(t)
    await store.transaction(async tx => {
      const left = await tx.bucket('left')
      await left.where({ balance: 7 })
      await left.count()
      await store.bucket('left').update('a', { balance: 1 })
      await store.bucket('right').insert({ id: 'other' })
      await (await tx.bucket('right')).update('a', { balance: 1 })
    })
  })

  t.test('is refused when its bucket was dropped or defined anew', async t => {
    const store = await twoBuckets(t)
    await t.rejects(store.transaction(async tx => {
      await (await tx.bucket('left')).update('a', { balance: 1 })
      await store.updateBucket('left', { addIndexes: ['id'] })
    }), TransactionConflictError)
    await t.rejects(store.transaction(async tx => {
      await (await tx.bucket('left')).update('a', { balance: 1 })
      await store.dropBucket('left')
    }), BucketNotDefinedError)
  })

  t.test('of hot accounts loses no update: who is refused runs again', async t => {
    const store = await twoBuckets(t)
    const increment = async (): Promise<number> => {
      for (let attempt = 1; ; attempt++) {
        try {
          await store.transaction(async tx => {
            const left = await tx.bucket('left')
            const { balance } = await left.get('a') as unknown as { balance: number }
            await ticks(attempt % 5)
            await left.update('a', { balance: balance + 1 })
          })
          return attempt
        } catch (error) {
          if (!(error instanceof TransactionConflictError)) throw error
        }
      }
    }
    await Promise.all(Array.from({ length: 64 }, increment))
    t.match(await store.bucket('left').get('a'), { balance: 64 })
  })

  t.test('that touches everything costs in proportion', async t => {
    const store = await startStore(t)
    await store.defineBucket('users', users)
    await store.bucket('users').insertMany(Array.from({ length: 20_000 }, (_, i) => ({ id: `${i}`, age: i })))
    const start = performance.now()
    await store.transaction(async tx => {
      t.equal(await (await tx.bucket('users')).updateMany({}, { name: 'x' }), 20_000)
    })
    t.ok(performance.now() - start < 3_000)
    const counts = performance.now()
    await store.transaction(async tx => {
      const bucket = await tx.bucket('users')
      for (let i = 0; i < 1_000; i++) await bucket.count()
    })
    t.ok(performance.now() - counts < 200)
  })

  t.test('of which one fails to be unique leaves nothing of itself', async t => {
    const store = await startStore(t)
    await store.defineBucket('users', users)
    await store.bucket('users').insert({ id: 'a', email: '1' })
    await t.rejects(store.transaction(async tx => {
      const bucket = await tx.bucket('users')
      await bucket.insert({ id: 'b', email: '2' })
      await bucket.insert({ id: 'c', email: '1' })
    }), UniqueConstraintError)
    t.equal(await store.bucket('users').count(), 1)
  })

  t.test('does not see a record whose time is up', async t => {
    const clock = new FakeClock()
    const store = await startStore(t, clock)
    await store.defineBucket('users', { ...users, ttl: 1_000 })
    await store.bucket('users').insert({ id: 'a' })
    await store.transaction(async tx => {
      const bucket = await tx.bucket('users')
      clock.time += 1_000
      t.equal(await bucket.get('a'), undefined)
      await bucket.insert({ id: 'a', name: 'new' })
    })
    t.match(await store.bucket('users').get('a'), { name: 'new', _version: 2 })
  })

  t.test('of many calls lets others have a turn, and keeps the order of its calls', async t => {
    const store = await startStore(t)
    await store.defineBucket('users', users)
    let turns = 0
    const counting = setInterval(() => { turns++ })
    const order: number[] = []
    await store.transaction(async tx => {
      const bucket = await tx.bucket('users')
      await Promise.all(Array.from({ length: 30_000 }, async (_, i) => {
        await bucket.upsert({ id: `${i % 100}`, age: i })
        order.push(i)
      }))
    })
    clearInterval(counting)
    t.ok(turns > 2)
    t.ok(order.every((number, i) => number === i))
    t.match(await store.bucket('users').get('7'), { age: 29_907 })
  })
})

test('a transaction that waits for nothing is committed within the call', async t => {
  const store = await twoBuckets(t)
  const { revision } = store
  const done = store.transaction(tx => {
    const [left, right] = [tx.open('left'), tx.open('right')]
    t.match(left.getSoon('a'), { balance: 0 })
    left.updateSoon('a', { balance: -1 })
    t.match(right.updateSoon('a', { balance: 1 }), { balance: 1 })
    t.match(left.insertSoon({ id: 'b', balance: 2 }), { _version: 1 })
    t.match(left.getSoon('b'), { balance: 2 })
    return 'done'
  })
  t.equal(store.revision, revision + 1)
  t.equal(await done, 'done')
  t.match(await store.bucket('left').all(), [{ id: 'a', balance: -1 }, { id: 'b', balance: 2 }])

  t.match(await rejection(store.transaction(tx => {
    tx.open('left').updateSoon('a', { balance: 5 })
    throw new RangeError('no')
  })), { message: 'no' })
  t.match(await store.bucket('left').get('a'), { balance: -1 }, 'nothing of one that throws')
  t.type(await rejection(store.transaction(tx => tx.open('none'))), BucketNotDefinedError)
})

test('what is to be done soon waits where it has to', async t => {
  const store = await startStore(t)
  let pass = (): void => {}
  const checked = new Promise<undefined>(resolve => { pass = () => { resolve(undefined) } })
  await store.defineBucket('checked', {
    key: 'id', schema: { id: { type: 'string' }, n: { type: 'number', validate: async () => await checked } }
  })
  const { revision } = store
  const done = store.transaction(tx => {
    const inserting = tx.open('checked').insertSoon({ id: 'a', n: 1 })
    t.ok(inserting instanceof Promise, 'for an asynchronous validator')
    return inserting
  })
  await ticks(100)
  t.equal(store.revision, revision)
  pass()
  t.match(await done, { id: 'a', n: 1 })
  t.equal(store.revision, revision + 1)

  const reads = await store.transaction(async tx => {
    const bucket = tx.open('checked')
    const reads: unknown[] = []
    const end = performance.now() + 20
    while (performance.now() < end) reads.push(bucket.getSoon('a'))
    return await Promise.all(reads)
  })
  t.ok(reads.every(record => (record as { readonly n: number }).n === 1), 'and for the turns of others')
})

test('a transaction resolves when it is durable, or when it is committed', async t => {
  const store = await twoBuckets(t)
  const log = new MemoryLog()
  await store.attachLog(log)
  const append = log.append.bind(log)
  let release = (): void => {}
  const released = new Promise<void>(resolve => { release = resolve })
  log.append = async (...args) => {
    await released
    await append(...args)
  }
  const add = async (until?: 'committed'): Promise<void> => {
    await store.transaction(async tx => {
      const bucket = await tx.bucket('left')
      await bucket.update('a', ({ balance }) => ({ balance: Number(balance) + 1 }))
    }, until && { until })
  }
  await add('committed')
  t.equal(store.revision, store.durability.durableRevision + 1)
  let isDurable = false
  const durable = add().then(() => { isDurable = true })
  await ticks(100)
  t.equal(store.revision, store.durability.durableRevision + 2)
  t.equal(isDurable, false)
  release()
  await durable
  t.equal(store.durability.durableRevision, store.revision)
  t.match(await store.bucket('left').get('a'), { balance: 2 })
})
