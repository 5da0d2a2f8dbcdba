import { EventEmitter, once } from 'node:events'
import type { Socket } from 'node:net'
import t from 'tap'
import WebSocket from 'ws'
import type { AuditEntry } from '../../lib/audit/entry.js'
import { TestClient } from '../support/client.js'
import { serve } from '../support/service.js'
import { ADMIN_SECRET, PASSWORD, serveAccounts } from '../support/identity.js'
import { everything, query } from '../support/audit-sinks.js'

/** Returns entries without their time, oldest first. */
function shown (entries: readonly AuditEntry[]): object[] {
  return entries.map(({ timestamp: _timestamp, ...entry }) => entry).reverse()
}

t.test('the recorded entries', t => {
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
    '[G-D4] the resource is the one that the operation acts on, not another one that the request names',
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
    // Other values in the place of a name are refused, and not recorded either.
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
      const entries = new EventEmitter()
      const onEntry = (entry: AuditEntry): void => {
        seen.push(entry)
        entries.emit('entry')
      }
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
      while (!seen.some(({ error }) => error === 'slow_consumer')) await once(entries, 'entry')
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
