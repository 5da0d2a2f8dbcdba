import t from 'tap'
import { systemBuckets } from '../../../lib/identity/system-buckets.js'
import { SUPERADMIN_ID } from '../../../lib/identity/system-roles.js'
import { alice, open, startStore } from '../../support/directories.js'

t.test('access lists keep the order in which access was granted', async t => {
  const { store, directory } = await open(t)
  const resource = { resourceType: 'bucket', resourceName: 'items' } as const
  for (const subjectId of ['a', 'b', 'c']) {
    await store.bucket('_acl').insert({ subjectType: 'user', subjectId, ...resource, operations: ['read'] })
  }
  const [first] = directory.acl(resource)
  await store.bucket('_acl').update(first?.id, { operations: ['read', 'write'] })
  t.same(
    directory.acl(resource).map(({ subjectId, operations }) => [subjectId, ...operations]),
    [
      ['a', 'read', 'write'],
      ['b', 'read'],
      ['c', 'read']
    ]
  )
  await store.bucket('_acl').update(first?.id, { resourceName: 'others' })
  t.same(directory.acl(resource).map(({ subjectId }) => subjectId), ['b', 'c'])
  t.same(directory.acl({ ...resource, resourceName: 'others' }).map(({ subjectId }) => subjectId), ['a'])
})

t.test('invalid records do not count, and are logged once', async t => {
  const store = await startStore(t)
  for (const name of Object.keys(systemBuckets)) {
    await store.defineBucket(name, { key: 'id', schema: { id: { type: 'string' } } })
  }
  const odd: Record<string, object[]> = {
    _users: [
      { id: 'a' },
      { id: 'b', username: 5, passwordHash: 'x' },
      { id: 'c', username: 'carol', passwordHash: {} },
      { id: SUPERADMIN_ID, ...alice, enabled: true }
    ],
    _roles: [{ id: 'a', name: 'role', permissions: 'all' }, { id: 'b', name: null, permissions: [] }],
    _user_roles: [{ id: 'a', userId: SUPERADMIN_ID }, { id: 'b', roleId: 'a' }],
    _acl: [
      {
        id: 'a',
        subjectType: 'group',
        subjectId: 'a',
        resourceType: 'bucket',
        resourceName: 'items',
        operations: ['read']
      },
      {
        id: 'b',
        subjectType: 'user',
        subjectId: 'a',
        resourceType: 'planet',
        resourceName: 'mars',
        operations: ['read']
      }
    ],
    _sessions: [
      { id: 'a', userId: 'u' },
      { id: 'b', userId: 'u', expiresAt: 'never' },
      { id: 'c', userId: 7, expiresAt: 1 }
    ],
    _resource_owners: [
      { id: 'a', userId: 'u', resourceType: 'bucket' },
      { id: 'b', userId: 'u', resourceType: [], resourceName: 'items' }
    ]
  }
  for (const [name, records] of Object.entries(odd)) {
    for (const record of records) await store.bucket(name).insert(record as Record<string, unknown>)
  }
  const { directory, messages } = await open(t, { store })
  t.same(
    [
      directory.users(),
      directory.sessions(),
      directory.usersWithSessions(),
      directory.aclOf('a'),
      directory.ownedBy('u')
    ],
    [[], [], [], [], []]
  )
  t.equal(directory.roles().length, 4, 'the roles of the system are made beside them')
  t.equal(directory.user(SUPERADMIN_ID), undefined, 'there is no account of the virtual superadmin')
  await store.bucket('_users').insert({ id: 'late' })
  t.equal(messages.length, 1)
})

t.test('two users of one name are two users, and the first has the name', async t => {
  const store = await startStore(t)
  await store.defineBucket('_users', { key: 'id', schema: { id: { type: 'string' } } })
  for (const id of ['first', 'second']) await store.bucket('_users').insert({ id, ...alice, enabled: true })
  const { directory } = await open(t, { store })
  t.equal(directory.userByName('alice')?.id, 'first')
  await store.bucket('_users').delete('first')
  t.equal(directory.userByName('alice')?.id, 'second')
})

t.test('the virtual superadmin has its role without any record of it', async t => {
  const { store, directory } = await open(t)
  t.same(directory.roleNamesOf(SUPERADMIN_ID), ['superadmin'])
  t.same(directory.rolesOf(SUPERADMIN_ID).map(({ name }) => name), ['superadmin'])
  await store.bucket('_roles').delete(directory.roleByName('superadmin')?.id)
  t.same(directory.roleNamesOf(SUPERADMIN_ID), ['superadmin'])
})

t.test('the settings of hashes are those of the present users', async t => {
  const { store, directory } = await open(t)
  directory.hashSettings.start(hash => hash === 'none' ? undefined : hash.slice(0, 3), directory.users())
  const users = store.bucket('_users')
  const [a, b] = [
    await users.insert({ username: 'ann', passwordHash: 'old 1' }),
    await users.insert({ username: 'bea', passwordHash: 'old 2' })
  ]
  await users.insert({ username: 'cat', passwordHash: 'none' })
  t.same([...directory.hashSettings.inUse], ['old'])
  await users.update(a['id'], { passwordHash: 'new 1' })
  t.same([...directory.hashSettings.inUse], ['old', 'new'])
  await users.delete(b['id'])
  t.same([...directory.hashSettings.inUse], ['new'])
})
