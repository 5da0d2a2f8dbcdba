import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { SUPERADMIN_ID } from '../../../lib/identity/system-roles.js'
import { ADMIN_SECRET, FakeClient, PASSWORD, startAccounts } from '../../support/account-operations.js'
import { FakeClock } from '../../support/fake-clock.js'

t.test('bad input', async t => {
  /** Fields with which each operation would be answered, but for `wrong` in the place of one of them. */
  const valid: Record<string, Record<string, unknown>> = {
    'identity.login': { username: 'alice', password: PASSWORD },
    'identity.loginWithSecret': { secret: ADMIN_SECRET },
    'identity.createUser': { username: 'somebody', password: PASSWORD },
    'identity.getUser': { userId: 'x' },
    'identity.updateUser': { userId: 'x' },
    'identity.deleteUser': { userId: 'x' },
    'identity.enableUser': { userId: 'x' },
    'identity.disableUser': { userId: 'x' },
    'identity.changePassword': { userId: 'x', currentPassword: PASSWORD, newPassword: PASSWORD },
    'identity.resetPassword': { userId: 'x', newPassword: PASSWORD },
    'identity.createRole': { name: 'staff', description: 'x', permissions: [] },
    'identity.updateRole': { roleId: 'x', description: 'x', permissions: [] },
    'identity.deleteRole': { roleId: 'x' },
    'identity.assignRole': { userId: 'x', roleName: 'reader' },
    'identity.removeRole': { userId: 'x', roleName: 'reader' },
    'identity.getUserRoles': { userId: 'x' },
    'identity.grant': {
      subjectType: 'user',
      subjectId: 'x',
      resourceType: 'bucket',
      resourceName: 'items',
      operations: ['read']
    },
    'identity.revoke': {
      subjectType: 'user',
      subjectId: 'x',
      resourceType: 'bucket',
      resourceName: 'items',
      operations: ['read']
    },
    'identity.getAcl': { resourceType: 'bucket', resourceName: 'items' },
    'identity.getOwner': { resourceType: 'bucket', resourceName: 'items' },
    'identity.transferOwner': { resourceType: 'bucket', resourceName: 'items', newOwnerId: 'x' },
    'auth.login': { token: 'x' }
  }
  const optional = new Set(['description', 'permissions'])

  t.test('[G-B23] a field of the wrong type is a mistake of the client, in every operation', async t => {
    const { code, root, store } = await startAccounts(t)
    const client = await root()
    const before = (await store.getStats()).records.perBucket
    for (const [type, fields] of Object.entries(valid)) {
      for (const field of Object.keys(fields)) {
        for (const wrong of [undefined, null, 5, true, {}, [5], [{}], '']) {
          if (optional.has(field) && wrong == null) continue
          if (field === 'operations' && wrong == null && type === 'identity.revoke') continue
          if (field === 'description' && wrong === '') continue
          t.equal(
            await code(client, type, { ...fields, [field]: wrong }),
            'VALIDATION_ERROR',
            `${type} ${field}: ${JSON.stringify(wrong)}`
          )
        }
      }
    }
    t.same((await store.getStats()).records.perBucket, before, 'and nothing has happened')
  })

  t.test('what does not exist is not found', async t => {
    const { code, root } = await startAccounts(t)
    const client = await root()
    for (const type of [
      'getUser',
      'updateUser',
      'deleteUser',
      'enableUser',
      'disableUser',
      'resetPassword',
      'getUserRoles',
      'assignRole',
      'removeRole',
      'updateRole',
      'deleteRole',
      'grant',
      'revoke',
      'transferOwner'
    ]) {
      t.equal(await code(client, `identity.${type}`, valid[`identity.${type}`]), 'NOT_FOUND', type)
      t.equal(
        await code(client, `identity.${type}`, {
          ...valid[`identity.${type}`],
          userId: '__proto__',
          roleId: 'constructor',
          subjectId: '__proto__',
          newOwnerId: 'toString'
        }),
        'NOT_FOUND',
        `${type}, by the name of a member of every object`
      )
    }
    t.equal(await code(client, 'identity.getUser', { userId: SUPERADMIN_ID }), 'NOT_FOUND')
  })

  t.test('names and passwords have bounds', async t => {
    const { code, root, store } = await startAccounts(t)
    const client = await root()
    for (const username of [
      'ab',
      'x'.repeat(65),
      'x'.repeat(10_000),
      'al\u0000ice',
      'al\nice',
      'alice\ud800',
      '__proto__',
      SUPERADMIN_ID,
      '😀'.repeat(33)
    ]) {
      t.equal(
        await code(client, 'identity.createUser', { username, password: PASSWORD }),
        'VALIDATION_ERROR',
        JSON.stringify(username.slice(0, 70))
      )
    }
    for (const password of [
      'short',
      '😀'.repeat(7),
      'x'.repeat(1_025),
      'x'.repeat(10_000),
      'no character \ud800'
    ]) {
      t.equal(
        await code(client, 'identity.createUser', { username: 'alice', password }),
        'VALIDATION_ERROR',
        JSON.stringify(password.slice(0, 20))
      )
      t.equal(
        await code(client, 'identity.resetPassword', { userId: 'x', newPassword: password }),
        'VALIDATION_ERROR'
      )
    }
    for (const fields of [
      { displayName: 'x'.repeat(257) },
      { email: `${'x'.repeat(400)}@example.com` },
      { metadata: { text: 'x'.repeat(20_000) } }
    ]) {
      t.equal(
        await code(client, 'identity.createUser', { username: 'alice', password: PASSWORD, ...fields }),
        'VALIDATION_ERROR',
        JSON.stringify(Object.keys(fields))
      )
    }
    for (const name of ['x'.repeat(65), 'x'.repeat(10_000), 'st\u0007aff']) {
      t.equal(await code(client, 'identity.createRole', { name }), 'VALIDATION_ERROR')
    }
    t.equal(
      await code(client, 'identity.createRole', { name: 'staff', description: 'x'.repeat(1_001) }),
      'VALIDATION_ERROR'
    )
    t.equal(await store.bucket('_users').count(), 0)
    t.equal(await store.bucket('_roles').count(), 4)
  })

  t.test('[G-C14] permissions that are none', async t => {
    const { code, root } = await startAccounts(t)
    const client = await root()
    const bad: unknown[] = [
      5,
      null,
      'store.*',
      [],
      {},
      { allow: 5 },
      { allow: '' },
      { allow: [] },
      { allow: ['store.*', 5] },
      { allow: 'store.*', buckets: 'items' },
      { allow: 'store.*', topics: [5] },
      { allow: 'store.*', where: 5 },
      { allow: 'store.*', where: { n: { $nonsense: 1 } } },
      { allow: 'store.*', deny: 'x' }
    ]
    for (const entry of bad) {
      t.equal(
        await code(client, 'identity.createRole', { name: 'staff', permissions: [{ allow: '*' }, entry] }),
        'VALIDATION_ERROR',
        JSON.stringify(entry)
      )
    }
    t.equal(
      await code(client, 'identity.createRole', {
        name: 'staff',
        permissions: Array(101).fill({ allow: '*' })
      }),
      'VALIDATION_ERROR'
    )
    t.equal(
      await code(client, 'identity.createRole', { name: '__proto__', permissions: [{ allow: '*' }] }),
      undefined,
      'a role of any name is a role like others'
    )
  })

  t.test('a name is taken once, however many ask for it at the same time', async t => {
    const { code, root, store } = await startAccounts(t)
    const client = await root()
    t.same(
      (
        await Promise.all(
          [1, 2, 3].map(
            async () => await code(client, 'identity.createUser', { username: 'twin', password: PASSWORD })
          )
        )
      ).sort(),
      ['ALREADY_EXISTS', 'ALREADY_EXISTS', undefined]
    )
    t.same(
      (
        await Promise.all(
          [1, 2, 3].map(async () => await code(client, 'identity.createRole', { name: 'twin' }))
        )
      ).sort(),
      ['ALREADY_EXISTS', 'ALREADY_EXISTS', undefined]
    )
    const twin = await store.bucket('_users').findOne({ username: 'twin' })
    t.same(
      (
        await Promise.all(
          [1, 2, 3].map(
            async () => await code(client, 'identity.assignRole', { userId: twin?.['id'], roleName: 'twin' })
          )
        )
      ).sort(),
      ['ALREADY_EXISTS', 'ALREADY_EXISTS', undefined]
    )
    t.equal(await store.bucket('_user_roles').count(), 1)
  })

  t.test('lists of accounts take any page', async t => {
    const { ask, root, user } = await startAccounts(t)
    for (const name of ['ann', 'bea', 'cat']) await user(name)
    const client = await root()
    for (const [fields, expected] of [
      [{ page: 2, pageSize: 2 }, { users: [{ username: 'cat' }], total: 3, page: 2, pageSize: 2 }],
      [{ page: -1, pageSize: 0 }, { users: [{ username: 'ann' }], page: 1, pageSize: 1 }],
      [{ page: 1e300, pageSize: 1e300 }, { users: [], pageSize: 200 }],
      [{ page: null, pageSize: [] }, { page: 1, pageSize: 50 }]
    ]) t.match(await ask(client, 'identity.listUsers', fields), expected as object)
  })
})

t.test('who may not is told so, before anything of the request is looked at', async t => {
  const { code, user, as } = await startAccounts(t)
  const writer = await as(await user('walter', 'writer'))
  const admin = await as(await user('adam', 'admin'))
  const ofAdmins = [
    'createUser',
    'getUser',
    'deleteUser',
    'listUsers',
    'enableUser',
    'disableUser',
    'resetPassword',
    'listRoles',
    'assignRole',
    'removeRole',
    'getUserRoles'
  ]
  for (const type of [...ofAdmins, 'createRole', 'updateRole', 'deleteRole']) {
    t.equal(await code(writer, `identity.${type}`), 'FORBIDDEN', type)
  }
  for (const type of ['createRole', 'updateRole', 'deleteRole']) {
    t.equal(await code(admin, `identity.${type}`), 'FORBIDDEN', type)
  }
  for (const type of [
    ...ofAdmins,
    'logout',
    'whoami',
    'refreshSession',
    'changePassword',
    'updateUser',
    'grant',
    'revoke',
    'getAcl',
    'myAccess',
    'getOwner',
    'transferOwner'
  ]) {
    t.equal(await code(new FakeClient(), `identity.${type}`), 'UNAUTHORIZED', type)
  }
})

t.test('[G-B5] a right that is lost while a change waits for its turn is lost', async t => {
  const { identity, code, user, as, root } = await startAccounts(t)
  const id = await user('adam', 'admin')
  const target = await user('alice')
  const [admin, superadmin] = [await as(id), await root()]
  const taken = code(superadmin, 'identity.removeRole', { userId: id, roleName: 'admin' })
  const late = [
    code(admin, 'identity.disableUser', { userId: target }),
    code(admin, 'identity.deleteUser', { userId: target }),
    code(admin, 'identity.assignRole', { userId: id, roleName: 'admin' })
  ]
  t.equal(await taken, undefined)
  t.same(await Promise.all(late), ['FORBIDDEN', 'FORBIDDEN', 'FORBIDDEN'])
  t.equal(identity.directory.isActive(target), true)
})

t.test('[G-C6] the last account of a superadmin', async t => {
  const { code, user, as, root } = await startAccounts(t)
  const [first, second] = [await user('sam', 'superadmin'), await user('sue', 'superadmin')]
  const client = await as(first)
  t.equal(
    await code(client, 'identity.disableUser', { userId: second }),
    undefined,
    'is not the one before the last'
  )
  for (const [type, fields] of [
    ['disableUser', {}],
    ['deleteUser', {}],
    ['removeRole', { roleName: 'superadmin' }]
  ] as const) {
    t.equal(await code(client, `identity.${type}`, { userId: first, ...fields }), 'FORBIDDEN', type)
  }
  t.equal(
    await code(await root(), 'identity.deleteUser', { userId: first }),
    undefined,
    'whoever has the admin secret may'
  )
  const last = await root()
  for (const type of ['deleteUser', 'disableUser']) {
    t.equal(await code(last, `identity.${type}`, { userId: SUPERADMIN_ID }), 'FORBIDDEN')
  }
})

t.test('[G-C6] the role superadmin keeps its permissions and stays', async t => {
  const { code, identity, root } = await startAccounts(t)
  const client = await root()
  const { id: roleId } = identity.directory.roleByName('superadmin') ?? {}
  t.equal(await code(client, 'identity.updateRole', { roleId, permissions: [] }), 'FORBIDDEN')
  t.equal(await code(client, 'identity.deleteRole', { roleId }), 'FORBIDDEN')
  t.equal(
    await code(client, 'identity.updateRole', { roleId, description: 'whoever installs the server' }),
    undefined
  )
})

t.test('taking a role takes it, even if the application has given it twice', async t => {
  const { ask, identity, user, root } = await startAccounts(t)
  const id = await user('alice', 'reader', 'reader')
  await ask(await root(), 'identity.removeRole', { userId: id, roleName: 'reader' })
  t.same(identity.directory.roleNamesOf(id), [])
})

t.test('sessions', async t => {
  t.test('[G-B10] refreshing one ends no other, with as many as a user may have', async t => {
    const { ask, identity, user, as } = await startAccounts(t, { auth: { maxSessionsPerUser: 2 } })
    const id = await user('alice')
    const [first, second] = [await as(id), await as(id)]
    await ask(second, 'identity.refreshSession')
    t.equal(first.session?.state, 'live')
    t.equal(second.session?.state, 'live')
    t.equal(identity.directory.sessionsOf(id).length, 2)
    const third = await as(id)
    t.equal(first.session?.state, 'ended', 'one more ends the oldest')
    t.equal(third.session?.state, 'live')
  })

  t.test('[G-B10] those that have expired take nobody\'s place', async t => {
    const { store, user, as, clock } = await startAccounts(t, { auth: { maxSessionsPerUser: 2 } })
    const id = await user('alice')
    const first = await as(id)
    await store
      .bucket('_sessions')
      .insert({ id: 'expired', userId: id, expiresAt: clock.now() - 1, createdAt: clock.now() + 1 })
    const second = await as(id)
    t.equal(first.session?.state, 'live')
    t.equal(second.session?.state, 'live')
  })

  t.test(
    '[G-B12] last as long as sessionTtl says, above the longest timer too, and then are swept up',
    async t => {
      const clock = new FakeClock()
      const sessionTtl = 25 * 86_400_000
      const { store, identity, user, as } = await startAccounts(t, { clock, auth: { sessionTtl } })
      const { session } = await as(await user('alice'))
      t.equal(session?.expiresAt, clock.now() + sessionTtl)
      clock.turn(sessionTtl)
      t.equal(session?.state, 'live', 'the last moment still counts')
      clock.turn(60_001)
      t.same(identity.directory.sessions(), [])
      await setImmediate()
      t.equal(await store.bucket('_sessions').count(), 0)
    }
  )

  t.test('[G-B5] end for every client when one of them logs out', async t => {
    const { ask, user, as } = await startAccounts(t)
    const client = await as(await user('alice'))
    const other = new FakeClient()
    other.session = client.session
    await ask(client, 'identity.logout')
    t.equal(other.session?.state, 'ended')
  })

  t.test('[G-B5] are barred when the account is disabled or gone', async t => {
    const { ask, user, as, root } = await startAccounts(t)
    const superadmin = await root()
    for (const type of ['disableUser', 'deleteUser']) {
      const userId = await user(`${type} me`, 'reader')
      const { session } = await as(userId)
      t.same(session?.roles, ['reader'])
      await ask(superadmin, `identity.${type}`, { userId })
      t.equal(session?.state, 'barred')
    }
    t.equal(superadmin.session?.state, 'live')
  })
})

t.test('access lists', async t => {
  const items = { resourceType: 'bucket', resourceName: 'items' }

  t.test('[G-C12] show to administrators, the owner and who has access', async t => {
    const { ask, code, identity, user, as, root } = await startAccounts(t)
    const [owner, reader, stranger] = [await user('olga'), await user('rita'), await user('stan')]
    await identity.recordOwner('bucket', 'items', (await as(owner)).session)
    await ask(await as(owner), 'identity.grant', {
      subjectType: 'user',
      subjectId: reader,
      ...items,
      operations: ['read', 'read']
    })
    for (const type of ['getAcl', 'getOwner']) {
      for (const who of [owner, reader]) {
        t.equal(await code(await as(who), `identity.${type}`, items), undefined)
      }
      t.equal(await code(await root(), `identity.${type}`, items), undefined)
      t.equal(await code(await as(stranger), `identity.${type}`, items), 'FORBIDDEN')
    }
    t.same(await ask(await as(reader), 'identity.getAcl', items), {
      entries: [
        { subjectType: 'user', subjectId: owner, subjectName: 'olga', operations: [], isOwner: true },
        { subjectType: 'user', subjectId: reader, subjectName: 'rita', operations: ['read'], isOwner: false }
      ]
    })
    t.equal(
      await code(await as(reader), 'identity.grant', {
        subjectType: 'user',
        subjectId: reader,
        ...items,
        operations: ['admin']
      }),
      'FORBIDDEN',
      'who may read may not grant'
    )
    t.equal(
      await code(await as(owner), 'identity.grant', {
        subjectType: 'user',
        subjectId: owner,
        ...items,
        resourceName: 'others',
        operations: ['read']
      }),
      'FORBIDDEN',
      'an owner grants what is its own'
    )
  })

  t.test(
    '[G-C13] [G-C17] follow roles: who holds one with admin access may grant, until the role is gone',
    async t => {
      const { ask, code, identity, user, as, root } = await startAccounts(t)
      const superadmin = await root()
      const { id: roleId } = await ask(superadmin, 'identity.createRole', { name: 'staff' }) as { id: string }
      const userId = await user('alice', 'staff')
      await ask(superadmin, 'identity.grant', {
        subjectType: 'role',
        subjectId: roleId,
        ...items,
        operations: ['admin']
      })
      const grant = { subjectType: 'user', subjectId: userId, ...items, operations: ['read'] }
      t.equal(await code(await as(userId), 'identity.grant', grant), undefined)
      t.match(await ask(await as(userId), 'identity.myAccess'), {
        user: { username: 'alice', roles: ['staff'] },
        resources: [{ ...items, operations: ['admin', 'read'], isOwner: false }]
      })
      await ask(superadmin, 'identity.deleteRole', { roleId })
      t.same(
        identity.directory
          .acl({ resourceType: 'bucket', resourceName: 'items' })
          .map(({ subjectType }) => subjectType),
        ['user']
      )
      t.same(identity.directory.roleNamesOf(userId), [])
      t.equal(await code(await as(userId), 'identity.grant', grant), 'FORBIDDEN')
    }
  )

  t.test('name no system bucket, and have bounds', async t => {
    const { code, store, user, root } = await startAccounts(t)
    const client = await root()
    const subject = { subjectType: 'user', subjectId: await user('alice'), operations: ['read'] }
    t.equal(
      await code(client, 'identity.grant', { ...subject, resourceType: 'bucket', resourceName: '_users' }),
      'FORBIDDEN'
    )
    t.equal(
      await code(client, 'identity.grant', {
        ...subject,
        resourceType: 'bucket',
        resourceName: 'x'.repeat(257)
      }),
      'VALIDATION_ERROR'
    )
    await store
      .bucket('_acl')
      .insertMany(
        Array.from({ length: 1_000 }, (_, i) => ({
          subjectType: 'user',
          subjectId: `user ${i}`,
          ...items,
          operations: ['read']
        }))
      )
    t.equal(await code(client, 'identity.grant', { ...subject, ...items }), 'VALIDATION_ERROR')
  })

  t.test('take any part of what was granted away, and then the entry', async t => {
    const { ask, code, identity, user, root } = await startAccounts(t)
    const client = await root()
    const entry = { subjectType: 'user', subjectId: await user('alice'), ...items }
    await ask(client, 'identity.grant', { ...entry, operations: ['write'] })
    await ask(client, 'identity.grant', { ...entry, operations: ['read', 'write'] })
    const listed = (): unknown =>
      identity.directory
        .acl({ resourceType: 'bucket', resourceName: 'items' })
        .map(({ operations }) => operations)
    t.same(listed(), [['write', 'read']])
    await ask(client, 'identity.revoke', { ...entry, operations: ['write'] })
    t.same(listed(), [['read']])
    await ask(client, 'identity.revoke', { ...entry, operations: [] })
    t.same(listed(), [])
    t.equal(await code(client, 'identity.revoke', entry), 'NOT_FOUND')
  })
})

t.test('ownership', async t => {
  t.test('goes to whoever makes something, is kept, and can be handed over', async t => {
    const { ask, code, identity, user, as } = await startAccounts(t)
    const [olga, paul] = [await user('olga'), await user('paul')]
    const named = { resourceType: 'bucket', resourceName: 'items' }
    t.equal(await code(await as(olga), 'identity.transferOwner', { ...named, newOwnerId: paul }), 'NOT_FOUND')
    await identity.recordOwner('bucket', 'items', (await as(olga)).session)
    await identity.recordOwner('bucket', 'items', (await as(paul)).session)
    t.equal(await code(await as(paul), 'identity.transferOwner', { ...named, newOwnerId: paul }), 'FORBIDDEN')
    t.equal(
      await code(await as(olga), 'identity.transferOwner', { ...named, newOwnerId: SUPERADMIN_ID }),
      'NOT_FOUND'
    )
    await ask(await as(olga), 'identity.transferOwner', { ...named, newOwnerId: paul })
    t.same(await ask(await as(paul), 'identity.getOwner', named), {
      owner: { userId: paul, username: 'paul', ...named }
    })
    await identity.forgetResource('bucket', 'items')
    t.equal(await code(await as(paul), 'identity.getOwner', named), 'FORBIDDEN')
  })

  t.test('goes with the user, in one step with everything else', async t => {
    const { ask, identity, user, as, root, store } = await startAccounts(t)
    const userId = await user('olga', 'reader')
    await identity.recordOwner('query', 'mine', (await as(userId)).session)
    await ask(await root(), 'identity.grant', {
      subjectType: 'user',
      subjectId: userId,
      resourceType: 'bucket',
      resourceName: 'items',
      operations: ['read']
    })
    let told = 0
    identity.onChange(() => { told++ })
    await ask(await root(), 'identity.deleteUser', { userId })
    t.equal(told, 1)
    for (const bucket of ['_users', '_user_roles', '_acl', '_resource_owners']) {
      t.equal(await store.bucket(bucket).count(), 0, bucket)
    }
    t.equal(await store.bucket('_sessions').count({ userId }), 0)
  })
})

t.test('two instances on one store know the same users, sessions and queries', async t => {
  const one = await startAccounts(t)
  const other = await startAccounts(t, { store: one.store })
  const userId = await one.user('alice', 'reader')
  const client = await one.as(userId)
  await one.identity.recordOwner('query', 'mine', client.session)
  t.equal(other.identity.isClientQuery('mine'), true)
  await other.ask(await other.root(), 'identity.disableUser', { userId })
  t.equal(client.session?.state, 'barred')
  await other.identity.close()
  t.equal(
    await one.code(await one.root(), 'identity.enableUser', { userId }),
    undefined,
    'the one goes on when the other closes'
  )
})
