import t from 'tap'
import type { AuditEntry } from '../../../lib/index.js'
import { TestClient, type Frame } from '../../support/client.js'
import { serve } from '../../support/service.js'
import { openFrom, behindProxy, userTokens } from '../../support/limits.js'

/** The codes of the replies to `times` requests that are sent at once. */
async function codes (
  client: TestClient,
  times: number,
  type: string,
  fields: object = {}
): Promise<string[]> {
  const replies = await Promise.all(
    Array.from({ length: times }, async () => await client.request(type, fields))
  )
  return replies.map(reply => String(reply['type'] === 'error' ? reply['code'] : reply['type']))
}

t.test('requests', t => {
  t.test('are limited for each user on all connections together, and told when to come back', async t => {
    const { connect, app } = await serve(t, {
      auth: userTokens,
      rateLimit: { maxRequests: 5, windowMs: 60_000 }
    })
    const [one, other, neighbour] = [await connect(), await connect(), await connect()]
    for (const [client, token] of [
      [one, 'ann'],
      [other, 'ann'],
      [neighbour, 'bob']
    ] as const) {
      await client.ask('auth.login', { token })
    }
    t.same(await codes(one, 3, 'store.count', { bucket: 'items' }), ['result', 'result', 'result'])
    t.same(await codes(other, 3, 'store.count', { bucket: 'items' }), ['result', 'result', 'RATE_LIMITED'])
    const refused = await one.request('store.count', { bucket: 'items' })
    t.match(refused, { code: 'RATE_LIMITED', details: { retryAfterMs: Number } })
    const { retryAfterMs } = refused['details']
    t.ok(
      Number.isInteger(retryAfterMs) && retryAfterMs > 50_000 && retryAfterMs <= 60_000,
      `${retryAfterMs} ms`
    )
    t.same(
      await codes(neighbour, 5, 'store.count', { bucket: 'items' }),
      Array(5).fill('result'),
      'bob has his own'
    )
    t.match(await app.noex.getStats(), { rateLimitEnabled: true })
  })

  t.test('are allowed again after the time that was told', async t => {
    const { connect } = await serve(t, { rateLimit: { maxRequests: 2, windowMs: 1_000 } })
    const client = await connect()
    const refused: Frame[] = []
    while (refused.length === 0) {
      const reply = await client.request('store.buckets')
      if (reply['type'] === 'error') refused.push(reply)
    }
    await new Promise(resolve => setTimeout(resolve, refused[0]?.['details'].retryAfterMs))
    t.match(await client.request('store.buckets'), { type: 'result' })
  })

  t.test('[G-I1] are counted also when refused, malformed or unknown; only pongs are free', async t => {
    const send: Record<string, (client: TestClient) => void> = {
      'without a login': client => { client.send({ id: 1, type: 'store.count', bucket: 'items' }) },
      forbidden: client => { client.send({ id: 1, type: 'store.clear', bucket: 'items' }) },
      'no JSON': client => { client.send('{') },
      'no request': client => { client.send({ no: 'request' }) },
      unknown: client => { client.send({ id: 1, type: 'store.unknown' }) },
      invalid: client => { client.send({ id: 1, type: 'store.count' }) },
      'a wrong token': client => { client.send({ id: 1, type: 'auth.login' }) }
    }
    for (const [what, sendOne] of Object.entries(send)) {
      const { connect } = await serve(t, {
        auth: userTokens,
        rateLimit: { maxRequests: 4, windowMs: 60_000 }
      })
      const client = await connect()
      if (what === 'forbidden' || what === 'invalid') await client.ask('auth.login', { token: 'ann' })
      for (let i = 0; i < 100; i++) client.send({ type: 'pong', timestamp: 1 })
      for (let i = 0; i < 6; i++) sendOne(client)
      const replies: Frame[] = []
      for (let i = 0; i < 6; i++) replies.push(await client.next(frame => frame['type'] === 'error'))
      t.notOk(
        replies.slice(0, 4).some(reply => reply['code'] === 'RATE_LIMITED'),
        `${what}: ${JSON.stringify(replies.map(reply => reply['code']))}`
      )
      t.match(
        replies.slice(4),
        [{ code: 'RATE_LIMITED', details: { retryAfterMs: Number } }, { code: 'RATE_LIMITED' }],
        what
      )
      t.equal(client.ws.readyState, client.ws.OPEN, 'the connection stays')
    }
  })

  t.test('tell when to come back even where errors have no details', async t => {
    const { connect } = await serve(t, {
      exposeErrorDetails: false,
      rateLimit: { maxRequests: 1, windowMs: 60_000 }
    })
    const client = await connect()
    client.send('{')
    client.send('{')
    await client.next(frame => frame['code'] === 'PARSE_ERROR')
    t.match(await client.next(), { id: 0, code: 'RATE_LIMITED', details: { retryAfterMs: Number } })
    t.match(await client.request('store.buckets'), {
      code: 'RATE_LIMITED',
      details: { retryAfterMs: Number }
    })
  })

  t.test('[G-I2] of a user who is named like an address share nothing with it', async t => {
    const { url } = await serve(t, {
      ...behindProxy,
      auth: userTokens,
      rateLimit: { maxRequests: 2, windowMs: 60_000 }
    })
    const user = await openFrom(t, url, '198.51.100.1')
    await user.ask('auth.login', { token: '203.0.113.7' })
    t.same(await codes(user, 3, 'store.count', { bucket: 'items' }), ['result', 'result', 'RATE_LIMITED'])
    const guest = await openFrom(t, url, '203.0.113.7')
    t.same(await codes(guest, 3, 'auth.whoami'), ['result', 'result', 'RATE_LIMITED'])
  })

  t.test(
    'before a login are counted by the real address, a whole /64 of IPv6 as one, and so is the login',
    async t => {
      const { url } = await serve(t, {
        ...behindProxy,
        auth: userTokens,
        rateLimit: { maxRequests: 2, windowMs: 60_000 }
      })
      const [one, other] = [await openFrom(t, url, '2001:db8::1'), await openFrom(t, url, '2001:db8::ffff:2')]
      await one.ask('auth.login', { token: 'ann' })
      t.same(
        await codes(one, 2, 'store.count', { bucket: 'items' }),
        ['result', 'result'],
        'ann pays for herself now'
      )
      t.same(await codes(other, 2, 'auth.whoami'), ['result', 'RATE_LIMITED'])
      t.same(
        await codes(await openFrom(t, url, '2001:db8:0:1::1'), 1, 'auth.whoami'),
        ['result'],
        'the next network'
      )
      t.same(await codes(await openFrom(t, url, '203.0.113.1'), 1, 'auth.whoami'), ['result'])
    }
  )

  t.test('cost what the application says', async t => {
    const { connect, store } = await serve(t, {
      rateLimit: { maxRequests: 10, windowMs: 60_000, costs: { 'store.query': 6, 'store.buckets': 0 } }
    })
    store.defineQuery('all', async ctx => await ctx.bucket('items').all())
    const client = await connect()
    t.same(await codes(client, 20, 'store.buckets'), Array(20).fill('result'), 'free')
    t.same(await codes(client, 2, 'store.query', { query: 'all' }), ['result', 'RATE_LIMITED'])
    t.same(
      await codes(client, 5, 'store.count', { bucket: 'items' }),
      ['result', 'result', 'result', 'result', 'RATE_LIMITED'],
      'what is left'
    )
  })

  t.test('for statistics with a wrong token count by address; 429 precedes the check', async t => {
    let validated = 0
    const { port } = await serve(t, {
      auth: {
        async validate (token) {
          validated++
          return token === 'right' ? { userId: 'ann', roles: ['admin'] } : null
        }
      },
      rateLimit: { maxRequests: 3, windowMs: 60_000 }
    })
    const get = async (token: string): Promise<Response> =>
      await fetch(`http://127.0.0.1:${port}/stats`, { headers: { authorization: `Bearer ${token}` } })
    for (let i = 0; i < 9; i++) {
      t.equal((await get('right')).status, 200, 'who scrapes all the time is not limited')
    }
    for (let i = 0; i < 3; i++) t.equal((await get('guess')).status, 401)
    const refused = await get('guess')
    t.equal(refused.status, 429)
    t.match(refused.headers.get('retry-after'), /^(?:[1-5]\d|60)$/)
    t.equal(validated, 12)
  })

  t.test('that are refused are recorded: the first of a connection, and at its end how many', async t => {
    const entries: AuditEntry[] = []
    const { connect } = await serve(t, {
      auth: userTokens,
      audit: { tiers: ['admin', 'write'], onEntry: entry => { entries.push(entry) } },
      rateLimit: { maxRequests: 2, windowMs: 60_000 }
    })
    const client = await connect()
    await client.ask('auth.login', { token: 'admin' })
    await codes(client, 12, 'store.insert', { bucket: 'items', data: {} })
    t.match(
      entries.map(({ operation, result }) => `${operation} ${result}`),
      ['auth.login success', 'store.insert success', 'store.insert success', 'connection.limited error']
    )
    client.ws.terminate()
    while (entries.length < 5) await new Promise(resolve => { setImmediate(resolve) })
    t.match(entries.slice(3), [
      {
        operation: 'connection.limited',
        userId: 'admin',
        error: 'Rate limit exceeded',
        details: { operation: 'store.insert' }
      },
      { operation: 'connection.limited', details: { frames: 10 } }
    ])
  })
  t.end()
})

t.test('a client that goes on asking beyond the limit keeps no other waiting', async t => {
  const { url } = await serve(t, { ...behindProxy, rateLimit: { maxRequests: 1, windowMs: 60_000 } })
  const flooder = await openFrom(t, url, '203.0.113.1')
  const other = await openFrom(t, url, '203.0.113.2')
  for (let i = 1; i <= 50_000; i++) flooder.send({ id: i, type: 'store.buckets' })
  t.match(await other.request('store.buckets'), { type: 'result' })
  t.notOk(
    flooder.waiting.some(frame => frame['id'] === 50_000),
    'the other did not have to wait for all of them'
  )
  t.match(await flooder.next(frame => frame['id'] === 50_000), { code: 'RATE_LIMITED' })
  t.equal(flooder.waiting.filter(frame => frame['type'] === 'result').length, 1)
})
