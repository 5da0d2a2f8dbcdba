import t from 'tap'
import Fastify from 'fastify'
import { noexPlugin } from '../../lib/index.js'
import { TestClient } from '../support/client.js'
import { startStore } from '../support/service.js'
import { ADMIN_SECRET, PASSWORD, serveAccounts } from '../support/identity.js'
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
      username: 'mallory', password: PASSWORD, roles: ['superadmin'], role: 'admin', id: 'chosen', passwordHash: 'x', _version: 9, system: true, displayName: { a: 1 }, enabled: 'no'
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
        userId: 'somebody else',
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

t.test('two instances on one store', async t => {
  const { superadmin, user, token, store, app, as } = await serveAccounts(t)
  const other = Fastify()
  t.teardown(async () => { await other.close() })
  await other.register(noexPlugin, { store, auth: { builtIn: true, adminSecret: ADMIN_SECRET } })
  await other.listen({ port: 0, host: '127.0.0.1' })
  const url = `ws://127.0.0.1:${(other.server.address() as AddressInfo).port}`

  t.test('[G-C4] a query that a client defines over one reads no more over the other', async t => {
    const root = await superadmin()
    await root.ask('identity.createRole', {
      name: 'own',
      permissions: [{ allow: 'store.defineQuery' }, { allow: 'store.*', where: { name: '$userId' } }]
    })
    const id = await user('cleo', 'own')
    await store.bucket('items').insertMany([{ name: id }, { name: 'somebody else' }])
    await (await as(id)).ask('store.defineQuery', { name: 'mine', config: { bucket: 'items' } })
    const client = await TestClient.open(t, url)
    await client.ask('auth.login', { token: await token(id) })
    t.match(await client.ask('store.query', { query: 'mine' }), [{ name: id }])
    t.equal((await client.ask('store.query', { query: 'mine' })).length, 1)
  })

  t.test('[G-B7] a revocation over one holds for both', async t => {
    const id = await user('rita', 'reader')
    const client = await TestClient.open(t, url)
    await client.ask('auth.login', { token: await token(id) })
    app.noex.revokeSession(id)
    t.match(await client.next(), { event: 'session_revoked' })
    t.equal((await client.closed).code, 4002)
    const again = await TestClient.open(t, url)
    t.equal(await again.code('identity.login', { username: 'rita', password: PASSWORD }), 'SESSION_REVOKED')
  })
})

t.test('[G-C6] nobody gives more than they have', async t => {
  const { superadmin, user, as, store } = await serveAccounts(t)
  const root = await superadmin()
  const adminRole = await store.bucket('_roles').findOne({ name: 'admin' })
  await root.ask('identity.updateRole', {
    roleId: adminRole?.['id'],
    permissions: [{ allow: ['server.stats', 'store.count'] }]
  })
  await root.ask('identity.createRole', { name: 'all', permissions: [{ allow: '*' }] })
  await root.ask('identity.createRole', {
    name: 'counter',
    permissions: [{ allow: ['store.count'], buckets: ['items'] }]
  })
  const id = await user('anna', 'admin')
  const admin = await as(id)
  const entry = { subjectType: 'user', subjectId: id, resourceType: 'bucket', resourceName: 'items' }
  t.equal(
    await admin.code('identity.grant', { ...entry, operations: ['read', 'write', 'admin'] }),
    'FORBIDDEN'
  )
  t.equal(await admin.code('identity.assignRole', { userId: id, roleName: 'all' }), 'FORBIDDEN')
  t.same(await admin.ask('identity.assignRole', { userId: id, roleName: 'counter' }), { assigned: true })
  t.equal(await admin.code('store.all', { bucket: 'items' }), 'FORBIDDEN')
})

t.test('[G-C6] an admin can neither become nor take over a superadmin', async t => {
  const { user, as, superadmin, store } = await serveAccounts(t)
  const [adminId, bossId] = [await user('anna', 'admin'), await user('boss', 'superadmin')]
  const admin = await as(adminId)
  const attempts: ReadonlyArray<readonly [type: string, fields: object]> = [
    ['identity.assignRole', { userId: adminId, roleName: 'superadmin' }],
    ['identity.removeRole', { userId: bossId, roleName: 'superadmin' }],
    ['identity.assignRole', { userId: bossId, roleName: 'reader' }],
    ['identity.resetPassword', { userId: bossId, newPassword: 'taken over' }],
    ['identity.disableUser', { userId: bossId }],
    ['identity.enableUser', { userId: bossId }],
    ['identity.deleteUser', { userId: bossId }],
    ['identity.updateUser', { userId: bossId, email: 'anna@example.com' }],
    ['identity.createRole', { name: 'mine', permissions: [{ allow: '*' }] }],
    ['identity.deleteRole', { roleId: (await store.bucket('_roles').findOne({ name: 'reader' }))?.['id'] }],
    [
      'identity.updateRole',
      {
        roleId: (await store.bucket('_roles').findOne({ name: 'admin' }))?.['id'],
        permissions: [{ allow: '*' }]
      }
    ],
    ['identity.disableUser', { userId: '__superadmin__' }],
    ['identity.deleteUser', { userId: '__superadmin__' }],
    [
      'identity.grant',
      {
        subjectType: 'user',
        subjectId: adminId,
        resourceType: 'bucket',
        resourceName: '_user_roles',
        operations: ['write']
      }
    ],
    ['store.insert', { bucket: '_user_roles', data: { userId: adminId, roleId: 'x' } }]
  ]
  for (const [type, fields] of attempts) {
    t.equal(await admin.code(type, fields), 'FORBIDDEN', `${type} ${JSON.stringify(fields)}`)
  }
  t.match(await admin.ask('identity.whoami'), { roles: ['admin'] })
  t.match(
    await admin.request('identity.assignRole', { userId: adminId, roleName: 'writer' }),
    { type: 'result' },
    'other roles are its business'
  )

  const root = await superadmin()
  const boss = await as(bossId)
  t.equal(
    await boss.code('identity.removeRole', { userId: bossId, roleName: 'superadmin' }),
    'FORBIDDEN',
    'the last path stays'
  )
  t.equal(await boss.code('identity.disableUser', { userId: bossId }), 'FORBIDDEN')
  t.equal(await boss.code('identity.deleteUser', { userId: bossId }), 'FORBIDDEN')
  const superRole = (await store.bucket('_roles').findOne({ name: 'superadmin' }))?.['id']
  t.equal(await root.code('identity.updateRole', { roleId: superRole, permissions: [] }), 'FORBIDDEN')
  t.equal(await root.code('identity.deleteRole', { roleId: superRole }), 'FORBIDDEN')
  t.match(
    await root.request('identity.removeRole', { userId: bossId, roleName: 'superadmin' }),
    { type: 'result' },
    'the admin secret is a path'
  )
})

t.test('roles', async t => {
  t.test('those of the system come with the permissions of their tiers', async t => {
    const { login, store } = await serveAccounts(t)
    const clients = {
      reader: await login('rita', 'reader'),
      writer: await login('walt', 'writer'),
      admin: await login('anna', 'admin'),
      none: await login('nina')
    }
    const expected = { reader: 'ok no no', writer: 'ok ok no', admin: 'ok ok ok', none: 'no no no' }
    for (const [role, client] of Object.entries(clients)) {
      const outcomes: string[] = []
      for (const [type, fields] of [
        ['store.query', { query: 'q' }],
        ['store.insert', { bucket: 'items', data: {} }],
        ['store.getBucketSchema', { name: 'items' }]
      ] as const) {
        if (!store.getQueryInfo('q')) store.defineDeclarativeQuery('q', { bucket: 'items' })
        const reply = await client.request(type, fields)
        outcomes.push(
          reply['type'] === 'result' ? 'ok' : reply['code'] === 'FORBIDDEN' ? 'no' : reply['code']
        )
      }
      t.equal(outcomes.join(' '), expected[role as keyof typeof expected], role)
    }
    t.equal(await clients.reader.code('store.nonsense'), 'FORBIDDEN')
    t.equal(await clients.admin.code('store.nonsense'), 'UNKNOWN_OPERATION')
    t.equal(await clients.reader.code('identity.nonsense'), 'UNKNOWN_OPERATION')
  })

  t.test('[G-C14] permissions that are none are refused, and such in the store allow nothing', async t => {
    const { superadmin, store, login } = await serveAccounts(t)
    const root = await superadmin()
    for (const permissions of [
      [5],
      [{}],
      [{ allow: 5 }],
      [{ allow: '*', buckets: 'x' }],
      [{ allow: '*', deny: 'x' }],
      [{ allow: '*', where: { x: { $foo: 1 } } }],
      [[]],
      'x',
      5,
      Array.from({ length: 101 }, () => ({ allow: '*' }))
    ]) {
      t.equal(
        await root.code('identity.createRole', { name: 'odd', permissions }),
        'VALIDATION_ERROR',
        JSON.stringify(permissions).slice(0, 60)
      )
    }
    t.match(
      await root.request('identity.createRole', {
        name: 'odd',
        permissions: [{ allow: '*' }, { allow: [] }]
      }),
      { message: /permissions\[1\]\.allow/ }
    )
    await store.bucket('_roles').insert({ name: 'broken', permissions: [5, null, { allow: 'store.count' }] })
    const client = await login('carl', 'broken')
    t.equal(await client.ask('store.count', { bucket: 'items' }), 0)
    t.equal(await client.code('store.all', { bucket: 'items' }), 'FORBIDDEN')
  })

  t.test('have rows that add up', async t => {
    const { superadmin, user, as, store } = await serveAccounts(t)
    const root = await superadmin()
    const permissions = (name: string): object[] => [
      { allow: 'store.*', buckets: ['items'], where: { name } }
    ]
    await root.ask('identity.createRole', { name: 'a', permissions: permissions('a') })
    await root.ask('identity.createRole', { name: 'b', permissions: permissions('b') })
    await root.ask('identity.createRole', {
      name: 'own',
      permissions: [{ allow: 'store.*', buckets: ['items'], where: { name: '$userId' } }]
    })
    const id = await user('alice', 'a', 'b', 'own')
    await store.bucket('items').insertMany([{ name: 'a' }, { name: 'b' }, { name: 'c' }, { name: id }])
    const client = await as(id)
    t.equal(await client.ask('store.count', { bucket: 'items' }), 3)
    t.equal(await client.code('store.insert', { bucket: 'items', data: { name: 'c' } }), 'FORBIDDEN')
  })

  t.test('errors', async t => {
    const { superadmin, user } = await serveAccounts(t)
    const root = await superadmin()
    const id = await user('alice', 'reader')
    t.equal(await root.code('identity.assignRole', { userId: id, roleName: 'reader' }), 'ALREADY_EXISTS')
    t.equal(await root.code('identity.assignRole', { userId: id, roleName: 'nope' }), 'NOT_FOUND')
    t.equal(await root.code('identity.assignRole', { userId: 'nope', roleName: 'reader' }), 'NOT_FOUND')
    t.equal(await root.code('identity.removeRole', { userId: id, roleName: 'writer' }), 'NOT_FOUND')
    t.equal(await root.code('identity.createRole', { name: 'reader' }), 'ALREADY_EXISTS')
    t.equal(await root.code('identity.createRole', { name: 'x'.repeat(65) }), 'VALIDATION_ERROR')
    t.equal(await root.code('identity.updateRole', { roleId: 'nope' }), 'NOT_FOUND')
    t.same(await root.ask('identity.assignRole', { userId: '__superadmin__', roleName: 'reader' }), {
      assigned: true
    })
    t.match(await root.ask('identity.getUserRoles', { userId: '__superadmin__' }), {
      roles: [{ name: 'superadmin' }]
    })
    t.match(await root.ask('identity.listRoles'), {
      roles: [{ name: 'superadmin', system: true }, { name: 'admin' }, { name: 'writer' }, { name: 'reader' }]
    })
  })
})

t.test('system buckets', async t => {
  t.test('[G-C3] are out of reach for everybody, through whatever', async t => {
    const { superadmin, login, store } = await serveAccounts(t)
    store.defineQuery('curious', async ctx => await ctx.bucket('_sessions').all())
    for (const client of [await superadmin(), await login('anna', 'admin')]) {
      const attempts: ReadonlyArray<readonly [type: string, fields: object]> = [
        ['store.all', { bucket: '_users' }],
        ['store.insert', { bucket: '_user_roles', data: {} }],
        ['store.dropBucket', { name: '_sessions' }],
        ['store.defineBucket', { name: '_mine', config: {} }],
        [
          'store.transaction',
          {
            operations: [
              { op: 'count', bucket: 'items' },
              { op: 'where', bucket: '_users', filter: {} }
            ]
          }
        ],
        ['store.defineQuery', { name: 'q', config: { bucket: '_sessions' } }],
        ['store.query', { query: 'curious' }],
        ['store.subscribe', { query: 'curious' }],
        [
          'store.defineBucket',
          {
            name: 'spy',
            config: { key: 'id', schema: { id: { type: 'string' }, u: { type: 'string', ref: '_users' } } }
          }
        ],
        [
          'store.updateBucket',
          { name: 'items', updates: { addFields: { u: { type: 'string', ref: '_sessions' } } } }
        ]
      ]
      for (const [type, fields] of attempts) {
        t.match(
          await client.request(type, fields),
          { code: 'FORBIDDEN' },
  `[G-C18] ${type} ${JSON.stringify(fields)}`
        )
      }
    }
    t.match(await (await superadmin()).request('store.get', { bucket: '_users', key: 'x' }), {
      message: /system bucket/
    })
  })

  t.test('[G-C11] do not show in statistics, but to the superadmin', async t => {
    const { superadmin, login } = await serveAccounts(t)
    const admin = await login('anna', 'admin')
    t.same(await admin.ask('store.buckets'), { count: 1, names: ['items'] })
    t.match(await admin.ask('store.stats'), {
      buckets: { count: 1, names: ['items'] },
      records: { total: 0 }
    })
    t.notMatch(JSON.stringify(await admin.ask('server.stats')), /_users/)
    t.match(JSON.stringify(await (await superadmin()).ask('store.stats')), /_users/)
    t.same(await (await superadmin()).ask('store.buckets'), { count: 1, names: ['items'] })
  })

  t.test('are out of reach over an instance without accounts on the same store, too', async t => {
    const { store } = await serveAccounts(t)
    const open = Fastify()
    t.teardown(async () => { await open.close() })
    await open.register(noexPlugin, { store })
    await open.listen({ port: 0, host: '127.0.0.1' })
    const client = await TestClient.open(t, `ws://127.0.0.1:${(open.server.address() as AddressInfo).port}`)
    t.equal(await client.code('store.all', { bucket: '_users' }), 'FORBIDDEN')
    store.defineQuery('curious', async ctx => await ctx.bucket('_sessions').all())
    t.equal(await client.code('store.query', { query: 'curious' }), 'FORBIDDEN')
    t.equal(await client.ask('store.count', { bucket: 'items' }), 0)
    t.same((await client.ask('store.stats')).buckets.names, ['items'])
  })

  t.test('[G-C16] a malformed transaction is a mistake of the client', async t => {
    const { superadmin } = await serveAccounts(t)
    const root = await superadmin()
    for (const operations of [[null], [5], 'x', null, [[]], [{ op: 'get' }]]) {
      t.equal(await root.code('store.transaction', { operations }), 'VALIDATION_ERROR')
    }
  })
})

t.test('access lists and ownership', async t => {
  t.test('grant and take access to single resources', async t => {
    const { superadmin, user, as, store } = await serveAccounts(t)
    const root = await superadmin()
    const id = await user('alice')
    const client = await as(id)
    const entry = { subjectType: 'user', subjectId: id, resourceType: 'bucket', resourceName: 'items' }
    t.equal(await client.code('store.count', { bucket: 'items' }), 'FORBIDDEN')
    t.same(await root.ask('identity.grant', { ...entry, operations: ['read', 'read'] }), { granted: true })
    t.equal(await client.ask('store.count', { bucket: 'items' }), 0)
    t.equal(
      await client.code('store.insert', { bucket: 'items', data: {} }),
      'FORBIDDEN',
      'read is not write'
    )
    await root.ask('identity.grant', { ...entry, operations: ['write'] })
    t.match(await client.ask('store.insert', { bucket: 'items', data: {} }), { id: String })
    t.match(await client.ask('store.transaction', { operations: [{ op: 'count', bucket: 'items' }] }), {
      results: [{ data: 1 }]
    })
    t.equal(
      await client.code('store.transaction', {
        bucket: 'items',
        operations: [{ op: 'count', bucket: 'other' }]
      }),
      'FORBIDDEN',
      '[G-C1]'
    )
    t.same(await root.ask('identity.getAcl', { resourceType: 'bucket', resourceName: 'items' }), {
      entries: [
        {
          subjectType: 'user',
          subjectId: id,
          subjectName: 'alice',
          operations: ['read', 'write'],
          isOwner: false
        }
      ]
    })
    t.same(await client.ask('identity.myAccess'), {
      user: { id, username: 'alice', roles: [] },
      resources: [
        { resourceType: 'bucket', resourceName: 'items', operations: ['read', 'write'], isOwner: false }
      ]
    })
    store.defineDeclarativeQuery('all', { bucket: 'items' })
    const { subscriptionId } = await client.ask('store.subscribe', { query: 'all' })
    t.same(await root.ask('identity.revoke', { ...entry, operations: ['read'] }), { revoked: true })
    t.match(await client.next(), { event: 'subscription_closed', subscriptionId })
    t.same(await root.ask('identity.revoke', entry), { revoked: true })
    t.equal(await root.code('identity.revoke', entry), 'NOT_FOUND')
    t.equal(await client.code('store.insert', { bucket: 'items', data: {} }), 'FORBIDDEN')
  })

  t.test('whoever defines a bucket owns it and may give access to it', async t => {
    const { superadmin, user, as } = await serveAccounts(t)
    const root = await superadmin()
    await root.ask('identity.createRole', {
      name: 'builder',
      permissions: [{ allow: ['store.defineBucket'] }]
    })
    const [a, b] = [await user('alice', 'builder'), await user('bob')]
    const [alice, bob] = [await as(a), await as(b)]
    const resource = { resourceType: 'bucket', resourceName: 'notes' }
    const config = { key: 'id', schema: { id: { type: 'string', generated: 'uuid' } } }
    await alice.ask('store.defineBucket', { name: 'notes', config })
    t.same(await alice.ask('identity.getOwner', resource), {
      owner: { userId: a, username: 'alice', ...resource }
    })
    t.match(await alice.ask('store.insert', { bucket: 'notes', data: {} }), { id: String })
    t.equal(await bob.code('store.count', { bucket: 'notes' }), 'FORBIDDEN')
    t.equal(await bob.code('identity.getAcl', resource), 'FORBIDDEN', '[G-C12]')
    t.equal(await bob.code('identity.getOwner', resource), 'FORBIDDEN', '[G-C12]')
    t.equal(
      await bob.code('identity.grant', {
        subjectType: 'user',
        subjectId: b,
        ...resource,
        operations: ['read']
      }),
      'FORBIDDEN'
    )
    await alice.ask('identity.grant', {
      subjectType: 'user',
      subjectId: b,
      ...resource,
      operations: ['read']
    })
    t.equal(await bob.ask('store.count', { bucket: 'notes' }), 1)
    t.match(await bob.ask('identity.getAcl', resource), {
      entries: [{ subjectId: a, isOwner: true, operations: [] }, { subjectId: b }]
    })
    t.equal(await bob.code('identity.transferOwner', { ...resource, newOwnerId: b }), 'FORBIDDEN')
    t.equal(await alice.code('identity.transferOwner', { ...resource, newOwnerId: 'nobody' }), 'NOT_FOUND')
    await alice.ask('identity.transferOwner', { ...resource, newOwnerId: b })
    t.equal(await alice.code('store.count', { bucket: 'notes' }), 'FORBIDDEN')
    await bob.ask('store.dropBucket', { name: 'notes' })
    t.same(
      await root.ask('identity.getAcl', resource),
      { entries: [] },
      'nothing is left of a bucket that is gone'
    )
    t.same(await root.ask('identity.getOwner', resource), { owner: null })
  })

  t.test('what the application drops leaves nothing behind either', async t => {
    const { superadmin, user, store } = await serveAccounts(t)
    const root = await superadmin()
    const subjectId = await user('alice')
    await root.ask('identity.grant', {
      subjectType: 'user',
      subjectId,
      resourceType: 'bucket',
      resourceName: 'items',
      operations: ['read']
    })
    await store.dropBucket('items')
    t.same(
      await root
        .ask('identity.listRoles')
        .then(
          async () => await root.ask('identity.getAcl', { resourceType: 'bucket', resourceName: 'items' })
        ),
      { entries: [] }
    )
  })

  t.test('[G-C13] a role that is deleted leaves no access behind', async t => {
    const { superadmin, store } = await serveAccounts(t)
    const root = await superadmin()
    const { id } = await root.ask('identity.createRole', { name: 'clerk' })
    await root.ask('identity.grant', {
      subjectType: 'role',
      subjectId: id,
      resourceType: 'topic',
      resourceName: 'a',
      operations: ['read']
    })
    await root.ask('identity.deleteRole', { roleId: id })
    t.equal(await store.bucket('_acl').count(), 0)
  })

  t.test('[G-C17] admin access of a role is admin access', async t => {
    const { superadmin, user, as } = await serveAccounts(t)
    const root = await superadmin()
    const { id: roleId } = await root.ask('identity.createRole', { name: 'keepers' })
    const id = await user('alice', 'keepers')
    await root.ask('identity.grant', {
      subjectType: 'role',
      subjectId: roleId,
      resourceType: 'bucket',
      resourceName: 'items',
      operations: ['admin']
    })
    t.match(
      await (
        await as(id)
      ).ask('identity.grant', {
        subjectType: 'user',
        subjectId: id,
        resourceType: 'bucket',
        resourceName: 'items',
        operations: ['read']
      }),
      { granted: true }
    )
  })

  t.test('[G-C4] a query is not the bucket of its name', async t => {
    const { superadmin, user, as, store } = await serveAccounts(t)
    const root = await superadmin()
    await root.ask('identity.createRole', {
      name: 'builder',
      permissions: [{ allow: ['store.defineBucket'] }]
    })
    const id = await user('alice', 'builder')
    const alice = await as(id)
    await store.defineBucket('secrets', { key: 'id', schema: { id: { type: 'string' } } })
    await alice.ask('store.defineBucket', {
      name: 'mine',
      config: { key: 'id', schema: { id: { type: 'string' } } }
    })
    t.equal(
      await alice.code('store.defineQuery', { name: 'mine', config: { bucket: '_sessions' } }),
      'FORBIDDEN'
    )
    t.equal(
      await alice.code('store.defineQuery', { name: 'mine', config: { bucket: 'secrets' } }),
      'FORBIDDEN'
    )
    store.defineDeclarativeQuery('mine', { bucket: 'secrets' })
    t.equal(
      await alice.code('store.subscribe', { query: 'mine' }),
      'FORBIDDEN',
      'owning a bucket says nothing about a query of its name'
    )
    store.defineDeclarativeQuery('of-mine', { bucket: 'mine' })
    t.match(
      await alice.ask('store.subscribe', { query: 'of-mine' }),
      { data: [] },
      'but something about queries that read it'
    )
  })

  t.test('[G-C4] access to a query lets watch it, and its creator owns it', async t => {
    const { superadmin, user, as, store } = await serveAccounts(t)
    const root = await superadmin()
    await root.ask('identity.createRole', {
      name: 'author',
      permissions: [{ allow: ['store.defineQuery'] }, { allow: 'store.*', buckets: ['items'] }]
    })
    const [a, b] = [await user('alice', 'author'), await user('bob')]
    const [alice, bob] = [await as(a), await as(b)]
    await store.bucket('items').insert({ name: 'x' })
    await alice.ask('store.defineQuery', { name: 'hers', config: { bucket: 'items' } })
    t.equal(await bob.code('store.subscribe', { query: 'hers' }), 'FORBIDDEN')
    await alice.ask('identity.grant', {
      subjectType: 'user',
      subjectId: b,
      resourceType: 'query',
      resourceName: 'hers',
      operations: ['read']
    })
    const { subscriptionId, data } = await bob.ask('store.subscribe', { query: 'hers' })
    t.match(data, [{ name: 'x' }])
    t.equal(
      await bob.code('store.all', { bucket: 'items' }),
      'FORBIDDEN',
      'the query is all that he was given'
    )
    await root.ask('identity.removeRole', { userId: a, roleName: 'author' })
    t.match(
      await bob.next(),
      { event: 'subscription_closed', subscriptionId, reason: 'forbidden' },
      'a query shows no more than its owner may read'
    )
    t.match(await alice.ask('store.undefineQuery', { name: 'hers' }), { undefined: true })
    store.defineQuery('by-code', async ctx => await ctx.bucket('items').count())
    await root.ask('identity.grant', {
      subjectType: 'user',
      subjectId: b,
      resourceType: 'query',
      resourceName: 'by-code',
      operations: ['read']
    })
    t.equal(
      await bob.ask('store.query', { query: 'by-code' }),
      1,
      'one of the application shows what it reads'
    )
  })

  t.test('[G-C10] who has access by a list may unsubscribe', async t => {
    const { superadmin, user, as, store } = await serveAccounts(t)
    const id = await user('alice')
    store.defineDeclarativeQuery('all', { bucket: 'items' })
    await (
      await superadmin()
    ).ask('identity.grant', {
      subjectType: 'user',
      subjectId: id,
      resourceType: 'bucket',
      resourceName: 'items',
      operations: ['read']
    })
    const client = await as(id)
    const { subscriptionId } = await client.ask('store.subscribe', { query: 'all' })
    t.same(await client.ask('store.unsubscribe', { subscriptionId }), { unsubscribed: true })
  })
})

t.test('a store that fails changes nothing by halves', async t => {
  const { superadmin, user, store } = await serveAccounts(t)
  const root = await superadmin()
  const id = await user('alice', 'reader')
  await root.ask('identity.grant', {
    subjectType: 'user',
    subjectId: id,
    resourceType: 'bucket',
    resourceName: 'items',
    operations: ['read']
  })
  const transaction = store.transaction.bind(store)
  store.transaction = async work => await transaction(async tx => {
    await work(tx)
    throw new Error('the disk is full')
  })
  t.equal(await root.code('identity.deleteUser', { userId: id }), 'INTERNAL_ERROR')
  store.transaction = transaction
  t.match(await root.ask('identity.getUserRoles', { userId: id }), { roles: [{ name: 'reader' }] })
  t.match(await root.ask('identity.getAcl', { resourceType: 'bucket', resourceName: 'items' }), {
    entries: [{ subjectId: id }]
  })
  t.same(await root.ask('identity.deleteUser', { userId: id }), { deleted: true })
  for (const bucket of ['_users', '_user_roles', '_acl']) {
    t.equal(await store.bucket(bucket).count(), 0, bucket)
  }
})

t.test('records that are none in the system buckets harm nobody', async t => {
  const store = await startStore(t)
  await store.defineBucket('_users', { key: 'id', schema: { id: { type: 'string', generated: 'uuid' } } })
  await store.bucket('_users').insert({ id: 'odd', username: 5 })
  await store.bucket('_users').insert({ id: 'odder' })
  const { superadmin } = await serveAccounts(t, {}, {}, { store })
  const root = await superadmin()
  t.match(await root.ask('identity.listUsers'), { users: [], total: 0 })
  t.match(await root.ask('identity.createUser', { username: 'alice', password: PASSWORD }), {
    username: 'alice'
  })
})
