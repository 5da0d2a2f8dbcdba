import t from 'tap'
import { SUPERADMIN_ID } from '../../../lib/identity/system-roles.js'
import { startAccounts } from '../../support/account-operations.js'

t.test('access lists', async t => {
  const items = { resourceType: 'bucket', resourceName: 'items' }

  t.test('[G-C12] are shown to administrators, the owner and users with access', async t => {
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

  t.test('lose any part of the granted classes, and then the entry', async t => {
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
  t.test('goes to the user that defines the resource, is kept, and can be transferred', async t => {
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

  t.test('is deleted with the user, in one step with everything else', async t => {
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
