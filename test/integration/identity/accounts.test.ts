import t from 'tap'
import Fastify from 'fastify'
import { noexPlugin } from '../../../lib/index.js'
import { TestClient } from '../../support/client.js'
import { ADMIN_SECRET, PASSWORD, serveAccounts } from '../../support/identity.js'
import type { AddressInfo } from 'node:net'

t.test('accounts', async t => {
  t.test('are created, changed, listed and deleted', async t => {
    const { superadmin, store } = await serveAccounts(t)
    const root = await superadmin()
    const user = await root.ask('identity.createUser', {
      username: 'alice',
      password: PASSWORD,
      displayName: 'Alice',
      email: 'a@example.com',
      metadata: { desk: 7 }
    })
    t.match(user, {
      id: String,
      username: 'alice',
      displayName: 'Alice',
      email: 'a@example.com',
      enabled: true,
      metadata: { desk: 7 },
      _createdAt: Number,
      _updatedAt: Number
    })
    t.notOk('passwordHash' in user || '_version' in user)
    t.same(await root.ask('identity.getUser', { userId: user.id }), user)
    t.match(
      await root.ask('identity.updateUser', { userId: user.id, displayName: 'Al', email: null, metadata: 5 }),
      { displayName: 'Al', email: null, metadata: {} },
      '[G-B23] null clears an e-mail'
    )
    t.match(await root.ask('identity.updateUser', { userId: user.id }), { displayName: 'Al' })
    t.match(await root.ask('identity.listUsers'), {
      users: [{ username: 'alice' }],
      total: 1,
      page: 1,
      pageSize: 50
    })
    t.match(await root.ask('identity.listUsers', { page: 2.9, pageSize: 1_000 }), {
      users: [],
      total: 1,
      page: 2,
      pageSize: 200
    })
    t.match(await root.ask('identity.listUsers', { page: -5, pageSize: 'x' }), { page: 1, pageSize: 50 })
    t.match(await root.ask('identity.disableUser', { userId: user.id }), { enabled: false })
    t.match(await root.ask('identity.enableUser', { userId: user.id }), { enabled: true })
    t.same(await root.ask('identity.deleteUser', { userId: user.id }), { deleted: true })
    t.equal(await root.code('identity.getUser', { userId: user.id }), 'NOT_FOUND')
    t.equal(await store.bucket('_users').count(), 0)
  })

  t.test('[G-B9] passwordMinLength holds everywhere', async t => {
    const { superadmin, user, as } = await serveAccounts(t, { passwordMinLength: 12 })
    const root = await superadmin()
    t.equal(
      await root.code('identity.createUser', { username: 'alice', password: 'x'.repeat(11) }),
      'VALIDATION_ERROR'
    )
    const id = await user('bob')
    t.equal(
      await root.code('identity.resetPassword', { userId: id, newPassword: 'x'.repeat(11) }),
      'VALIDATION_ERROR'
    )
    t.equal(
      await (
        await as(id)
      ).code('identity.changePassword', {
        userId: id,
        currentPassword: PASSWORD,
        newPassword: 'x'.repeat(11)
      }),
      'VALIDATION_ERROR'
    )
    t.match(await root.ask('identity.createUser', { username: 'alice', password: 'é'.repeat(12) }), {
      username: 'alice'
    })
  })

  t.test('[G-B23] mistakes of a client are answered as such', async t => {
    const { superadmin } = await serveAccounts(t)
    const root = await superadmin()
    t.match(
      await root.request('identity.createUser', { username: 'alice', password: PASSWORD, email: 'nonsense' }),
      { code: 'VALIDATION_ERROR', details: [{ field: 'email', code: 'format' }] }
    )
    const both = await Promise.all([1, 2].map(async () => {
      const client = await superadmin()
      return await client.request('identity.createUser', { username: 'twin', password: PASSWORD })
    }))
    t.same(both.map(({ type, code }) => code ?? type).sort(), ['ALREADY_EXISTS', 'result'])
    t.equal(
      await root.code('identity.grant', {
        subjectType: 'user',
        subjectId: 'x',
        resourceType: 'planet',
        resourceName: 'mars',
        operations: ['read']
      }),
      'VALIDATION_ERROR'
    )
  })

  t.test('what is smuggled into createUser counts for nothing', async t => {
    const { superadmin, store } = await serveAccounts(t)
    const root = await superadmin()
    const user = await root.ask('identity.createUser', {
      username: 'mallory',
      password: PASSWORD,
      roles: ['superadmin'],
      role: 'admin',
      id: 'chosen',
      passwordHash: 'x',
      _version: 9,
      system: true,
      displayName: { a: 1 },
      enabled: 'no'
    })
    t.not(user.id, 'chosen')
    t.match(user, { username: 'mallory', enabled: true })
    t.notOk('roles' in user || 'displayName' in user || 'system' in user)
    t.same(await root.ask('identity.getUserRoles', { userId: user.id }), { roles: [] })
    t.match((await store.bucket('_users').get(user.id))?.['passwordHash'], /^\$/)
  })

  t.test('[G-B11] a new password ends every other session, and the client goes on', async t => {
    const { user, as, token, connect, store } = await serveAccounts(t)
    const id = await user('alice', 'reader')
    const old = await token(id)
    const [client, elsewhere] = [await connect(), await as(id)]
    await client.ask('auth.login', { token: old })
    store.defineDeclarativeQuery('all', { bucket: 'items' })
    await elsewhere.ask('store.subscribe', { query: 'all' })
    t.same(
      await client.ask('identity.changePassword', {
        userId: id,
        currentPassword: PASSWORD,
        newPassword: 'a new password'
      }),
      { changed: true }
    )
    await store.bucket('items').insert({})
    t.equal(await elsewhere.code('store.count', { bucket: 'items' }), 'UNAUTHORIZED')
    t.same(elsewhere.waiting, [], 'no push')
    t.equal(await client.ask('store.count', { bucket: 'items' }), 1)
    t.equal(await (await connect()).code('auth.login', { token: old }), 'UNAUTHORIZED')
    const { token: next } = await client.ask('identity.refreshSession')
    t.match(await (await connect()).ask('auth.login', { token: next }), { userId: id })
    t.equal(
      await client.code('identity.changePassword', {
        userId: 'another user',
        currentPassword: 'x',
        newPassword: 'a new password'
      }),
      'FORBIDDEN'
    )
    const again = await connect()
    t.equal(await again.code('identity.login', { username: 'alice', password: PASSWORD }), 'UNAUTHORIZED')
    t.match(await again.ask('identity.login', { username: 'alice', password: 'a new password' }), {
      user: { id }
    })
  })

  t.test('a password that is reset ends every session', async t => {
    const { user, as, superadmin } = await serveAccounts(t)
    const id = await user('alice', 'reader')
    const client = await as(id)
    t.same(
      await (await superadmin()).ask('identity.resetPassword', { userId: id, newPassword: 'a new password' }),
      { reset: true }
    )
    t.equal(await client.code('store.buckets'), 'UNAUTHORIZED')
  })
})

t.test('[G-B5] live connections follow', async t => {
  t.test('disabling and deleting close them, and what they send is not executed', async t => {
    for (const type of ['identity.disableUser', 'identity.deleteUser']) {
      const { user, as, superadmin, store } = await serveAccounts(t)
      const id = await user('walt', 'writer')
      const client = await as(id)
      store.defineDeclarativeQuery('all', { bucket: 'items' })
      await client.ask('store.subscribe', { query: 'all' })
      await (await superadmin()).ask(type, { userId: id })
      client.send({ id: 99, type: 'store.insert', bucket: 'items', data: {} })
      await store.bucket('items').insert({ name: 'by the application' })
      t.match(await client.next(), { event: 'session_revoked', reason: String })
      t.same(await client.closed, { code: 4002, reason: 'session_revoked' }, type)
      t.same(client.waiting, [])
      t.equal(await store.bucket('items').count(), 1)
    }
  })

  t.test('a role that is taken away counts at once, for requests and subscriptions', async t => {
    const { user, as, superadmin, store, app } = await serveAccounts(t)
    const id = await user('anna', 'admin')
    const client = await as(id)
    store.defineDeclarativeQuery('all', { bucket: 'items' })
    const { subscriptionId } = await client.ask('store.subscribe', { query: 'all' })
    const root = await superadmin()
    t.same(await root.ask('identity.removeRole', { userId: id, roleName: 'admin' }), { removed: true })
    await store.bucket('items').insert({})
    t.same(await client.next(), {
      type: 'system',
      event: 'subscription_closed',
      subscriptionId,
      reason: 'forbidden'
    })
    t.equal(await client.code('identity.createUser', { username: 'eve', password: PASSWORD }), 'FORBIDDEN')
    t.equal(await client.code('identity.listUsers'), 'FORBIDDEN')
    t.match(await client.ask('identity.whoami'), { userId: id, roles: [] })
    t.match(app.noex.getConnections()[0], { userId: id, roles: [] })
    await root.ask('identity.assignRole', { userId: id, roleName: 'reader' })
    t.equal(await client.ask('store.count', { bucket: 'items' }), 1)
    t.same(client.waiting, [])
  })

  t.test('permissions of a role that change count at once', async t => {
    const { superadmin, user, as, store } = await serveAccounts(t)
    const root = await superadmin()
    const { id: roleId } = await root.ask('identity.createRole', {
      name: 'clerk',
      permissions: [{ allow: ['store.subscribe', 'store.count'], buckets: ['items'] }]
    })
    const client = await as(await user('carl', 'clerk'))
    await store.bucket('items').insertMany([{ name: 'a' }, { name: 'b' }])
    store.defineDeclarativeQuery('all', { bucket: 'items' })
    const { subscriptionId, data } = await client.ask('store.subscribe', { query: 'all' })
    t.equal(data.length, 2)
    await root.ask('identity.updateRole', {
      roleId,
      permissions: [{ allow: ['store.subscribe', 'store.count'], buckets: ['items'], where: { name: 'a' } }]
    })
    t.match(await client.push(subscriptionId), { data: [{ name: 'a' }] }, 'only what may still be seen')
    t.equal(await client.ask('store.count', { bucket: 'items' }), 1)
    await root.ask('identity.deleteRole', { roleId })
    t.match(await client.next(), { event: 'subscription_closed', reason: 'forbidden' })
    t.equal(await client.code('store.count', { bucket: 'items' }), 'FORBIDDEN')
  })

  t.test('what the application does to an account counts as well', async t => {
    const { user, as, store } = await serveAccounts(t)
    const [a, b] = [await user('alice', 'reader'), await user('bob', 'reader')]
    const [alice, bob] = [await as(a), await as(b)]
    await store.bucket('_users').update(a, { enabled: false })
    t.equal((await alice.closed).code, 4002)
    await store.bucket('_sessions').deleteMany({ userId: b })
    t.equal(await bob.code('store.buckets'), 'UNAUTHORIZED')
  })

  t.test('who disables or deletes their own account hears that it worked', async t => {
    for (const type of ['identity.disableUser', 'identity.deleteUser']) {
      const { user, as } = await serveAccounts(t)
      const id = await user('anna', 'admin')
      const client = await as(id)
      t.match(await client.request(type, { userId: id }), { type: 'result' })
      t.match(await client.next(), { event: 'session_revoked' })
      t.equal((await client.closed).code, 4002)
    }
  })

  t.test('two administrators who disable each other do not wait for ever', async t => {
    const { user, as } = await serveAccounts(t)
    const [a, b] = [await user('anna', 'admin'), await user('bert', 'admin')]
    const [anna, bert] = [await as(a), await as(b)]
    anna.send({ id: 1, type: 'identity.disableUser', userId: b })
    bert.send({ id: 1, type: 'identity.disableUser', userId: a })
    const closed = await Promise.race([anna.closed, bert.closed])
    t.equal(closed.code, 4002)
  })

  t.test('all plugin instances on a store follow', async t => {
    const { superadmin, user, token, store } = await serveAccounts(t)
    const other = Fastify()
    t.teardown(async () => { await other.close() })
    await other.register(noexPlugin, { store, auth: { builtIn: true, adminSecret: ADMIN_SECRET } })
    await other.listen({ port: 0, host: '127.0.0.1' })
    const id = await user('walt', 'writer')
    const client = await TestClient.open(t, `ws://127.0.0.1:${(other.server.address() as AddressInfo).port}`)
    await client.ask('auth.login', { token: await token(id) })
    await (await superadmin()).ask('identity.disableUser', { userId: id })
    t.equal((await client.closed).code, 4002)
  })
})

t.test('a record that the application spoils counts no more', async t => {
  const { superadmin, user, as, store } = await serveAccounts(t)
  const { id: roleId } = await (
    await superadmin()
  ).ask('identity.createRole', { name: 'clerk', permissions: [{ allow: 'store.*' }] })
  const client = await as(await user('carl', 'clerk'))
  t.equal(await client.ask('store.count', { bucket: 'items' }), 0)
  await store.bucket('_roles').update(roleId, { permissions: null })
  t.equal(await client.code('store.count', { bucket: 'items' }), 'FORBIDDEN')
})
