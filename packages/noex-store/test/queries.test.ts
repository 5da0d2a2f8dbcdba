import { test } from 'tap'
import {
  BucketNotDefinedError, QueryAlreadyDefinedError, QueryNotDefinedError, type StoreRecord
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
    t.equal((await store.runQuery<StoreRecord[]>('byRole', { role: 'x' })).length, 2)
    t.match(await store.runQuery('byRole', { role: 'x' }, () => ({ age: { $gt: 1 } })), [{ id: 'c' }])
    t.match(
      await store.runQuery('first', undefined, name => name === 'users' ? { role: 'y' } : null), [{ id: 'b' }]
    )
    t.throws(() => { store.defineQuery('first', async () => {}) }, QueryAlreadyDefinedError)
    await t.rejects(store.runQuery('none'), QueryNotDefinedError)
    await t.rejects(store.subscribe('none', () => {}), QueryNotDefinedError)
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
