import t from 'tap'
import { SUPERADMIN_ID } from '../../../lib/identity/system-roles.js'
import { ADMIN_SECRET, PASSWORD, startAccounts } from '../../support/account-operations.js'

t.test('bad input', async t => {
  /** Fields with which each operation would be answered, but for `wrong` in the place of one of them. */
  const valid: Record<string, Record<string, unknown>> = {
    'identity.login': { username: 'alice', password: PASSWORD },
    'identity.loginWithSecret': { secret: ADMIN_SECRET },
    'identity.createUser': { username: 'someone', password: PASSWORD },
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

  t.test('users, roles and resources that do not exist are not found', async t => {
    const { code, root } = await startAccounts(t)
    const client = await root()
    for (const type of [
      'getUser', 'updateUser', 'deleteUser', 'enableUser', 'disableUser', 'resetPassword', 'getUserRoles',
      'assignRole', 'removeRole', 'updateRole', 'deleteRole', 'grant', 'revoke', 'transferOwner'
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

  t.test('[G-C14] invalid permissions', async t => {
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
