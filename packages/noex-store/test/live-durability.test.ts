import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises'
import { test, type Test } from 'tap'
import { MemoryLog, StoreUnavailableError, type Store } from '../src/index.js'
import { SlowLog } from './support/slow-log.js'
import { rejection, startStore, users } from './support/store.js'

/** A store on a slow log, with a watched count of users. */
async function watched (t: Test): Promise<{ store: Store, log: SlowLog, results: unknown[] }> {
  const log = new SlowLog()
  const store = await startStore(t)
  await store.attachLog(log)
  const defined = store.defineBucket('users', users)
  const other = store.defineBucket('others', users)
  await turns(2)
  await log.release()
  await Promise.all([defined, other])
  store.defineQuery('count', async ctx => await ctx.bucket('users').count())
  const results: unknown[] = []
  await store.subscribe('count', result => { results.push(result) })
  return { store, log, results }
}

async function turns (count: number): Promise<void> {
  for (let i = 0; i < count; i++) await turn()
}

async function isOpenAgain (store: Store): Promise<void> {
  while (await store.bucket('others').insert({ id: 'probe' }).then(() => false, () => true)) await delay(10)
}

test('a subscriber is told of nothing that may be taken back', async t => {
  t.test('a result waits until its commits are durable', async t => {
    const { store, log, results } = await watched(t)
    const written = store.bucket('users').insert({ id: 'a' })
    await turns(20)
    t.equal(await store.bucket('users').count(), 1, 'the own reads see it')
    t.same(results, [])
    await log.release()
    await written
    await store.settle()
    t.same(results, [1])
  })

  t.test('one of a commit that the log refuses is never told', async t => {
    const { store, log, results } = await watched(t)
    log.fails = true
    const written = rejection(store.bucket('users').insert({ id: 'a' }))
    await turns(20)
    await log.release()
    t.ok(await written instanceof StoreUnavailableError)
    await store.settle()
    t.same(results, [])
    log.fails = false
    const opened = isOpenAgain(store)
    await log.release()
    await opened
    const again = store.bucket('users').insertMany([{ id: 'a' }, { id: 'b' }])
    await turns(5)
    await log.release()
    await again
    await store.settle()
    t.same(results, [2])
  })

  t.test('nor is it lost when a commit that it does not show is taken back with it', async t => {
    const { store, log, results } = await watched(t)
    const first = store.bucket('users').insert({ id: 'a' })
    await turns(5)
    // In the next group, which the log refuses.
    const second = rejection(store.bucket('others').insert({ id: 'x' }))
    await turns(5)
    const released = log.release()
    log.fails = false
    await first
    log.fails = true
    await released
    t.ok(await second instanceof StoreUnavailableError)
    await store.settle()
    t.same(results, [1])
  })

  t.test('a first result that showed a commit taken back is followed by the right one', async t => {
    const { store, log } = await watched(t)
    const written = rejection(store.bucket('users').insert({ id: 'a' }))
    const results: unknown[] = []
    await store.subscribe('count', result => { results.push(result) })
    t.equal(await store.runQuery('count'), 1)
    log.fails = true
    await turns(5)
    await log.release()
    await written
    await store.settle()
    t.same(results, [0])
  })

  t.test('what a run reads on both sides of an undo is thrown away', async t => {
    const { store, log } = await watched(t)
    let release = (): void => {}
    let isSlow = false
    store.defineQuery('both', async ctx => {
      const before = await ctx.bucket('users').count()
      if (isSlow) await new Promise<void>(resolve => { release = resolve })
      return [before, await ctx.bucket('others').count()]
    })
    const results: unknown[] = []
    await store.subscribe('both', result => { results.push(result) })
    isSlow = true
    log.fails = true
    const written = rejection(store.bucket('users').insert({ id: 'a' }))
    await turns(5)
    await log.release()
    await written
    isSlow = false
    release()
    await store.settle()
    t.same(results, [])
  })
})

test('commits that the application takes back do not reach the log', async t => {
  const log = new MemoryLog()
  const store = await startStore(t)
  await store.attachLog(log)
  await store.defineBucket('users', users)
  const { revision } = store
  const lost = rejection(store.bucket('users').insert({ id: 'lost' }))
  store.undo(revision)
  t.ok(await lost instanceof StoreUnavailableError)
  await store.bucket('users').insert({ id: 'a' })
  t.equal(log.revision, store.revision)
  const copy = await startStore(t)
  await copy.attachLog(log)
  t.strictSame(await copy.bucket('users').all(), await store.bucket('users').all())
})
