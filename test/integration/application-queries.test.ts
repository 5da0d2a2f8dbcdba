import { setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { QueryContext } from '@hamicek/noex-store'
import type { NoexOptions } from '../../lib/index.js'
import type { TestClient } from '../support/client.js'
import { serve, type Served } from '../support/service.js'
import { watchUncaughtErrors } from '../support/uncaught-errors.js'
import { logText } from '../support/log-into.js'
import { Barrier } from '../support/barrier.js'
import { until } from '../support/until.js'

type Query = (ctx: QueryContext, params: unknown) => Promise<unknown>

interface Setting extends Served {
  readonly client: TestClient
  /** Everything that was logged as an error or a warning. */
  readonly logged: () => string
}

const uncaught = watchUncaughtErrors(t)

/** Serves queries of the application, and keeps what is logged. */
async function setUp (
  t: Test,
  queries: Readonly<Record<string, unknown>>,
  options: Omit<NoexOptions, 'store'> = {}
): Promise<Setting> {
  const { logger, logged } = logText()
  const served = await serve(
    t,
    { queryTimeoutMs: 100, ...options },
    { fastify: { logger } }
  )
  for (const [name, query] of Object.entries(queries)) served.store.defineQuery(name, query as Query)
  return { ...served, client: await served.connect(), logged }
}

const never: Query = async () => await new Promise(() => {})

t.test('a query that never ends is not waited for, and the connection goes on', async t => {
  const { client, logged } = await setUp(t, { never })
  for (const type of ['store.query', 'store.subscribe']) {
    t.match(
      await client.request(type, { query: 'never' }),
      {
        code: 'INTERNAL_ERROR',
        message: 'Query "never" took longer than 100 ms and is not waited for any more'
      },
      type
    )
  }
  t.match(logged(), /Query \\"never\\" takes too long/)
  t.equal(await client.ask('store.count', { bucket: 'items' }), 0)
})

t.test('what a query returns or rejects with too late is dropped', async t => {
  const barrier = new Barrier()
  const { client } = await setUp(t, {
    async late (ctx: QueryContext) {
      await barrier.pass()
      return await ctx.bucket('items').all()
    },
    async fails () {
      await barrier.pass()
      throw new Error('too late')
    }
  })
  for (const query of ['late', 'fails']) {
    for (const type of ['store.query', 'store.subscribe']) {
      t.equal(await client.code(type, { query }), 'INTERNAL_ERROR')
    }
  }
  barrier.open()
  await setImmediate()
  t.same(await client.ask('store.query', { query: 'late' }), [], 'the next run is waited for again')
  t.same(client.waiting, [])
})

t.test(
  'a live query that hangs after a change keeps its last result, and goes on with the next change',
  async t => {
    let hangs = false
    const { client, store, logged } = await setUp(t, {
      async sometimes (ctx: QueryContext) {
        const count = await ctx.bucket('items').count()
        if (hangs) await new Promise(() => {})
        return count
      }
    })
    const { subscriptionId, data } = await client.ask('store.subscribe', { query: 'sometimes' })
    t.equal(data, 0)
    hangs = true
    await store.bucket('items').insert({})
    await until(() => logged().includes('keep the last result'))
    hangs = false
    await store.bucket('items').insert({})
    t.match(await client.push(subscriptionId), { data: 2 })
  }
)

t.test('runs that do not end are bounded, for one client and for all', async t => {
  const barrier = new Barrier()
  const slow: Query = async (_ctx, params) => (params === 'hang' ? await barrier.pass() : 'quick')
  const { client, connect } = await setUp(t, { slow }, { queryTimeoutMs: 20 })
  const hang = async (client: TestClient, type = 'store.query') =>
    await client.request(type, { query: 'slow', params: 'hang' })
  for (const type of ['store.query', 'store.subscribe', 'store.query', 'store.subscribe']) {
    t.match(await hang(client, type), { code: 'INTERNAL_ERROR' })
  }
  for (const type of ['store.query', 'store.subscribe']) {
    t.match(await hang(client, type), {
      code: 'RATE_LIMITED',
      message: 'Query "slow" is refused: 4 earlier runs of this client have not ended',
      details: { retryAfterMs: 20 }
    })
  }
  t.equal(barrier.passed, 4)
  const others = await Promise.all(Array.from({ length: 30 }, () => connect()))
  t.equal(
    await (others[0] as TestClient).ask('store.query', { query: 'slow' }),
    'quick',
    'another client is served'
  )
  await Promise.all(
    others.map(async other => {
      for (let n = 0; n < 4; n++) await hang(other)
    })
  )
  t.ok(barrier.passed >= 100 && barrier.passed <= 130, `${barrier.passed} runs were begun`)
  t.match(await hang(await connect()), {
    code: 'RATE_LIMITED',
    message: 'Query "slow" is refused: 100 earlier runs have not ended'
  })
  barrier.open()
  await setImmediate()
  t.equal(
    await client.ask('store.query', { query: 'slow' }),
    'quick',
    'once they have ended, there is room again'
  )
})

const cyclic: Record<string, unknown> = {}
cyclic['self'] = cyclic

/** Mistakes of queries, and what the log must say of each. */
const wrong: ReadonlyArray<readonly [title: string, query: unknown, logged: RegExp]> = [
  [
    'throws',
    () => {
      throw new Error('thrown at once')
    },
    /thrown at once/
  ],
  [
    'rejects',
    async () => {
      throw new Error('rejected later')
    },
    /rejected later/
  ],
  ['rejects with nothing', Promise.reject.bind(Promise, undefined), /store\.(?:query|subscribe)/],
  ['returns a cycle', async () => cyclic, /query \\"wrong\\" has returned what JSON cannot hold/],
  [
    'returns a list with a cycle',
    async () => [1, cyclic],
    /query \\"wrong\\" has returned what JSON cannot hold/
  ],
  ['returns a BigInt', async () => ({ n: 1n }), /query \\"wrong\\" has returned what JSON cannot hold/],
  [
    'returns what throws when it is looked at',
    async () => ({
      get n () {
        throw new Error('a trap')
      }
    }),
    /a trap/
  ],
  [
    'returns more than a text can hold',
    async () => Array.from({ length: 600 }, () => 'x'.repeat(2 ** 20)),
    /query \\"wrong\\" has returned what JSON cannot hold/
  ],
  ['returns a thenable that never ends', () => ({ then () {} }), /takes too long/],
  ['runs itself', 'itself', /query \\"wrong\\" has 10000 runs under way/],
  ['opens a bucket that does not exist', async (ctx: QueryContext) => await ctx.bucket('nope').all(), /^/]
]

t.test(
  'a query that does wrong costs one request, and the log says which one it was',
  { timeout: 120_000 },
  async t => {
    for (const [title, query, expected] of wrong) {
      await t.test(title, async t => {
        const { client, store, connect, logged } = await setUp(t, {})
        const itself: Query = async () => {
          await Promise.resolve()
          return await store.runQuery('wrong')
        }
        store.defineQuery('wrong', query === 'itself' ? itself : (query as Query))
        for (const type of ['store.query', 'store.subscribe']) {
          const reply = await client.request(type, { query: 'wrong' })
          t.equal(reply['type'], 'error', JSON.stringify(reply).slice(0, 200))
          t.ok(['INTERNAL_ERROR', 'BUCKET_NOT_DEFINED'].includes(reply['code']), reply['code'])
          t.notMatch(reply['message'], /thrown|rejected|trap/, 'the client does not learn of it')
          if (reply['code'] === 'INTERNAL_ERROR') t.match(logged(), '"wrong', 'the log names the query')
        }
        t.match(logged(), expected)
        t.equal(await client.ask('store.count', { bucket: 'items' }), 0)
        t.match(await (await connect()).ask('store.stats'), { buckets: {} })
        t.same(
          (await client.ask('store.listQueries')).queries.map(
            (query: { activeSubscriptions: number }) => query.activeSubscriptions
          ),
          [0]
        )
      })
    }
  }
)

t.test('what JSON leaves out of a result is null, or left out', async t => {
  const { client } = await setUp(t, {
    absent: async () => undefined,
    odd: async () => [undefined, () => {}, Symbol('x'), NaN, { a: undefined, b: 1 }]
  })
  t.equal(await client.ask('store.query', { query: 'absent' }), null)
  t.same(await client.ask('store.query', { query: 'odd' }), [null, null, null, null, { b: 1 }])
})

t.test('a live query that writes what it reads slows itself down, and holds up no other client', async t => {
  let runs = 0
  const { client, store, logged } = await setUp(t, {
    async writes (ctx: QueryContext) {
      runs++
      await ctx.bucket('items').count()
      await store.bucket('items').upsert({ id: 'seen', n: runs })
      return runs
    }
  })
  await client.ask('store.subscribe', { query: 'writes' })
  const start = performance.now()
  while (performance.now() - start < 500) await client.ask('store.get', { bucket: 'items', key: 'seen' })
  t.ok(runs < 30, `${runs} evaluations in half a second`)
  t.match(logged(), /what a live query reads changes during each evaluation/)
})

t.test('no rejection was left to the process', async t => {
  await setImmediate()
  t.same(uncaught, [])
})
