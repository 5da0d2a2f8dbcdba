import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { SUPERADMIN_ID } from '../../../lib/identity/system-roles.js'
import { FakeClient, startAccounts } from '../../support/account-operations.js'
import { FakeClock } from '../../support/fake-clock.js'

t.test('a client without the right is refused before its request is checked', async t => {
  const { code, user, as } = await startAccounts(t)
  const writer = await as(await user('walter', 'writer'))
  const admin = await as(await user('adam', 'admin'))
  const ofAdmins = [
    'createUser', 'getUser', 'deleteUser', 'listUsers', 'enableUser', 'disableUser', 'resetPassword',
    'listRoles', 'assignRole', 'removeRole', 'getUserRoles'
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
    'a client with the admin secret may'
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
    await code(client, 'identity.updateRole', { roleId, description: 'installs the server' }),
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

  t.test('[G-B10] expired ones do not count for the limit', async t => {
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
