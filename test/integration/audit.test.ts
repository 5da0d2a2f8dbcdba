import type { Socket } from 'node:net'
import t, { type Test } from 'tap'
import WebSocket from 'ws'
import { recordEntry, type AuditEntry, type RecordedEntry } from '../../lib/audit/entry.js'
import type { AuditSink, SinkContext, SinkPolicies } from '../../lib/audit/sink.js'
import { TestClient } from '../support/client.js'
import { serve } from '../support/service.js'
import { ADMIN_SECRET, PASSWORD, serveAccounts } from '../support/identity.js'
import { logInto } from '../support/log-into.js'

const everything = { tiers: ['read', 'write', 'admin'] as const, logLevel: 'silent' as const }

/** The entries of operations, oldest first, without time. */
function shown (entries: readonly AuditEntry[]): object[] {
  return entries.map(({ timestamp: _timestamp, ...entry }) => entry).reverse()
}

/** A sink that a test holds up, lets go on and breaks. */
class HandSink implements AuditSink {
  readonly name = 'by-hand'
  readonly policy: SinkPolicies
  readonly entries: AuditEntry[] = []
  /** Batches become durable at once. */
  flows = true
  context: SinkContext | undefined
  #held: Array<() => void> = []
  #arrived: Array<() => void> = []
  waiting: AuditEntry[] = []

  constructor (policy: Partial<SinkPolicies> = {}) {
    this.policy = { admin: 'block', write: 'block', read: 'block', ...policy }
  }

  async open (context: SinkContext) {
    this.context = context
    return {
      write: async (batch: readonly RecordedEntry[]) => {
        const entries = batch.map(({ entry }) => entry)
        this.waiting = entries
        for (const arrived of this.#arrived.splice(0)) arrived()
        if (!this.flows) await new Promise<void>(resolve => { this.#held.push(resolve) })
        this.entries.push(...entries)
      },
      close: async () => {}
    }
  }

  /** Resolves when a batch with this operation waits. */
  async has (operation: string): Promise<void> {
    while (!this.waiting.some(entry => entry.operation === operation)) {
      await new Promise<void>(resolve => { this.#arrived.push(resolve) })
    }
  }

  flow (): void {
    this.flows = true
    for (const go of this.#held.splice(0)) go()
  }

  fail (): void {
    this.context?.failing(new Error('no space left'), 'ENOSPC')
  }
}

async function query (client: TestClient, filter: object = {}): Promise<AuditEntry[]> {
  return (await client.ask('audit.query', filter)).entries
}

t.test('what is recorded', t => {
  t.test('every operation of the tiers, success or failure, and nothing else', async t => {
    const { connect } = await serve(t, { audit: { tiers: ['write', 'admin'] } })
    const client = await connect()
    const { id } = await client.ask('store.insert', { bucket: 'items', data: { name: 'secret record data' } })
    await client.ask('store.get', { bucket: 'items', key: id })
    await client.code('store.insert', { bucket: 'nowhere', data: {} })
    await client.code('store.insert', { bucket: 'items' })
    await client.code('no.such', {})
    await client.ask('store.defineBucket', {
      name: 'fresh',
      config: { key: 'id', schema: { id: { type: 'string' } } }
    })
    const entries = await query(client)
    const same = { userId: null, remoteAddress: '127.0.0.1', sessionId: entries[0]?.sessionId }
    t.match(same.sessionId, /^conn-\d+$/)
    t.same(shown(entries), [
      { ...same, operation: 'store.insert', resource: 'items', result: 'success' },
      {
        ...same,
        operation: 'store.insert',
        resource: 'nowhere',
        result: 'error',
        error: 'Bucket "nowhere" is not defined'
      },
      { ...same, operation: 'store.insert', resource: 'items', result: 'error', error: entries[1]?.error },
      { ...same, operation: 'store.defineBucket', resource: 'fresh', result: 'success' }
    ])
    t.notMatch(JSON.stringify(entries), /secret record data/)
    t.same(Object.keys(entries.at(-1) as object), [
      'timestamp',
      'userId',
      'sessionId',
      'operation',
      'resource',
      'result',
      'remoteAddress'
    ])
    t.equal((await query(client)).at(0)?.operation, 'audit.query', 'the query itself shows up in the next')
  })

  t.test(
    '[G-D4] the resource is the one that the operation acts on, whatever else the request names',
    async t => {
      const { connect, store } = await serve(t, { audit: everything })
      await store.defineBucket('secretz', {
        key: 'id',
        schema: { id: { type: 'string', generated: 'uuid' } }
      })
      const client = await connect()
      const decoys = {
        name: 'decoy',
        ruleId: 'decoy',
        topic: 'decoy',
        key: 'decoy',
        pattern: 'decoy',
        userId: 'decoy',
        username: 'decoy',
        roleId: 'decoy',
        resourceType: 'decoy',
        resourceName: 'decoy'
      }
      await client.ask('store.insert', { ...decoys, bucket: 'secretz', data: {} })
      await client.ask('store.dropBucket', { ...decoys, name: 'secretz', bucket: 'items' })
      await client.ask('store.buckets', { ...decoys, bucket: 'decoy' })
      await client.ask('store.transaction', {
        ...decoys,
        bucket: 'decoy',
        operations: [{ op: 'count', bucket: 'items' }]
      })
      t.same(
        shown(await query(client)).map(entry => (entry as AuditEntry).resource),
        ['secretz', 'secretz', '*', 'items']
      )
    }
  )

  t.test('[G-D5] subscriptions name their query, transactions their buckets', async t => {
    const { connect, store } = await serve(t, { audit: everything })
    await store.defineBucket('other', { key: 'id', schema: { id: { type: 'string', generated: 'uuid' } } })
    store.defineDeclarativeQuery('all-items', { bucket: 'items' })
    const client = await connect()
    const { subscriptionId } = await client.ask('store.subscribe', { query: 'all-items' })
    await client.ask('store.unsubscribe', { subscriptionId })
    await client.ask('store.transaction', {
      operations: [
        { op: 'count', bucket: 'items' },
        { op: 'insert', bucket: 'other', data: {} }
      ]
    })
    t.match(shown(await query(client)), [
      { operation: 'store.subscribe', resource: 'all-items' },
      { operation: 'store.unsubscribe', resource: '*' },
      { operation: 'store.transaction', resource: '*', details: { buckets: ['items', 'other'] } }
    ])
  })

  t.test('[G-D1] logins, failed ones too, and [G-D8] the user who logs out', async t => {
    const { connect } = await serve(t, {
      audit: {},
      auth: { validate: token => (token === 'good' ? { userId: 'alice', roles: ['admin'] } : null) }
    })
    const client = await connect()
    await client.code('auth.login', { token: 'bad token' })
    await client.ask('auth.login', { token: 'good' })
    await client.ask('auth.logout')
    await client.ask('auth.login', { token: 'good' })
    const entries = await query(client)
    t.match(shown(entries), [
      { operation: 'auth.login', userId: null, resource: '*', result: 'error', error: 'Invalid token' },
      { operation: 'auth.login', userId: 'alice', result: 'success' },
      { operation: 'auth.logout', userId: 'alice', result: 'success' },
      { operation: 'auth.login', userId: 'alice', result: 'success' }
    ])
    t.notMatch(JSON.stringify(entries), /"token"|bad token|good/)
  })

  t.test('[G-D2, G-D11] all changes of accounts, with the details that matter and no secret', async t => {
    const { superadmin, connect } = await serveAccounts(t, {}, { audit: {} })
    const client = await superadmin()
    const { id } = await client.ask('identity.createUser', {
      username: 'alice',
      password: PASSWORD,
      metadata: { note: 'private' }
    })
    await client.ask('identity.updateUser', { userId: id, displayName: 'Alice' })
    await client.ask('identity.createRole', {
      name: 'clerk',
      permissions: [{ allow: 'store.*', buckets: ['items'] }]
    })
    await client.ask('identity.assignRole', { userId: id, roleName: 'clerk' })
    await client.ask('identity.resetPassword', { userId: id, newPassword: 'another long password' })
    await client.ask('identity.grant', {
      subjectType: 'user',
      subjectId: id,
      resourceType: 'bucket',
      resourceName: 'items',
      operations: ['read']
    })
    const other = await connect()
    await other.code('identity.login', { username: 'alice', password: PASSWORD })
    const { token } = await other.ask('identity.login', {
      username: 'alice',
      password: 'another long password'
    })
    await other.ask('identity.logout')
    await client.ask('identity.deleteUser', { userId: id })
    // Whatever is put where a name belongs is refused, and not recorded either.
    const misplaced = { password: 'misplaced secret' }
    await other.code('identity.login', { username: { user: 'bob', ...misplaced }, password: 'x' })
    await client.code('identity.createUser', { username: [misplaced], password: 'x' })
    await client.code('identity.grant', {
      subjectType: misplaced,
      subjectId: id,
      resourceType: 'bucket',
      resourceName: 'items',
      operations: [misplaced]
    })
    await client.code('identity.createRole', { name: 'x', permissions: [{ allow: 'store.*', ...misplaced }] })
    const entries = await query(client)
    t.match(shown(entries), [
      { operation: 'identity.loginWithSecret', resource: '*', userId: '__superadmin__' },
      { operation: 'identity.createUser', resource: 'user:alice', details: { username: 'alice' } },
      { operation: 'identity.updateUser', resource: `user:${String(id)}` },
      {
        operation: 'identity.createRole',
        resource: 'clerk',
        details: { permissions: [{ allow: 'store.*', buckets: ['items'] }] }
      },
      {
        operation: 'identity.assignRole',
        resource: `user:${String(id)}`,
        details: { userId: id, roleName: 'clerk' }
      },
      { operation: 'identity.resetPassword', resource: `user:${String(id)}`, details: { userId: id } },
      {
        operation: 'identity.grant',
        resource: 'bucket:items',
        details: { subjectType: 'user', subjectId: id, operations: ['read'] }
      },
      { operation: 'identity.login', resource: 'user:alice', userId: null, result: 'error' },
      { operation: 'identity.login', resource: 'user:alice', userId: id, result: 'success' },
      { operation: 'identity.logout', resource: '*', userId: id },
      { operation: 'identity.deleteUser', resource: `user:${String(id)}` },
      { operation: 'identity.login', resource: '*', result: 'error', details: undefined },
      { operation: 'identity.createUser', resource: '*', details: { username: [] } },
      { operation: 'identity.grant', details: { resourceType: 'bucket', operations: [] } },
      { operation: 'identity.createRole', resource: 'x', details: undefined }
    ])
    for (const secret of [
      'misplaced secret',
      PASSWORD,
      'another long password',
      ADMIN_SECRET,
      token,
      'private'
    ]) {
      t.notOk(JSON.stringify(entries).includes(String(secret)))
    }
  })

  t.test('[G-D9] refused connections, violations, revocations and the drain', async t => {
    const seen: AuditEntry[] = []
    const { connect, url, app } = await serve(t, {
      allowedOrigins: ['https://a.example'],
      auth: { validate: token => ({ userId: token, roles: [] }) },
      audit: { onEntry: entry => { seen.push(entry) } }
    })
    await new Promise<void>(
      resolve => { new WebSocket(url, { origin: 'https://evil.example' }).on('error', () => { resolve() }) }
    )
    const client = await connect()
    client.send('no JSON')
    client.send('[]')
    await client.ask('auth.login', { token: 'alice' })
    app.noex.revokeSession('alice')
    await client.closed
    const binary = await connect()
    binary.ws.send(Buffer.from('binary'))
    await binary.closed
    await app.close()
    t.match(seen.filter(({ operation }) => operation !== 'auth.login'), [
      {
        operation: 'connection.refuse',
        result: 'error',
        error: 'the origin is not allowed',
        sessionId: null,
        remoteAddress: '127.0.0.1'
      },
      { operation: 'connection.malformed', result: 'error' },
      { operation: 'connection.close', userId: 'alice', error: 'session_revoked', details: { code: 4002 } },
      { operation: 'connection.malformed', details: { frames: 2 } },
      {
        operation: 'session.revoke',
        resource: 'user:alice',
        result: 'success',
        sessionId: null,
        remoteAddress: ''
      },
      { operation: 'connection.close', error: 'binary_not_supported', details: { code: 1003 } },
      { operation: 'server.drain', result: 'success' }
    ])
  })

  t.test(
    '[G-D9] clients that are cut off: silent, not reading, too many, and those that break the protocol',
    async t => {
      const seen: AuditEntry[] = []
      const onEntry = (entry: AuditEntry): void => { seen.push(entry) }
      const audit = { tiers: ['admin'], logLevel: 'silent', onEntry } as const
      const silent = await (await serve(t, { audit, heartbeat: { intervalMs: 60, timeoutMs: 30 } })).connect()
      silent.answersPings = false
      await silent.closed

      const limited = await serve(t, { audit, maxConnectionsPerIp: 1 })
      const first = await limited.connect()
      await TestClient.raw(t, limited.url).closed
      // An unmasked frame.
      const { _socket: socket } = first.ws as unknown as { _socket: Socket }
      socket.write(Buffer.from([0x81, 0x01, 0x41]))
      t.equal((await first.closed).code, 1002)

      const { store, connect } = await serve(t, {
        audit,
        backpressure: { maxBufferedBytes: 100_000, drainTimeoutMs: 50 }
      })
      await store.bucket('items').insert({ id: 'long', name: 'x'.repeat(1_000_000) })
      const slow = await connect()
      slow.ws.pause()
      for (let id = 1; id <= 30; id++) slow.send({ id, type: 'store.all', bucket: 'items' })
      while (!seen.some(({ error }) => error === 'slow_consumer')) {
        await new Promise(resolve => { setTimeout(resolve, 20) })
      }
      slow.ws.terminate()
      t.match(seen, [
        { operation: 'connection.close', error: 'heartbeat_timeout', details: { code: 4001 } },
        { operation: 'connection.close', error: 'too_many_connections', details: { code: 4003 } },
        { operation: 'connection.violation', result: 'error', error: /MASK/ },
        { operation: 'connection.close', error: 'slow_consumer', details: { code: 1013 } }
      ])
      for (const { sessionId, remoteAddress } of seen) {
        t.match({ sessionId, remoteAddress }, { sessionId: /^conn-/, remoteAddress: '127.0.0.1' })
      }
    }
  )

  t.test('[G-D7] whose upgrade is refused behind a proxy, by the address of the client', async t => {
    const seen: AuditEntry[] = []
    const { url } = await serve(t, {
      audit: { onEntry: entry => { seen.push(entry) } },
      allowedOrigins: ['https://a.example'],
      realIpHeader: 'x-real-ip',
      trustedProxies: ['127.0.0.1']
    })
    const refused = new WebSocket(url, {
      origin: 'https://evil.example',
      headers: { 'x-real-ip': '203.0.113.7' }
    })
    await new Promise<void>(resolve => { refused.on('error', () => { resolve() }) })
    t.match(seen, [
      { operation: 'connection.refuse', error: 'the origin is not allowed', remoteAddress: '203.0.113.7' }
    ])
  })

  t.test('[G-D7] the client\'s address behind a proxy', async t => {
    const { connect, url } = await serve(t, {
      audit: {},
      realIpHeader: 'x-real-ip',
      trustedProxies: ['127.0.0.1']
    })
    const proxied = new WebSocket(url, { headers: { 'x-real-ip': '203.0.113.7' } })
    t.teardown(() => { proxied.terminate() })
    await new Promise(resolve => { proxied.on('open', resolve) })
    const answered = new Promise(
      resolve => { proxied.on('message', data => { if (String(data).includes('"id":1')) resolve(data) }) }
    )
    proxied.send('{"id":1,"type":"server.stats"}')
    await answered
    t.equal((await query(await connect()))[0]?.remoteAddress, '203.0.113.7')
  })
  t.end()
})

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

  t.test('is unknown without the option, and asks for the right to it', async t => {
    t.equal(await (await (await serve(t)).connect()).code('audit.query'), 'UNKNOWN_OPERATION')
    const { connect } = await serve(t, {
      audit: {},
      auth: { validate: token => ({ userId: token, roles: ['writer'] }) }
    })
    const client = await connect()
    await client.ask('auth.login', { token: 'alice' })
    t.equal(await client.code('audit.query'), 'FORBIDDEN')
  })

  t.test('has the newest entries, as many as are kept', async t => {
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

t.test('a sink whose policy is to block', t => {
  t.test(
    'holds the reply until the entry is durable, while the next request runs; replies keep their order, pushes need not wait',
    async t => {
      const sink = new HandSink({ read: 'drop' })
      const { connect, store } = await serve(t, { audit: { ...everything, sinks: [sink] } })
      store.defineDeclarativeQuery('all-items', { bucket: 'items' })
      const client = await connect()
      const { subscriptionId } = await client.ask('store.subscribe', { query: 'all-items' })
      sink.flows = false
      client.send({ id: 101, type: 'store.insert', bucket: 'items', data: { id: 'a' } })
      client.send({ id: 102, type: 'store.get', bucket: 'items', key: 'a' })
      await client.push(subscriptionId)
      await sink.has('store.insert')
      t.equal(await store.bucket('items').count(), 1)
      t.same(client.waiting, [], 'neither reply has come')
      sink.flow()
      t.match(await client.next(), { id: 101, type: 'result' })
      t.match(await client.next(), { id: 102, type: 'result', data: { id: 'a' } })
    }
  )

  t.test('that fails lets nothing run any more, tells who waits that theirs has run, turns /healthz to 503, and all recovers', async t => {
    const sink = new HandSink()
    const { connect, store, app } = await serve(t, {
      audit: { ...everything, tiers: ['write'], sinks: [sink] }
    })
    const client = await connect()
    sink.flows = false
    client.send({ id: 101, type: 'store.insert', bucket: 'items', data: { id: 'a' } })
    await sink.has('store.insert')
    sink.fail()
    t.match(await client.next(({ id }) => id === 101), {
      code: 'INTERNAL_ERROR',
      details: { reason: 'audit_unavailable', applied: true }
    })
    t.same((await client.request('store.insert', { bucket: 'items', data: { id: 'b' } }))['details'], {
      reason: 'audit_unavailable'
    })
    t.same(
      (await store.bucket('items').all()).map(({ id }) => id),
      ['a'],
      'the second was refused before it ran'
    )
    t.same(await client.ask('store.count', { bucket: 'items' }), 1, 'what is not recorded goes on')
    const health = await app.inject('/healthz')
    t.equal(health.statusCode, 503)
    t.same(health.json(), { status: 'audit_unavailable', reason: 'by-hand: ENOSPC' })
    t.equal((await app.inject('/readyz')).statusCode, 503)
    t.equal((await app.inject('/livez')).statusCode, 200, 'to be started again would not help')
    t.match((await app.inject('/stats')).json(), {
      audit: { sinks: [{ name: 'by-hand', problem: 'by-hand: ENOSPC', queued: 2 }] }
    })
    sink.flow()
    await client.settled()
    while ((await app.inject('/healthz')).statusCode !== 200) await client.settled()
    await client.ask('store.insert', { bucket: 'items', data: { id: 'c' } })
    t.same(
      sink.entries.map(({ operation, result }) => `${operation} ${result}`),
      ['store.insert success', 'store.insert error', 'store.insert success']
    )
  })

  t.test('that hangs is waited for no longer than writeTimeoutMs', async t => {
    const sink = new HandSink()
    const { connect, app } = await serve(t, {
      audit: { ...everything, tiers: ['write'], sinks: [sink], writeTimeoutMs: 50 }
    })
    const client = await connect()
    sink.flows = false
    t.match(await client.request('store.insert', { bucket: 'items', data: {} }), {
      details: { reason: 'audit_unavailable', applied: true }
    })
    t.same((await client.request('store.insert', { bucket: 'items', data: {} }))['details'], {
      reason: 'audit_unavailable'
    })
    t.match((await app.inject('/healthz')).json(), { reason: /by-hand: nothing has become durable/ })
    sink.flow()
    await client.settled()
    await client.ask('store.insert', { bucket: 'items', data: {} })
    t.equal((await app.inject('/healthz')).statusCode, 200)
  })

  t.test('takes back a subscription whose reply could not be sent', async t => {
    const sink = new HandSink()
    const { connect, store, app } = await serve(t, {
      audit: { ...everything, tiers: ['read'], sinks: [sink], writeTimeoutMs: 50 }
    })
    store.defineDeclarativeQuery('all-items', { bucket: 'items' })
    const client = await connect()
    sink.flows = false
    t.same((await client.request('store.subscribe', { query: 'all-items' }))['details'], {
      reason: 'audit_unavailable'
    })
    t.equal(app.noex.getConnections()[0]?.storeSubscriptionCount, 0)
    sink.flow()
  })

  t.test('is flushed by close, which rejects with the number of what is lost', async t => {
    const good = new HandSink()
    const one = await serve(t, { audit: { ...everything, sinks: [good] } })
    const client = await one.connect()
    good.flows = false
    client.send({ id: 1, type: 'store.insert', bucket: 'items', data: {} })
    await good.has('store.insert')
    const closed = one.app.close()
    good.flow()
    await closed
    t.ok(good.entries.some(({ operation }) => operation === 'server.drain'))

    const bad = new HandSink()
    const two = await serve(t, { audit: { ...everything, sinks: [bad], writeTimeoutMs: 50 } })
    const other = await two.connect()
    bad.flows = false
    await other.request('store.insert', { bucket: 'items', data: {} })
    await t.rejects(two.app.close(), /2 audit entries did not become durable/)
  })

  t.test('holds more requests back instead of keeping ever more replies', async t => {
    const sink = new HandSink()
    const { connect, store } = await serve(t, { audit: { ...everything, tiers: ['write'], sinks: [sink] } })
    const client = await connect()
    sink.flows = false
    for (let id = 1; id <= 1_000; id++) {
      client.send({ id, type: 'store.insert', bucket: 'items', data: { n: id } })
    }
    await sink.has('store.insert')
    const other = await connect()
    let before = -1
    for (let count = 0; count !== before; count = await store.bucket('items').count()) {
      before = count
      await other.settled()
    }
    t.ok(before < 300, `${before} have run`)
    sink.flow()
    const ids: unknown[] = []
    while (ids.length < 1_000) ids.push((await client.next())['id'])
    t.same(ids, Array.from(ids, (_, i) => i + 1), 'in their order')
  })
  t.end()
})

t.test('a sink whose policy is to drop', t => {
  t.test('delays no reply', async t => {
    const sink = new HandSink({ write: 'drop' })
    const { connect } = await serve(t, { audit: { ...everything, tiers: ['write'], sinks: [sink] } })
    const client = await connect()
    sink.flows = false
    await client.ask('store.insert', { bucket: 'items', data: {} })
    sink.fail()
    await client.ask('store.insert', { bucket: 'items', data: {} })
    sink.flow()
  })

  t.test('names what was left out, where it would have stood, with its number', async t => {
    const sink = new HandSink({ write: 'drop' })
    const { app, connect } = await serve(t, { audit: { ...everything, tiers: ['write'], sinks: [sink] } })
    const client = await connect()
    sink.flows = false
    const requests = 10_500
    for (let id = 100; id < 100 + requests; id++) {
      client.send({ id, type: 'store.insert', bucket: 'nowhere', data: {} })
    }
    await client.next(({ id }) => id === 99 + requests)
    sink.flow()
    await client.ask('store.insert', { bucket: 'items', data: {} })
    await app.close()
    const gaps = sink.entries.filter(({ operation }) => operation === 'audit.gap')
    t.equal(gaps.length, 1)
    const recorded = sink.entries.filter(({ operation }) => operation === 'store.insert').length
    t.equal(recorded + Number(gaps[0]?.details?.['count']), requests + 1, 'every entry is there or counted')
    t.ok(sink.entries.indexOf(gaps[0] as AuditEntry) > 9_000, 'behind what came before it')
  })
  t.end()
})

t.test('a plugin whose sink cannot be opened does not start', async (t: Test) => {
  const sink: AuditSink = {
    name: 'broken',
    policy: new HandSink().policy,
    open: async () => { throw new Error('no such directory') }
  }
  await t.rejects(serve(t, { audit: { sinks: [sink] } }), /no such directory/)
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
