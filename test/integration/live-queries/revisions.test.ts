import t, { type Test } from 'tap'
import type { NoexOptions } from '../../../lib/index.js'
import { Barrier } from '../../support/barrier.js'
import { assertQuiet, type Frame } from '../../support/client.js'
import { framesOf } from '../../support/live-queries.js'
import { LiveSocket } from '../../support/live-socket.js'
import { serve, type Served } from '../../support/service.js'

interface Watching extends Served {
  readonly client: LiveSocket
  /** Inserts a record, and asks for the revision. Resolves with that of the reply. */
  readonly insert: (data?: object) => Promise<number>
  /** Waits for the notice of a revision; those that have come are given back. */
  readonly noticeOf: (revision: number) => Promise<readonly number[]>
}

async function serveWatching (t: Test, options: Omit<NoexOptions, 'store'> = {}): Promise<Watching> {
  const served = await serve(t, options)
  const client = await LiveSocket.open(t, served.url)
  const insert = async (data: object = {}): Promise<number> => {
    const reply = await client.connection.request('store.insert', { bucket: 'items', data, revision: true })
    client.assertAllowed()
    return reply['revision']
  }
  const noticeOf = async (revision: number): Promise<readonly number[]> => {
    await client.until(() => (client.notices.at(-1) ?? 0) >= revision)
    return client.notices
  }
  return { ...served, client, insert, noticeOf }
}

/** Defines a query in code that waits at a barrier before it reads. */
function defineHeld (
  t: Test, { store }: Served, read = async (count: number): Promise<unknown> => count
): Barrier {
  const barrier = new Barrier()
  store.defineQuery('held', async ctx => {
    const count = await ctx.bucket('items').count()
    await barrier.pass()
    return await read(count)
  })
  t.teardown(() => { barrier.open() })
  return barrier
}

/** Subscribes to the held query. */
async function watchHeld (client: LiveSocket, barrier: Barrier, isDelta: boolean): Promise<void> {
  const watching = client.watch({ query: 'held' }, isDelta)
  await barrier.release()
  await watching
}

t.test('without live queries, the notice stands behind the reply', async t => {
  const { connect, store } = await serve(t)
  const client = await connect()
  const frames = framesOf(client)
  const reply = await client.request('store.insert', { bucket: 'items', data: {}, revision: true })
  const { revision } = store
  t.same(Object.keys(reply), ['id', 'type', 'data', 'revision'])
  t.equal(reply['revision'], revision)
  await client.settled()
  t.same(frames[1], { type: 'system', event: 'revision', revision })
  await client.next(({ event }) => event === 'revision')
  await client.ask('store.insert', { bucket: 'items', data: {}, revision: false })
  await assertQuiet(t, client)
})

t.test('the notice follows the reply and all pushes of its revision, with deltas and without', async t => {
  const { connect, store } = await serve(t)
  store.defineQuery('in-code', async ctx => await ctx.bucket('items').count())
  const client = await connect()
  const find = { bucket: 'items' }
  for (const request of [
    { find }, { find, delta: true }, { query: 'in-code' }, { query: 'in-code', delta: true },
    { find: { bucket: 'items', filter: { n: 7 } }, delta: true }
  ]) await client.ask('store.subscribe', request)
  const frames = framesOf(client)
  for (let i = 0; i < 5; i++) {
    frames.length = 0
    const reply = await client.request('store.insert', { bucket: 'items', data: { n: i }, revision: true })
    const notice = await client.next(({ event }) => event === 'revision')
    t.equal(notice['revision'], reply['revision'])
    t.same(frames.map(kindOf), ['result', 'push', 'push', 'push', 'push', 'revision'])
  }
})

function kindOf ({ type, event }: Frame): string {
  return type === 'system' ? event : type
}

t.test('a request without a commit, or a repeated one, is answered the present revision', async t => {
  const { client, insert, noticeOf, store } = await serveWatching(t)
  await client.watch({ find: { bucket: 'items' } })
  const first = await insert()
  const ask = async (type: string, fields: object): Promise<number> =>
    (await client.connection.request(type, { ...fields, revision: true }))['revision']
  t.equal(await ask('store.delete', { bucket: 'items', key: 'none' }), first)
  t.equal(await ask('store.updateMany', { bucket: 'items', filter: { id: 'none' }, data: {} }), first)
  const keyed = { bucket: 'items', data: { id: 'once' }, idempotencyKey: 'k' }
  await client.ask('store.insert', keyed)
  const done = store.revision
  await store.bucket('items').insert({ id: 'later' })
  const again = await ask('store.insert', keyed)
  t.ok(again > done && again <= store.revision, 'the members of the request may differ in that')
  t.ok((await noticeOf(again)).length >= 3)
})

t.test('a query in code that is being evaluated is waited for', async t => {
  for (const isDelta of [true, false]) {
    for (const isSame of [true, false]) {
      t.test(`${isDelta ? 'with' : 'without'} deltas, ${isSame ? 'the same' : 'another'} result`, async t => {
        const served = await serveWatching(t)
        const { client, insert, noticeOf } = served
        const barrier = defineHeld(t, served, async count => isSame ? 'same' : count)
        await watchHeld(client, barrier, isDelta)
        const revision = await insert()
        await barrier.held()
        await client.settled()
        t.same(client.notices, [])
        await barrier.release()
        t.same(await noticeOf(revision), [revision])
        t.equal(client.pushes.length, isSame ? 0 : 1)
      })
    }
  }
})

t.test('a query in code that fails is not waited for', async t => {
  for (const isDelta of [true, false]) {
    const served = await serveWatching(t)
    const { client, insert, noticeOf } = served
    const barrier = defineHeld(t, served, async count => {
      if (count > 0) throw new Error('not now')
      return count
    })
    await watchHeld(client, barrier, isDelta)
    const revision = await insert()
    await barrier.held()
    await client.settled()
    t.same(client.notices, [], 'it might succeed')
    await barrier.release()
    t.same(await noticeOf(revision), [revision])
  }
})

t.test('of many changes, each is announced in the end, by as few notices as evaluations', async t => {
  for (const isDelta of [true, false]) {
    const served = await serveWatching(t)
    const { client, insert, noticeOf } = served
    const barrier = defineHeld(t, served)
    await watchHeld(client, barrier, isDelta)
    const first = await insert()
    await barrier.held()
    // The evaluation under way has not read these.
    const others = [await insert(), await insert(), await insert()]
    const last = others.at(-1) as number
    await barrier.release()
    await barrier.held()
    t.same(await noticeOf(first), [first], 'although the result is not that of the last revision')
    await barrier.release()
    t.same(await noticeOf(last), [first, last])
  }
})

t.test('a query in code that never comes up to date is announced as far as it is', async t => {
  const served = await serveWatching(t)
  const { client, insert, noticeOf } = served
  const barrier = defineHeld(t, served, async () => 'same')
  await watchHeld(client, barrier, false)
  for (let i = 0; i < 4; i++) {
    const revision = await insert()
    await barrier.held()
    const overtaking = await insert()
    await barrier.release()
    // While the next one is under way.
    await barrier.held()
    t.ok((await noticeOf(revision)).includes(revision))
    await barrier.release()
    await noticeOf(overtaking)
  }
})

t.test('a big result that is being encoded is waited for', async t => {
  for (const isDelta of [true, false]) {
    const { client, store, noticeOf } = await serveWatching(t)
    const data = Array.from({ length: 5_000 }, (_, n) => ({ id: `i${n}`, name: 'x'.repeat(50), n }))
    await store.bucket('items').insertMany(data)
    const view = await client.watch({ find: { bucket: 'items' } }, isDelta)
    for (let n = 1; n < 4; n++) {
      client.shown.delete(view)
      const filter = { n: { $gte: 0 } }
      const fields = { bucket: 'items', filter, data: { n }, revision: true }
      const { revision } = await client.connection.request('store.updateMany', fields)
      await noticeOf(revision)
      const rows = client.shown.get(view)?.at(-1) as ReadonlyArray<{ readonly n: number }>
      t.ok(rows.every(row => row.n === n), 'the push came before')
    }
  }
})

t.test('a big reply has its revision at the end, and is followed by the pushes and the notice', async t => {
  const { connect } = await serve(t)
  const client = await connect()
  await client.ask('store.subscribe', { find: { bucket: 'items' } })
  const frames = framesOf(client)
  const data = Array.from({ length: 4_000 }, (_, n) => ({ id: `i${n}`, name: 'x'.repeat(100) }))
  const reply = await client.request('store.insertMany', { bucket: 'items', data, revision: true })
  t.same(Object.keys(reply), ['id', 'type', 'data', 'revision'])
  await client.next(({ event }) => event === 'revision')
  t.same(frames.map(kindOf), ['result', 'push', 'revision'])
})

t.test('a live query with an interval is not waited for', async t => {
  const { client, insert, noticeOf } = await serveWatching(t)
  await client.watch({ find: { bucket: 'items' }, minIntervalMs: 3_600_000 })
  for (let i = 0; i < 3; i++) await noticeOf(await insert())
  t.equal(client.pushes.length, 1)
})

t.test('one that ends, or is suspended, is not waited for any more', async t => {
  const auth = { validate: (token: string) => ({ userId: token, roles: ['writer'] }), required: true }
  for (const how of ['unsubscribe', 'undefine', 'logout']) {
    const served = await serveWatching(t, { auth })
    const { client, insert, noticeOf, store } = served
    await client.ask('auth.login', { token: 'ann' })
    const barrier = defineHeld(t, served)
    await watchHeld(client, barrier, how === 'logout')
    const revision = await insert()
    await barrier.held()
    await client.settled()
    t.same(client.notices, [])
    if (how === 'undefine') store.undefineQuery('held')
    else if (how === 'logout') await client.ask('auth.logout')
    else await client.connection.unsubscribe(client.connection.views[0] as never)
    t.same(await noticeOf(revision), [revision], how)
  }
})
