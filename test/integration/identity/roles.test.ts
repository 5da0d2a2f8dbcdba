import t from 'tap'
import { serveAccounts } from '../../support/identity.js'

t.test('[G-C6] no user gives more rights than their own', async t => {
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
