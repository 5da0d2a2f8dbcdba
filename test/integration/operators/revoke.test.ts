import t from 'tap'
import { operatedModes } from '../../support/audited-acts.js'
import { serveTokens } from '../../support/external-auth.js'
import { PASSWORD, serveAccounts } from '../../support/identity.js'
import { Barrier } from '../../support/barrier.js'
import { poster } from '../../support/rpc.js'

const acts = ['server.revoke', 'connection.close', 'session.revoke']
const revoked = { type: 'system', event: 'session_revoked', reason: 'Session revoked by administrator' }

for (const [mode, serveMode] of Object.entries(operatedModes)) {
  t.test(`${mode}, server.revoke`, async t => {
    const { operator: open, alice: openAlice, aliceId, operatorId, entriesOf } = await serveMode(t)
    const operator = await open()
    if (aliceId === null) {
      const none = { sessions: 0, connections: 0 }
      t.same(await operator.ask('server.revoke', { userId: 'alice' }), none, 'there are no sessions')
      t.same(await operator.ask('server.revoke', { role: 'reader' }), none)
      t.equal(entriesOf(...acts).length, 2)
      return
    }
    const clients = [await openAlice(), await openAlice()]
    t.match(await operator.ask('server.revoke', { userId: aliceId }), { sessions: 2, connections: 2 })
    for (const client of clients) {
      t.match(await client.closed, { code: 4002, reason: 'session_revoked' })
      t.match(client.waiting, [revoked])
    }
    t.match(entriesOf(...acts), [{
      userId: operatorId,
      operation: 'server.revoke',
      resource: `user:${aliceId}`,
      result: 'success',
      details: { sessions: 2, connections: 2 }
    }])
    t.equal(entriesOf(...acts).length, 1, 'one entry for all of it')
    await t.rejects(openAlice(), 'the user cannot come back for a while')
    const wrong = [{}, { userId: 'a', role: 'b' }, { userId: '' }, { role: 5 }, { userId: 'x'.repeat(257) }]
    for (const fields of wrong) {
      t.equal(await operator.code('server.revoke', fields), 'VALIDATION_ERROR', JSON.stringify(fields))
    }
  })

  t.test(`${mode}, an operator who is hit by the own revocation is answered first`, async t => {
    const { operator: open, aliceId, operatorId, entriesOf, served: { store } } = await serveMode(t)
    if (aliceId === null) return
    const [operator, other] = [await open(), await open()]
    const revoking = operator.request('server.revoke', { userId: operatorId })
    operator.send({ id: 88, type: 'store.insert', bucket: 'items', data: {} })
    t.match(await revoking, { type: 'result', data: { sessions: 2, connections: 2 } })
    t.match(await operator.closed, { code: 4002 })
    t.match(await other.closed, { code: 4002 })
    t.match(entriesOf(...acts), [{ userId: operatorId }])
    t.equal(entriesOf(...acts).length, 1)
    t.equal(await store.bucket('items').count(), 0, 'nothing that followed was done')
  })
}

t.test('an account that is revoked may log in again once it is enabled', async t => {
  const { superadmin, user, connect } = await serveAccounts(t)
  const id = await user('alice', 'writer')
  const operator = await superadmin()
  await operator.ask('server.revoke', { userId: id })
  const client = await connect()
  const credentials = { username: 'alice', password: PASSWORD }
  t.equal(await client.code('identity.login', credentials), 'SESSION_REVOKED')
  t.match(await operator.ask('identity.enableUser', { userId: id }), { enabled: true })
  t.match(await client.ask('identity.login', credentials), { user: { id } })
})

t.test('a role is revoked with all who have it', async t => {
  const { as, connect, app } = await serveTokens(t, {}, { audit: {} })
  const operator = await as('admin')
  const [rita, walt] = [await as('reader'), await as('writer')]
  t.same(await operator.ask('server.revoke', { role: 'reader' }), { sessions: 1, connections: 1 })
  t.match(await rita.closed, { code: 4002 })
  t.equal(await walt.ask('store.count', { bucket: 'items' }), 0)
  const again = await connect()
  t.equal(await again.code('auth.login', { token: 'reader' }), 'SESSION_REVOKED')
  const { entries } = await operator.ask('audit.query', { operation: 'server.revoke' })
  t.match(entries, [{ userId: 'anna', resource: 'role:reader', details: { users: ['rita'] } }])
  t.same(await operator.ask('server.revoke', { role: 'unheard of' }), { sessions: 0, connections: 0 })
  t.equal(app.noex.connectionCount, 3)
})

t.test('a login that is under way when its role is revoked is refused', async t => {
  const barrier = new Barrier()
  const validate = async (token: string) => {
    if (token === 'slow') await barrier.pass()
    return { userId: token, roles: [token === 'admin' ? 'admin' : 'reader'] }
  }
  const { as, connect } = await serveTokens(t, { validate })
  const operator = await as('admin')
  const late = await connect()
  const login = late.request('auth.login', { token: 'slow' })
  await barrier.held()
  t.same(await operator.ask('server.revoke', { role: 'reader' }), { sessions: 0, connections: 0 })
  barrier.open()
  t.match(await login, { code: 'SESSION_REVOKED' })
  t.match(await late.ask('auth.login', { token: 'new' }), { userId: 'new', roles: ['reader'] })
})

t.test('a request over HTTP whose token is being checked then is refused, too', async t => {
  const barrier = new Barrier()
  const { as, port } = await serveTokens(t, {
    async validate (token) {
      if (token === 'slow') await barrier.pass()
      return { userId: token, roles: [token === 'admin' ? 'admin' : 'reader'] }
    }
  }, { routes: { rpc: '/rpc' } })
  const operator = await as('admin')
  const asked = poster(`http://127.0.0.1:${port}/rpc`)(
    { type: 'store.count', bucket: 'items' }, { authorization: 'Bearer slow' }
  )
  await barrier.held()
  await operator.ask('server.revoke', { role: 'reader' })
  barrier.open()
  t.match(await asked, { status: 403, body: { code: 'SESSION_REVOKED' } })
})

t.test('with accounts', async t => {
  t.test('unknown users and roles are named, and superadmins are for superadmins', async t => {
    const { superadmin, user, as, login, store } = await serveAccounts(t, {}, { audit: {} })
    const root = await superadmin()
    const admin = await login('adam', 'admin')
    t.equal(await admin.code('server.revoke', { userId: 'adam' }), 'NOT_FOUND', 'a name is no id')
    t.equal(await admin.code('server.revoke', { role: 'raeder' }), 'NOT_FOUND')
    const boss = await user('boss', 'superadmin', 'reader')
    const bossClient = await as(boss)
    const message = 'Only a superadmin may end the sessions of a superadmin'
    const users = [boss, '__superadmin__'].map(userId => ({ userId }))
    for (const fields of [...users, { role: 'superadmin' }, { role: 'reader' }]) {
      const reply = await admin.request('server.revoke', fields)
      t.match(reply, { code: 'FORBIDDEN', message }, JSON.stringify(fields))
    }
    await bossClient.ask('store.count', { bucket: 'items' })
    const reader = await login('rita', 'reader')
    t.equal(await reader.code('server.revoke', { userId: boss }), 'FORBIDDEN', 'the right is needed first')
    t.same(await root.ask('server.revoke', { role: 'reader' }), { sessions: 2, connections: 2 })
    t.match(await bossClient.closed, { code: 4002 })
    t.match(await reader.closed, { code: 4002 })
    t.equal(await store.bucket('_sessions').where({ userId: boss }).then(({ length }) => length), 0)
    await root.ask('store.count', { bucket: 'items' })
  })

  t.test('a login by password that is under way is refused, and leaves no session', async t => {
    const { superadmin, user, connect, store } = await serveAccounts(t)
    const operator = await superadmin()
    const userId = await user('alice', 'reader')
    const client = await connect()
    const login = client.request('identity.login', { username: 'alice', password: PASSWORD })
    await operator.ask('server.revoke', { role: 'reader' })
    const { type, code } = await login
    // Checking the password takes a while; on a slow machine the revocation may take longer.
    if (type === 'error') t.equal(code, 'SESSION_REVOKED')
    else t.match(await client.closed, { code: 4002 })
    await operator.ask('store.count', { bucket: 'items' })
    t.equal(await store.bucket('_sessions').where({ userId }).then(({ length }) => length), 0)
  })

  t.test('the sessions are gone from the store, by the operator, and the token is of no use', async t => {
    const { superadmin, user, token, connect, store, app } = await serveAccounts(t)
    const commits: unknown[] = []
    const operator = await superadmin()
    const userId = await user('alice', 'reader')
    const [known, expired] = [await token(userId), await token(userId, { expiresAt: Date.now() - 1 })]
    store.onCommit(({ user }) => { commits.push(user) })
    t.same(await operator.ask('server.revoke', { userId }), { sessions: 1, connections: 0 })
    t.equal(await store.bucket('_sessions').where({ userId }).then(({ length }) => length), 0)
    t.same(commits, ['__superadmin__', '__superadmin__'])
    const client = await connect()
    for (const text of [known, expired]) {
      t.equal(await client.code('auth.login', { token: text }), 'UNAUTHORIZED')
    }
    t.equal(app.noex.connectionCount, 2)
  })

  t.test('a request over HTTP revokes its own session, and is answered', async t => {
    const { user, token, port } = await serveAccounts(t, {}, { routes: { rpc: '/rpc' } })
    const post = poster(`http://127.0.0.1:${port}/rpc`)
    const userId = await user('adam', 'admin')
    const headers = { authorization: `Bearer ${await token(userId)}` }
    const { status, body } = await post({ type: 'server.revoke', userId }, headers)
    t.match({ status, body }, { status: 200, body: { data: { sessions: 1, connections: 0 } } })
    t.match(await post({ type: 'server.stats' }, headers), { status: 401 })
  })
})
