import type { BucketDefinition } from 'registry-noex-store'
import { test, type Test } from 'tap'
import { Store, WorkBudgetError } from '../src/index.js'
import { FakeClock, startStore } from './support/store.js'
import { leastTime, startBoth, type AnyStore } from './support/registry.js'

/** The faults of 0.2.0 that led to this store, each with what sets it off; where it is cheap, on both. */

const things: BucketDefinition = {
  key: 'id', schema: { id: { type: 'string' }, n: { type: 'number' }, s: { type: 'string' } }, indexes: ['n']
}

const records = (count: number, from = 0): Array<Record<string, unknown>> =>
  Array.from({ length: count }, (_, i) => ({ id: `k${from + i}`, n: from + i, s: 'x' }))

async function ticks (count: number): Promise<void> {
  for (let i = 0; i < count; i++) await undefined
}

async function filled (t: Test, count: number, definition = things): Promise<Store> {
  const store = await startStore(t)
  await store.defineBucket('things', definition as never)
  await store.bucket('things').insertMany(records(count))
  return store
}

test('an acknowledged update is taken back, without any crash', async t => {
  const losses = async (store: AnyStore): Promise<number> => {
    await store.defineBucket('left', things)
    await store.defineBucket('right', {
      ...things, schema: { ...things.schema, n: { type: 'number', unique: true } }
    })
    let lost = 0
    for (let offset = 0; offset < 40; offset++) {
      const id = `k${offset}`
      await store.bucket('left').insert({ id, s: 'before' })
      await store.bucket('right').insert({ id, n: offset })
      const transaction = store.transaction(async tx => {
        await (await tx.bucket('left')).update(id, { s: 'in the transaction' })
        await (await tx.bucket('right')).insert({ id: `${id} again`, n: offset })
      }).catch(() => {})
      await ticks(offset)
      await store.bucket('left').update(id, { n: 1 })
      await transaction
      if ((await store.bucket('left').get(id))?.['n'] !== 1) lost++
    }
    return lost
  }
  const { theirs, ours } = await startBoth(t)
  t.ok(await losses(theirs) > 0, 'the trigger bites')
  t.equal(await losses(ours), 0)
})

test('readers see half of a transaction', async t => {
  const halves = async (store: AnyStore): Promise<number> => {
    for (const name of ['left', 'right']) {
      await store.defineBucket(name, things)
      await store.bucket(name).insert({ id: 'k', n: 0 })
    }
    let half = 0
    for (let offset = 0; offset < 40; offset++) {
      const transaction = store.transaction(async tx => {
        for (const name of ['left', 'right']) await (await tx.bucket(name)).update('k', { n: offset + 1 })
      })
      await ticks(offset)
      const [a, b] = await Promise.all([store.bucket('left').get('k'), store.bucket('right').get('k')])
      if (a?.['n'] !== b?.['n']) half++
      await transaction
    }
    return half
  }
  const { theirs, ours } = await startBoth(t)
  t.ok(await halves(theirs) > 0, 'the trigger bites')
  t.equal(await halves(ours), 0)
})

test('`commit` looks for each key in a list; events are spread as arguments', async t => {
  const store = await filled(t, 130_000)
  let events = 0
  await store.on('bucket.things.updated', () => { events++ })
  const start = performance.now()
  await store.transaction(async tx => await (await tx.bucket('things')).updateMany({}, { s: 'y' }))
  t.ok(performance.now() - start < 20_000, 'in proportion: quadratic would take minutes')
  t.equal(events, 130_000)
  t.equal(await store.bucket('things').count({ s: 'y' }), 130_000)
})

test('a transaction copies the bucket for each read', async t => {
  const counting = async (count: number): Promise<number> => {
    const store = await filled(t, count)
    return await leastTime(async () => await store.transaction(async tx => {
      const bucket = await tx.bucket('things')
      for (let i = 0; i < 100; i++) await bucket.count()
    }))
  }
  t.ok(await counting(50_000) < 20 * await counting(500), 'the cost does not follow the size')
})

test('indexes serve plain equality only, not `$in`, ranges, `$or`', async t => {
  const store = await startStore(t, { maxWork: 9_000 })
  await store.defineBucket('things', things as never)
  await store.bucket('things').insertMany(records(10_000))
  const bucket = store.bucket('things')
  await bucket.where({ n: { $gt: 9_990 } }).catch(() => {})
  await store.settle()
  t.equal((await bucket.where({ n: { $in: [1, 2, 3] } })).length, 3)
  t.equal((await bucket.where({ n: { $gt: 9_990 } })).length, 9)
  t.equal((await bucket.where({ n: { $between: [10, 12] } })).length, 3)
  t.equal((await bucket.where({ $or: [{ n: 1 }, { n: { $eq: 5 } }] })).length, 2)
  await t.rejects(bucket.where({ s: 'y' }), WorkBudgetError, 'where no index helps, all would be looked at')
})

test('an index changes the answer of `{ field: null }`', async t => {
  const found = async (store: AnyStore): Promise<unknown> => {
    await store.defineBucket('things', things)
    await store.bucket('things').insertMany([{ id: 'a', n: null }, { id: 'b' }, { id: 'c', n: 1 }])
    return (await store.bucket('things').where({ n: null })).map(({ id }) => id)
  }
  const { theirs, ours } = await startBoth(t)
  t.same(await found(theirs), [], 'the trigger bites')
  t.same(await found(ours), ['a'])
})

test('`first`, `last`, `paginate` copy all keys; ordered sets sort all keys per call', async t => {
  for (const etsType of ['set', 'ordered_set'] as const) {
    const paging = async (count: number): Promise<number> => {
      const store = await filled(t, count, { ...things, etsType })
      const bucket = store.bucket('things')
      return await leastTime(async () => {
        for (let i = 0; i < 50; i++) {
          await Promise.all([
            bucket.first(10), bucket.last(10), bucket.paginate({ after: `k${i * 5}`, limit: 10 })
          ])
        }
      })
    }
    t.ok(await paging(50_000) < 20 * await paging(500), etsType)
  }
})

test('insert into a full `maxSize` bucket sorts all records', async t => {
  const inserting = async (maxSize: number): Promise<number> => {
    const store = await filled(t, maxSize, { ...things, maxSize })
    let next = maxSize
    return await leastTime(async () => {
      for (let i = 0; i < 50; i++) await store.bucket('things').insert({ id: `k${next++}`, n: 1 })
    })
  }
  t.ok(await inserting(50_000) < 20 * await inserting(500))
})

test('it evicts before it checks the new record', async t => {
  const left = async (store: AnyStore): Promise<unknown> => {
    await store.defineBucket('things', {
      ...things, maxSize: 2, schema: { ...things.schema, n: { type: 'number', unique: true } }
    })
    await store.bucket('things').insertMany(records(2))
    await store.bucket('things').insert({ id: 'new', n: 1 }).catch(() => {})
    return (await store.bucket('things').all()).map(({ id }) => id)
  }
  const { theirs, ours } = await startBoth(t)
  t.same(await left(theirs), ['k1'], 'the trigger bites')
  t.same(await left(ours), ['k0', 'k1'])
})

test('TTL: a scan of all records each second', async t => {
  const purging = async (count: number): Promise<number> => {
    const store = await filled(t, count, { ...things, ttl: '1h' })
    return await leastTime(async () => { for (let i = 0; i < 50; i++) await store.purgeTtl() })
  }
  t.ok(await purging(50_000) < 20 * await purging(500))
})

test('expired records stay visible, hold their key; an update of one is acknowledged and lost', async t => {
  const { theirs } = await startBoth(t)
  await theirs.defineBucket('things', { ...things, ttl: 1 })
  await theirs.bucket('things').insert({ id: 'k' })
  await new Promise(resolve => setTimeout(resolve, 10))
  t.equal((await theirs.bucket('things').update('k', { n: 1 }))['n'], 1, 'the trigger bites')
  const clock = new FakeClock()
  const store = await startStore(t, { now: clock.now })
  await store.defineBucket('things', { ...things, ttl: 1 } as never)
  await store.bucket('things').insert({ id: 'k' })
  clock.time += 1
  t.equal(await store.bucket('things').get('k'), undefined)
  await t.rejects(store.bucket('things').update('k', { n: 1 }), /not found/)
  t.match(await store.bucket('things').insert({ id: 'k' }), { _version: 2 })
})

test('deleting a record reads every record of the buckets that may refer to it', async t => {
  const deleting = async (count: number): Promise<number> => {
    const store = await filled(t, count)
    await store.defineBucket('notes', {
      key: 'id',
      schema: { id: { type: 'string' }, of: { type: 'string', ref: 'things', onDelete: 'cascade' } }
    })
    await store.bucket('notes').insertMany(records(count).map(({ id }) => ({ id, of: id })))
    let next = 0
    return await leastTime(async () => {
      for (let i = 0; i < 30; i++) await store.bucket('things').delete(`k${next++}`)
    })
  }
  t.ok(await deleting(30_000) < 20 * await deleting(300))
})

test('`_version` starts at 1 again: a stale `expectedVersion` passes', async t => {
  const again = async (store: AnyStore): Promise<number> => {
    await store.defineBucket('things', things)
    await store.bucket('things').insert({ id: 'k' })
    await store.bucket('things').delete('k')
    return (await store.bucket('things').insert({ id: 'k' }))._version
  }
  const { theirs, ours } = await startBoth(t)
  t.equal(await again(theirs), 1, 'the trigger bites')
  t.equal(await again(ours), 2)
  const stale = { expectedVersion: 1 }
  await t.rejects((ours as unknown as Store).bucket('things').update('k', { n: 1 }, stale), {
    name: 'TransactionConflictError'
  })
})

test('`insertMany` over `maxSize` publishes `deleted` before `inserted`', async t => {
  const told = async (store: AnyStore): Promise<unknown> => {
    await store.defineBucket('things', { ...things, maxSize: 1 })
    await store.bucket('things').insert({ id: 'old' })
    const events: string[] = []
    await store.on('bucket.*.*', ({ type, key }) => { events.push(`${type} ${String(key)}`) })
    await store.bucket('things').insertMany([{ id: 'a' }, { id: 'b' }])
    await store.settle()
    return events
  }
  const { theirs, ours } = await startBoth(t)
  t.same(await told(theirs), ['deleted old', 'deleted a', 'inserted a', 'inserted b'], 'the trigger bites')
  t.same(await told(ours), ['inserted b', 'deleted old'])
})

test('`clear`, definitions, restore publish nothing', async t => {
  const told = async (store: AnyStore): Promise<unknown> => {
    await store.defineBucket('things', things)
    await store.bucket('things').insert({ id: 'k' })
    store.defineQuery('all', async ctx => await ctx.bucket('things').count())
    const results: unknown[] = []
    await store.subscribe('all', result => { results.push(result) })
    await store.bucket('things').clear()
    await store.settle()
    await store.rebuildBucket('things', things, () => [
      ['new', { id: 'new', _version: 1, _createdAt: 0, _updatedAt: 0 }]
    ])
    await store.settle()
    return results
  }
  const { theirs, ours } = await startBoth(t)
  t.same(await told(theirs), [], 'the trigger bites')
  t.same(await told(ours), [0, 1])
})

test('`type: \'date\'` takes any text or number; forms of one time never match each other', async t => {
  const found = async (store: AnyStore): Promise<unknown> => {
    await store.defineBucket('things', { key: 'id', schema: { id: { type: 'string' }, d: { type: 'date' } } })
    const bucket = store.bucket('things')
    await bucket.insertMany([
      { id: 'a', d: new Date(1_000) }, { id: 'b', d: 1_000 }, { id: 'c', d: '1970-01-01T00:00:01Z' }
    ])
    const isRefused = await bucket.insert({ id: 'd', d: 'soon' }).then(() => false, () => true)
    return [isRefused, (await bucket.where({ d: 1_000 })).length]
  }
  const { theirs, ours } = await startBoth(t)
  t.same(await found(theirs), [false, 1], 'the trigger bites')
  t.same(await found(ours), [true, 3])
})

test('no revision, no transaction boundary in events, no way to apply a change from elsewhere', async t => {
  const { theirs } = await startBoth(t)
  t.notOk('revision' in theirs || 'onCommit' in theirs || 'apply' in theirs)
  const [from, to] = [await startStore(t), await startStore(t)]
  from.onCommit(commit => { to.apply(commit) })
  await from.defineBucket('things', things as never)
  await from.transaction(async tx => await (await tx.bucket('things')).insertMany(records(2)))
  t.equal(from.revision, 2)
  t.same(await to.bucket('things').all(), await from.bucket('things').all())
})
