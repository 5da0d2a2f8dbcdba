import { setImmediate as turn } from 'node:timers/promises'
import { test, type Test } from 'tap'
import type { Store } from '../../src/index.js'
import { rejection, startStore } from '../support/store.js'

/** Misbehaviour of callbacks of the application: they throw, reject, write, recurse, never settle. */

interface Watched {
  readonly store: Store
  /** Errors that `onListenerError` was given. */
  readonly errors: unknown[]
}

async function watchedStore (t: Test): Promise<Watched> {
  const errors: unknown[] = []
  const store = await startStore(t, { onListenerError: error => { errors.push(error) } })
  await store.defineBucket('a', { key: 'id', schema: { id: { type: 'string' }, n: { type: 'number' } } })
  await store.defineBucket('b', { key: 'id', schema: { id: { type: 'string' } } })
  store.defineQuery('count', async ctx => await ctx.bucket('a').count())
  return { store, errors }
}

/** Leaves a promise to itself. */
function ignore (_promise: unknown): void {}

type Listen = (store: Store, callback: () => unknown) => Promise<unknown>

const listeners: Readonly<Record<string, Listen>> = {
  onCommit: async (store, callback) => store.onCommit(callback),
  onDurable: async (store, callback) => store.onDurable(callback),
  'store.on': async (store, callback) => await store.on('bucket.a.*', callback),
  subscribe: async (store, callback) => await store.subscribe('count', callback)
}

for (const [name, listen] of Object.entries(listeners)) {
  test(`a callback of ${name}`, async t => {
    for (const [how, callback] of Object.entries({
      throws: () => { throw new Error('mine') },
      rejects: async () => { throw new Error('mine') },
      'returns a function that rejects': () => Object.assign(() => {}, {
        then (_resolve: unknown, reject: (error: Error) => void) { reject(new Error('mine')) }
      })
    })) {
      t.test(`that ${how} is reported, and the others hear everything`, async t => {
        const { store, errors } = await watchedStore(t)
        await listen(store, callback)
        let heard = 0
        await listen(store, () => { heard++ })
        for (const id of ['x', 'y']) {
          await store.bucket('a').insert({ id })
          await store.settle()
        }
        await turn()
        t.equal(heard, 2)
        t.same(errors.map(error => (error as Error).message), ['mine', 'mine'])
      })
    }

    t.test('that never settles holds nothing up', async t => {
      const { store } = await watchedStore(t)
      await listen(store, async () => await new Promise(() => {}))
      await store.bucket('a').insert({ id: 'x' })
      await store.settle()
      t.equal(await store.bucket('a').count(), 1)
    })

    t.test('may write, thousands of times in a row', async t => {
      const { store, errors } = await watchedStore(t)
      let left = 5_000
      await listen(store, async () => {
        if (left-- > 0) await store.bucket('a').insert({ id: `n${left}` })
      })
      await store.bucket('a').insert({ id: 'first' })
      await store.settle()
      t.same(errors, [])
      t.equal(await store.bucket('a').count(), 5_001)
    })

    t.test('may end itself and begin others', async t => {
      const { store } = await watchedStore(t)
      let heard = 0
      const end = await listen(store, () => {
        heard++
        ignore((end as () => unknown)())
        ignore(listen(store, () => {}))
      })
      await store.bucket('a').insert({ id: 'x' })
      await store.settle()
      await store.bucket('a').insert({ id: 'y' })
      await store.settle()
      t.equal(heard, 1)
    })
  })
}

test('a subscriber that throws while it writes hears of what it has written', async t => {
  const { store } = await watchedStore(t)
  const results: unknown[] = []
  await store.subscribe('count', result => {
    results.push(result)
    if (results.length > 1) return
    ignore(store.bucket('a').insert({ id: 'second' }))
    throw new Error('mine')
  })
  await store.bucket('a').insert({ id: 'first' })
  await store.settle()
  t.same(results, [1, 2])
})

test('a query in code', async t => {
  t.test('that throws at one run goes on at the next', async t => {
    const { store } = await watchedStore(t)
    let isFailing = false
    store.defineQuery('failing', async ctx => {
      if (isFailing) throw new Error('mine')
      return await ctx.bucket('a').count()
    })
    const results: unknown[] = []
    await store.subscribe('failing', result => { results.push(result) })
    isFailing = true
    await store.bucket('a').insert({ id: 'x' })
    await store.settle()
    t.same(results, [])
    isFailing = false
    await store.bucket('a').insert({ id: 'y' })
    await store.settle()
    t.same(results, [2])
  })

  t.test('that throws at first has no subscription', async t => {
    const { store } = await watchedStore(t)
    store.defineQuery('broken', () => { throw new Error('mine') })
    t.match(await rejection(store.subscribe('broken', () => {})), { message: 'mine' })
    t.match(await rejection(store.runQuery('broken')), { message: 'mine' })
    t.equal((await store.getStats()).queries.activeSubscriptions, 0)
  })

  t.test('that writes to what it reads leaves the others their turns', async t => {
    const { store } = await watchedStore(t)
    let runs = 0
    store.defineQuery('restless', async ctx => {
      const count = await ctx.bucket('a').count()
      await store.bucket('a').insert({ id: `run ${++runs}` })
      return count
    })
    const end = await store.subscribe('restless', () => {})
    await store.bucket('a').insert({ id: 'x' })
    for (let i = 0; i < 10; i++) await turn()
    end()
    await store.settle()
    t.ok(runs > 1)
  })

  t.test('that never settles holds no other up', async t => {
    const { store } = await watchedStore(t)
    let run = 0
    store.defineQuery('stuck', async ctx => {
      const count = await ctx.bucket('a').count()
      return run++ === 0 ? count : await new Promise(() => {})
    })
    await store.subscribe('stuck', () => {})
    const results: unknown[] = []
    await store.subscribe('count', result => { results.push(result) })
    await store.bucket('a').insert({ id: 'x' })
    await turn()
    t.same(results, [1])
  })
})

test('the function of a transaction', async t => {
  t.test('that throws, rejects or never settles commits nothing', async t => {
    const { store } = await watchedStore(t)
    await t.rejects(store.transaction(() => { throw new Error('mine') }), { message: 'mine' })
    await t.rejects(store.transaction(async tx => {
      await (await tx.bucket('a')).insert({ id: 'x' })
      throw new Error('mine')
    }), { message: 'mine' })
    ignore(store.transaction(async tx => {
      await (await tx.bucket('a')).insert({ id: 'x' })
      await new Promise(() => {})
    }))
    await turn()
    t.equal(await store.bucket('a').count(), 0)
    t.match(await store.bucket('a').insert({ id: 'x' }), { _version: 1 })
  })

  t.test('may begin others, and write beside itself', async t => {
    const { store } = await watchedStore(t)
    const nest = async (depth: number): Promise<void> => await store.transaction(async tx => {
      await (await tx.bucket('a')).insert({ id: `n${depth}` })
      if (depth > 0) await nest(depth - 1)
    })
    await nest(500)
    t.equal(await store.bucket('a').count(), 501)
  })

  t.test('finds its bucket shut once it has ended', async t => {
    const { store } = await watchedStore(t)
    const bucket = await store.transaction(async tx => await tx.bucket('a'))
    await t.rejects(bucket.insert({ id: 'late' }), { message: 'Transaction already committed' })
    await t.rejects(bucket.all(), { message: 'Transaction already committed' })
  })
})
