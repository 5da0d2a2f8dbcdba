import { test } from 'tap'
import type { BucketDefinition, QueryContext, Store } from '../src/index.js'
import { FakeClock, startStore } from './support/store.js'

const accounts: BucketDefinition = {
  key: 'id', schema: { id: { type: 'number' }, v: { type: 'number' } }
}

async function twoBuckets (t: Parameters<typeof startStore>[0]): Promise<Store> {
  const store = await startStore(t)
  for (const name of ['a', 'b']) {
    await store.defineBucket(name, accounts)
    await store.bucket(name).insert({ id: 1, v: 1 })
  }
  return store
}

/** Moves one from `a` to `b`, or back. */
async function move (store: Store, by: number): Promise<void> {
  await store.transaction(async tx => {
    await (await tx.bucket('a')).update(1, record => ({ v: record['v'] as number - by }))
    await (await tx.bucket('b')).update(1, record => ({ v: record['v'] as number + by }))
  })
}

test('a query in code whose reads are of several moments', async t => {
  t.test('is run again', async t => {
    const store = await twoBuckets(t)
    const reads = {
      'of buckets': async (ctx: QueryContext, bucket: string) => await ctx.bucket(bucket).sum('v'),
      'of records': async (ctx: QueryContext, bucket: string) => {
        return (await ctx.bucket(bucket).get(1))?.['v'] as number
      }
    }
    for (const [name, read] of Object.entries(reads)) {
      let runs = 0
      await store.defineQuery(name, async ctx => {
        runs++
        const a = await read(ctx, 'a')
        if (runs <= 3) await move(store, 1)
        return a + await read(ctx, 'b')
      })
      t.equal(await store.runQuery(name), 2, name)
      t.equal(runs, 4, name)
    }
  })

  t.test('is not run again for changes after its last read, or of what it has not read', async t => {
    const store = await twoBuckets(t)
    await store.defineBucket('c', accounts)
    let runs = 0
    await store.defineQuery('sum', async ctx => {
      runs++
      const a = await ctx.bucket('a').sum('v')
      await store.bucket('c').insert({ id: runs })
      const b = await ctx.bucket('b').sum('v')
      await move(store, 1)
      return a + b
    })
    t.equal(await store.runQuery('sum'), 2)
    t.equal(runs, 1)
  })

  t.test('is run five times more at most, and answers with the last result', async t => {
    const store = await twoBuckets(t)
    let runs = 0
    await store.defineQuery('sum', async ctx => {
      runs++
      const a = await ctx.bucket('a').sum('v')
      await move(store, 1)
      return a + await ctx.bucket('b').sum('v')
    })
    t.equal(await store.runQuery('sum'), 3)
    t.equal(runs, 6)
  })

  t.test('is run again for a record whose time is up between them', async t => {
    const clock = new FakeClock()
    const store = await startStore(t, clock)
    await store.defineBucket('a', { ...accounts, ttl: 100 })
    await store.bucket('a').insert({ id: 1 })
    let runs = 0
    await store.defineQuery('counts', async ctx => {
      runs++
      const count = await ctx.bucket('a').count()
      clock.time += 100
      return [count, (await ctx.bucket('a').all()).length]
    })
    t.same(await store.runQuery('counts'), [0, 0])
    t.equal(runs, 2)
  })

  t.test('shows subscribers no mixed result', async t => {
    const store = await twoBuckets(t)
    let isMoving = false
    await store.defineQuery('sum', async ctx => {
      const a = await ctx.bucket('a').sum('v')
      if (isMoving) {
        isMoving = false
        await move(store, 1)
      }
      return a + await ctx.bucket('b').sum('v')
    })
    const results: unknown[] = []
    await store.subscribe('sum', result => { results.push(result) })
    isMoving = true
    await store.bucket('a').update(1, { v: 5 })
    await store.settle()
    t.same(results, [6])
  })
})
