import { test, type Test } from 'tap'
import {
  BucketNotDefinedError, MemoryLog, QueryAlreadyDefinedError, QueryNotDefinedError, StoreUnavailableError,
  type StoreRecord
} from '../src/index.js'
import { startStore, users } from './support/store.js'

test('a query', async t => {
  t.test('in code runs with its parameters, confined by a read filter', async t => {
    const store = await startStore(t)
    await store.defineBucket('users', users)
    await store.bucket('users').insertMany(
      [{ id: 'a', role: 'x', age: 1 }, { id: 'b', role: 'y', age: 2 }, { id: 'c', role: 'x', age: 3 }]
    )
    store.defineQuery(
      'byRole', async (ctx, { role }: { role: string }) => await ctx.bucket('users').where({ role })
    )
    store.defineQuery('first', async ctx => await ctx.bucket('users').first(1))
    store.defineQuery(
      'oldest', async ctx => await ctx.bucket('users').find({ sort: { age: 'desc' }, limit: 1 })
    )
    t.equal((await store.runQuery<StoreRecord[]>('byRole', { role: 'x' })).length, 2)
    t.match(await store.runQuery('byRole', { role: 'x' }, () => ({ age: { $gt: 1 } })), [{ id: 'c' }])
    t.match(
      await store.runQuery('first', undefined, name => name === 'users' ? { role: 'y' } : null), [{ id: 'b' }]
    )
    t.match(await store.runQuery('oldest', undefined, () => ({ role: 'y' })), [{ id: 'b' }])
    t.throws(() => { store.defineQuery('first', async () => {}) }, QueryAlreadyDefinedError)
    await t.rejects(store.runQuery('none'), QueryNotDefinedError)
    await t.rejects(store.subscribe('none', () => {}), QueryNotDefinedError)
  })

  t.test('as data is refused without a parameter of its filter', async t => {
    const store = await startStore(t)
    await store.defineBucket('users', users)
    await store.bucket('users').insertMany([{ id: 'a', role: 'x' }, { id: 'b' }])
    const wanted = '{{ params.role }}' as never
    const conditions = [
      wanted, { $eq: wanted }, { $neq: wanted }, { $gt: wanted }, { $in: wanted }, { $in: [wanted, 'x'] },
      { $contains: wanted }, { $exists: wanted }, { $between: [wanted, 'z'] }
    ]
    const filters: Array<Record<string, unknown>> = conditions.flatMap(role => [
      { role }, { $or: [{ role }] }
    ])
    for (const [i, filter] of filters.entries()) {
      store.defineDeclarativeQuery(`q${i}`, { bucket: 'users', filter })
      const inherited = Object.create({ role: 'x' })
      for (const params of [undefined, null, {}, { role: undefined }, { other: 1 }, inherited]) {
        const error = {
          name: 'FilterError', message: 'The query needs the parameter "role", which is not given'
        }
        await t.rejects(store.runQuery(`q${i}`, params), error, JSON.stringify(filter))
        await t.rejects(store.subscribe(`q${i}`, params, () => {}), error, JSON.stringify(filter))
      }
    }
    t.match(await store.runQuery('q0', { role: 'x' }), [{ id: 'a' }])
    t.same(await store.runQuery('q0', { role: null }), [], 'null is a value')
  })

  t.test('as data filters, sorts, cuts, projects and aggregates', async t => {
    const store = await startStore(t)
    await store.defineBucket('users', users)
    await store.bucket('users').insertMany([
      { id: 'a', age: 3, role: 'x', born: '1970-01-01T00:00:01Z' }, { id: 'b', role: 'x', born: 500 },
      { id: 'c', age: 1, role: 'x', born: new Date(2_000) }, { id: 'd', age: 3, role: 'y' }
    ])
    const run = async (config: object, params?: unknown): Promise<unknown> => {
      store.undefineQuery('q')
      store.defineDeclarativeQuery('q', { bucket: 'users', ...config })
      return await store.runQuery('q', params)
    }
    const ids = async (config: object, params?: unknown): Promise<unknown> =>
      (await run(config, params) as StoreRecord[]).map(({ id }) => id)
    t.same(await ids({ filter: { role: '{{ params.role }}' } }, { role: 'y' }), ['d'])
    t.same(await ids({ sort: { age: 'desc' } }), ['a', 'd', 'c', 'b'])
    t.same(await ids({ sort: { age: 'asc', id: 'desc' } }), ['c', 'd', 'a', 'b'])
    t.same(await ids({ sort: { born: 'asc' } }), ['b', 'a', 'c', 'd'])
    t.same(await ids({ offset: 1, limit: 2 }), ['b', 'c'])
    t.same(await run({ fields: ['id', 'nothing'], limit: 1 }), [{ id: 'a' }])
    t.equal(await run({ aggregate: { function: 'sum', field: 'age' }, filter: { role: 'x' } }), 4)
    t.same(
      await run({ aggregate: { function: 'count', groupBy: 'role' } }),
      [{ key: { role: 'x' }, value: 3 }, { key: { role: 'y' }, value: 1 }]
    )
    t.match(
      store.getQueryInfo('q'),
      { name: 'q', type: 'declarative', config: { bucket: 'users' }, activeSubscriptions: 0 }
    )
    t.throws(() => { store.defineDeclarativeQuery('r', { bucket: 'none' }) }, BucketNotDefinedError)
  })
})

test('a subscription', async t => {
  t.test('tells each result that differs, once per commit and not once per change', async t => {
    const store = await startStore(t)
    await store.defineBucket('users', users)
    let runs = 0
    store.defineQuery('count', async ctx => {
      runs++
      return await ctx.bucket('users').count()
    })
    const results: unknown[] = []
    const unsubscribe = await store.subscribe<number>('count', result => { results.push(result) })
    await store.bucket('users').insertMany(Array.from({ length: 50 }, (_, i) => ({ id: `${i}` })))
    await store.settle()
    await store.bucket('users').update('1', { name: 'x' })
    await store.bucket('users').clear()
    await store.settle()
    t.same(results, [50, 0])
    t.ok(runs <= 4)
    unsubscribe()
    await store.bucket('users').insert({ id: 'late' })
    await store.settle()
    t.same(results, [50, 0])
    t.equal((await store.getStats()).queries.activeSubscriptions, 0)
  })

  t.test('of single records does not run for others', async t => {
    const store = await startStore(t)
    await store.defineBucket('users', users)
    let runs = 0
    store.defineQuery('one', async (ctx, { id }: { id: string }) => {
      runs++
      return await ctx.bucket('users').get(id) ?? null
    })
    const results: unknown[] = []
    await store.subscribe('one', { id: 'a' }, result => { results.push(result) })
    await store.bucket('users').insert({ id: 'b' })
    await store.settle()
    t.equal(runs, 1)
    await store.bucket('users').insert({ id: 'a' })
    await store.settle()
    await store.bucket('users').clear()
    await store.settle()
    t.match(results, [{ id: 'a' }, null])
  })

  t.test('misses nothing that changes during a run, and never ends on an old result', async t => {
    const store = await startStore(t)
    await store.defineBucket('users', users)
    let release = (): void => {}
    let isSlow = true
    store.defineQuery('slow', async ctx => {
      const count = await ctx.bucket('users').count()
      if (isSlow) await new Promise<void>(resolve => { release = resolve })
      return count
    })
    const results: unknown[] = []
    const subscribed = store.subscribe('slow', result => { results.push(result) })
    await new Promise(resolve => { setImmediate(resolve) })
    await store.bucket('users').insert({ id: 'a' })
    isSlow = false
    release()
    await subscribed
    await store.settle()
    isSlow = true
    await store.bucket('users').insert({ id: 'b' })
    await new Promise(resolve => { setImmediate(resolve) })
    await store.bucket('users').insert({ id: 'c' })
    isSlow = false
    release()
    await store.settle()
    t.equal(results.at(-1), 3)
  })

  t.test('follows what its query reads now, and survives a run that fails', async t => {
    const store = await startStore(t)
    await store.defineBucket('users', users)
    await store.bucket('users').insert({ id: 'pointer', name: 'a' })
    let fails = false
    store.defineQuery('pointed', async ctx => {
      const bucket = ctx.bucket('users')
      const { name } = await bucket.get('pointer') as StoreRecord
      if (fails) throw new Error('query')
      return (await bucket.get(name))?.['age'] ?? null
    })
    const results: unknown[] = []
    const unsubscribe = await store.subscribe('pointed', result => { results.push(result) })
    await store.bucket('users').insert({ id: 'a', age: 1 })
    await store.settle()
    fails = true
    await store.bucket('users').update('pointer', { name: 'b' })
    await store.settle()
    fails = false
    await store.bucket('users').insert({ id: 'b', age: 2 })
    await store.bucket('users').update('pointer', { other: 1 })
    await store.settle()
    await store.bucket('users').update('a', { age: 100 })
    await store.settle()
    t.same(results, [1, 2])
    unsubscribe()
  })

  t.test('ends with its bucket and with its query', async t => {
    const store = await startStore(t)
    await store.defineBucket('users', users)
    store.defineQuery('all', async ctx => await ctx.bucket('users').all())
    const results: unknown[] = []
    await store.subscribe('all', result => { results.push(result) })
    t.equal(store.getQueryInfo('all')?.activeSubscriptions, 1)
    await store.dropBucket('users')
    t.equal(store.getQueryInfo('all')?.activeSubscriptions, 0)
    await store.defineBucket('users', users)
    await store.subscribe('all', result => { results.push(result) })
    t.equal(store.undefineQuery('all'), true)
    t.equal(store.undefineQuery('all'), false)
    await store.bucket('users').insert({ id: 'a' })
    await store.settle()
    t.same(results, [])
  })

  t.test('of a query that throws at first is refused', async t => {
    const store = await startStore(t)
    store.defineQuery('bad', async ctx => await ctx.bucket('none').all())
    await t.rejects(store.subscribe('bad', () => {}), BucketNotDefinedError)
    t.equal((await store.getStats()).queries.activeSubscriptions, 0)
  })
})

test('events', async t => {
  const store = await startStore(t)
  const topics: string[] = []
  for (const name of ['users', 'eu.users']) await store.defineBucket(name, users)
  const off = await store.on('bucket.*.*', (_event, topic) => { topics.push(`open ${topic}`) })
  await store.on(
    'bucket.users.updated', (event, topic) => { topics.push(`exact ${topic} ${String(event.key)}`) }
  )
  await store.on('bucket.*.deleted', (_event, topic) => { topics.push(`deleted ${topic}`) })
  await store.on('*', (_event, topic) => { topics.push(`all ${topic}`) })
  await store.bucket('users').insert({ id: 'a' })
  await store.bucket('users').update('a', { name: 'x' })
  await off()
  await store.bucket('users').delete('a')
  await store.bucket('eu.users').insert({ id: 'b' })
  await store.bucket('eu.users').delete('b')
  t.same(topics, [
    'open bucket.users.inserted', 'all bucket.users.inserted', 'exact bucket.users.updated a',
    'open bucket.users.updated', 'all bucket.users.updated', 'deleted bucket.users.deleted',
    'all bucket.users.deleted', 'all bucket.eu.users.inserted',
    'all bucket.eu.users.deleted'
  ])
})

test('a run of a query', async t => {
  const setting = async (t: Test) => {
    const store = await startStore(t)
    await store.defineBucket('users', users)
    await store.defineBucket('secrets', { key: 'day', schema: { day: { type: 'date' } } })
    await store.bucket('users').insertMany([{ id: 'a', age: 1 }, { id: 'b', age: 2 }])
    return store
  }

  t.test('tells what it reads before it does, keys as they are compared', async t => {
    const store = await setting(t)
    const reads: unknown[] = []
    const observer = {
      onBucket (bucket: string) { reads.push(bucket) },
      onRecord (bucket: string, key: unknown) { reads.push([bucket, key]) }
    }
    store.defineQuery('both', async ctx => {
      await ctx.bucket('users').get('a')
      reads.push('read')
      await ctx.bucket('secrets').get('1970-01-01T00:00:01Z')
      return await ctx.bucket('users').count()
    })
    t.equal(await store.runQuery('both', undefined, undefined, observer), 2)
    t.same(reads, [['users', 'a'], 'read', ['secrets', 1_000], 'users'])
    t.equal(store.keyOf('secrets', new Date(1_000)), 1_000)
    t.equal(store.keyOf('none', 'x'), 'x')
    reads.length = 0
    await store.runQuery('both', undefined, undefined, { onRecord: observer.onRecord })
    t.same(reads, [['users', 'a'], 'read', ['secrets', 1_000]], 'one of the two will do')
  })

  t.test('gets what the read filter throws where it opens the bucket', async t => {
    const store = await setting(t)
    store.defineQuery('careful', async ctx => {
      try {
        return await ctx.bucket('secrets').all()
      } catch (error) {
        return [(error as Error).message, await ctx.bucket('users').count()]
      }
    })
    store.defineDeclarativeQuery('secrets', { bucket: 'secrets' })
    const refuse = (bucket: string) => {
      if (bucket === 'secrets') throw new Error('not yours')
      return { age: 2 }
    }
    t.same(await store.runQuery('careful', undefined, refuse), ['not yours', 1])
    await t.rejects(store.runQuery('secrets', undefined, refuse), { message: 'not yours' })
  })

  t.test('that runs itself is refused, and the query runs again afterwards', async t => {
    const store = await setting(t)
    let isWrong = true
    store.defineQuery('self', async () => isWrong ? await store.runQuery('self') : 'right')
    store.defineQuery('watched', async () => {
      if (isWrong) await store.subscribe('watched', () => {})
      return 'right'
    })
    for (const query of ['self', 'watched']) {
      isWrong = true
      await t.rejects(store.runQuery(query), {
        name: 'TooManyRunsError', query, message: /10000 runs under way/
      })
      isWrong = false
      t.equal(await store.runQuery(query), 'right')
    }
  })

  t.test('has an error for a sum that no number can hold, however it is asked for', async t => {
    const store = await setting(t)
    const huge = [1e308, 1e308, -1e308].map((n, i) => ({ id: `h${i}`, n, role: i < 2 ? 'x' : 'y' }))
    await store.bucket('users').insertMany(huge)
    const sum = { function: 'sum' as const, field: 'n' }
    store.defineDeclarativeQuery('all', { bucket: 'users', aggregate: sum })
    store.defineDeclarativeQuery('some', { bucket: 'users', filter: { role: 'x' }, aggregate: sum })
    store.defineDeclarativeQuery('groups', { bucket: 'users', aggregate: { ...sum, groupBy: 'role' } })
    store.defineQuery('code', async ctx => await ctx.bucket('users').sum('n', { role: 'x' }))
    store.defineQuery('mean', async ctx => await ctx.bucket('users').avg('n', { role: 'x' }))
    t.equal(await store.runQuery('all'), 1e308, 'a sum that fits is right, no matter what it was in between')
    t.equal(await store.runQuery('mean'), 1e308)
    for (const query of ['some', 'groups', 'code']) {
      await t.rejects(store.runQuery(query), { name: 'AggregateOverflowError' }, query)
    }
    await t.rejects(store.subscribe('some', () => {}), { name: 'AggregateOverflowError' })
  })
})

test('a query in code', async t => {
  t.test('is undefined by a commit, that ends its subscriptions and can be taken back', async t => {
    const store = await startStore(t)
    await store.defineBucket('users', users)
    const log = new MemoryLog()
    await store.attachLog(log)
    log.append = async () => { throw new Error('the disk is full') }
    store.defineQuery('count', async ctx => await ctx.bucket('users').count())
    const commits: unknown[] = []
    store.onCommit(({ changes, undone }) => { commits.push([changes, undone]) })
    const change = { type: 'query', query: 'count', config: undefined }
    t.equal(store.undefineQuery('count'), true)
    t.same(commits, [[[change], undefined]])
    const refused = t.rejects(store.runQuery('count'), QueryNotDefinedError)
    await t.rejects(store.whenDurable(), StoreUnavailableError)
    await refused
    t.same(commits.at(-1), [[change], true])
    t.equal(await store.runQuery('count'), 0)
    await t.rejects(store.stop(), StoreUnavailableError)
  })

  t.test('stays where another store undefines one of its name', async t => {
    const store = await startStore(t)
    store.defineQuery('count', async () => 1)
    store.apply({ revision: 1, time: 0, changes: [{ type: 'query', query: 'count', config: undefined }] })
    t.equal(await store.runQuery('count'), 1)
  })
})

test('names and statistics', async t => {
  const store = await startStore(t)
  for (const name of ['b', '_a']) await store.defineBucket(name, { ...users, indexes: ['age'] })
  await store.bucket('_a').insertMany([{ id: 'a' }, { id: 'b' }])
  await store.bucket('b').insert({ id: 'a' })
  t.same(store.bucketNames, ['b', '_a'])
  t.match(await store.getStats(), { buckets: { count: 2 }, records: { total: 3 } })
  const stats = await store.getStats(name => !name.startsWith('_'))
  t.match(stats, { buckets: { count: 1, names: ['b'] }, records: { total: 1, perBucket: { b: 1 } } })
  t.notMatch(JSON.stringify(stats), /_a/)
  t.equal(stats.bytes.total, stats.bytes.perBucket['b'])
  t.equal(stats.indexes.total, stats.indexes.perBucket['b'])
})
