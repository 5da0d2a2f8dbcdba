import t from 'tap'
import { recordEntry } from '../../lib/audit/entry.js'
import { serve } from '../support/service.js'
import { logInto } from '../support/log-into.js'
import { query } from '../support/audit-sinks.js'

t.test('audit.query', t => {
  t.test('filters, newest first', async t => {
    const { connect } = await serve(t, {
      audit: { tiers: ['write', 'admin'] },
      auth: { required: false, validate: token => ({ userId: token, roles: ['admin'] }) }
    })
    const client = await connect()
    await client.ask('auth.login', { token: 'alice' })
    for (const n of [1, 2, 3]) await client.ask('store.insert', { bucket: 'items', data: { n } })
    await client.code('store.insert', { bucket: 'gone', data: {} })
    t.equal((await query(client, { operation: 'store.insert' })).length, 4)
    t.same(
      (await query(client, { operation: 'store.insert', limit: 1 })).map(({ resource }) => resource),
      ['gone']
    )
    t.equal((await query(client, { operation: 'store.insert', result: 'success' })).length, 3)
    t.equal((await query(client, { userId: 'bob' })).length, 0)
    t.equal((await query(client, { userId: 'alice', operation: 'auth.login' })).length, 1)
    const [newest] = await query(client, { operation: 'store.insert' })
    t.equal(
      (await query(client, { operation: 'store.insert', from: (newest?.timestamp ?? 0) + 1 })).length,
      0
    )
    t.ok((await query(client, { operation: 'store.insert', to: newest?.timestamp })).length === 4)
    t.equal((await query(client, { operation: 'audit.query', limit: 1 }))[0]?.resource, '*')
    await query(client, { userId: 'bob' })
    t.equal((await query(client, { operation: 'audit.query', limit: 1 }))[0]?.resource, 'user:bob')
    for (const filter of [
      { userId: 1 },
      { userId: null },
      { operation: 5 },
      { result: 'maybe' },
      { from: '0' },
      { to: null },
      { limit: 0 },
      { limit: 1.5 }
    ]) {
      t.equal(await client.code('audit.query', filter), 'VALIDATION_ERROR', JSON.stringify(filter))
    }
  })

  t.test('is unknown without the option, and needs a permission', async t => {
    t.equal(await (await (await serve(t)).connect()).code('audit.query'), 'UNKNOWN_OPERATION')
    const { connect } = await serve(t, {
      audit: {},
      auth: { validate: token => ({ userId: token, roles: ['writer'] }) }
    })
    const client = await connect()
    await client.ask('auth.login', { token: 'alice' })
    t.equal(await client.code('audit.query'), 'FORBIDDEN')
  })

  t.test('returns the newest entries, as many as are kept', async t => {
    const { connect } = await serve(t, { audit: { tiers: ['write'], maxEntries: 3 } })
    const client = await connect()
    for (const bucket of ['a', 'b', 'c', 'd', 'e']) await client.code('store.insert', { bucket, data: {} })
    t.same((await query(client)).map(({ resource }) => resource), ['e', 'd', 'c'])
  })
  t.end()
})

t.test('onEntry and the log', t => {
  t.test('[G-D3] a listener that throws or rejects harms neither reply nor process', async t => {
    let calls = 0
    const onEntry = (): unknown => {
      if (calls++ % 2 === 0) throw new Error('thrown')
      return Promise.reject(new Error('rejected'))
    }
    const { connect } = await serve(t, { audit: { tiers: ['write'], onEntry } })
    const client = await connect()
    for (let n = 0; n < 4; n++) await client.ask('store.insert', { bucket: 'items', data: { n } })
    await client.settled()
    t.equal(calls, 4)
    t.same(client.waiting, [], 'each request has one reply')
  })

  t.test('each entry is a line of the connection\'s logger, at the level of the option', async t => {
    const lines: Array<Record<string, unknown>> = []
    const audit = { tiers: ['write' as const], logLevel: 'warn' as const }
    const { connect } = await serve(t, { audit }, { fastify: { logger: logInto(lines) } })
    const client = await connect()
    await client.ask('store.insert', { bucket: 'items', data: {} })
    t.match(lines, [
      {
        level: 40,
        msg: 'audit',
        reqId: /^req-/,
        connectionId: /^conn-/,
        audit: { operation: 'store.insert', resource: 'items' }
      }
    ])
  })
  t.end()
})

t.test('the bounds of an entry', async t => {
  const entry = {
    timestamp: 1,
    userId: 'u',
    sessionId: null,
    operation: 'identity.login',
    resource: `user:${'x'.repeat(5_000)}`,
    result: 'error',
    error: 'e'.repeat(5_000),
    remoteAddress: '::1'
  } as const
  const { json, entry: bounded } = recordEntry({
    ...entry,
    details: {
      username: `a\0b\uD800${'y'.repeat(5_000)}`,
      permissions: Array.from({ length: 5_000 }, () => 'z')
    }
  })
  t.ok(json.length < 4_000)
  t.equal(bounded.resource.length, 256)
  t.match(bounded.details, { truncated: true, sha256: /^[0-9a-f]{64}$/ })
  t.same(
    recordEntry({ ...entry, details: { username: 'a\0b\uD800' } }).entry.details,
    { username: 'a\uFFFDb\uFFFD' },
    'and it holds nothing that a database refuses'
  )
})
