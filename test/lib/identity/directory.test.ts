import { setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { Store, type StoreOptions } from '@hamicek/noex-store'
import { Directory } from '../../../lib/identity/directory.js'
import type { DirectoryChange } from '../../../lib/identity/change-listeners.js'
import { systemBuckets } from '../../../lib/identity/system-buckets.js'
import { SUPERADMIN_ID } from '../../../lib/identity/system-roles.js'
import type { Log } from '../../../lib/util/log.js'
import { operations } from '../../../lib/operations/registry.js'
import { SharedStore } from '../../../lib/store/shared-store.js'

/** A log that keeps what is written to it. */
function keepingLog () {
  const messages: string[] = []
  const keep = (_details: object, message: string): void => { messages.push(message) }
  const log: Log = { trace: keep, debug: keep, info: keep, warn: keep, error: keep, child: () => log }
  return { log, messages }
}

/** The directory of a fresh store, or of `store`; everything closes with the test. */
async function open (t: Test, settings: { readonly store?: Store, readonly options?: StoreOptions } = {}) {
  const store = settings.store ?? await startStore(t, settings.options)
  const sharedStore = SharedStore.of(store)
  const { log, messages } = keepingLog()
  const directory = await Directory.open(sharedStore, operations.values(), log)
  t.teardown(async () => { await directory.close() })
  const changes: DirectoryChange[] = []
  directory.onChange(change => { changes.push(change) })
  return { store, sharedStore, directory, messages, changes, log }
}

async function startStore (t: Test, options?: StoreOptions): Promise<Store> {
  const store = await Store.start(options)
  t.teardown(async () => { await store.stop() })
  return store
}

const alice = { username: 'alice', passwordHash: 'x' }

t.test('the first start', async t => {
  t.test('[G-B1] makes the six buckets, of which none refers to another', async t => {
    const { store } = await open(t)
    for (const [name, { schema }] of Object.entries(systemBuckets)) {
      t.ok(store.hasBucket(name), name)
      t.same(Object.values(schema).filter(field => field.ref !== undefined), [])
    }
  })

  t.test('[G-B12] leaves the end of a session to the session', async t => {
    const { store } = await open(t)
    t.equal(store.getBucketSchema('_sessions')?.ttl, undefined)
  })

  t.test('makes the roles that are missing, and leaves the others as they are', async t => {
    const store = await startStore(t)
    await store.defineBucket('_roles', systemBuckets._roles)
    await store
      .bucket('_roles')
      .insert({ name: 'reader', description: 'ours', system: true, permissions: [] })
    const { directory } = await open(t, { store })
    t.same(directory.roles().map(({ name }) => name).sort(), ['admin', 'reader', 'superadmin', 'writer'])
    t.match(directory.roleByName('reader'), { description: 'ours', permissions: [] })
    t.equal(await store.bucket('_roles').count(), 4)
  })

  t.test('gives writers and readers what the table of operations says', async t => {
    const { directory } = await open(t)
    const allowed = (role: string): unknown => directory.roleByName(role)?.permissions[0]?.allow
    const named = (...tiers: unknown[]): string[] =>
      [...operations.values()]
        .filter(({ name, tier }) => /^(?:store|rules|procedures)\./.test(name) && tiers.includes(tier))
        .map(({ name }) => name)
    t.same(allowed('reader'), named('read'))
    t.same(allowed('writer'), named('read', 'write'))
    t.ok(named('read').length > 10, 'there are some')
  })

  t.test('that fails leaves nothing behind, and the next one succeeds', async t => {
    const store = await startStore(t)
    const sharedStore = SharedStore.of(store)
    const onDurable = store.onDurable.bind(store)
    let listening = 0
    store.onDurable = listener => {
      const stop = onDurable(listener)
      listening++
      return () => {
        listening--
        stop()
      }
    }
    const defineBucket = store.defineBucket.bind(store)
    store.defineBucket = async (name, definition) => {
      if (name === '_acl') throw new Error('the disk is full')
      await defineBucket(name, definition)
    }
    const starts = [1, 2].map(
      async () => await Directory.open(sharedStore, operations.values(), keepingLog().log)
    )
    for (const start of starts) await t.rejects(start, { message: 'the disk is full' })
    t.equal(listening, 0)
    store.defineBucket = defineBucket
    const { directory } = await open(t, { store })
    t.equal(directory.roles().length, 4)
  })
})

t.test('what the application writes itself counts', async t => {
  const { store, directory, changes } = await open(t)
  const { id } = await store.bucket('_users').insert(alice)
  t.equal(directory.userByName('alice')?.id, id)
  t.equal(directory.isActive(String(id)), true)
  t.same(changes, [], 'a new account concerns nobody who is connected')
  await store.bucket('_users').update(id, { enabled: false })
  t.equal(directory.isActive(String(id)), false)
  t.same(changes.splice(0), [{ userId: id, rights: true }])
  const role = directory.roleByName('reader')
  await store.bucket('_user_roles').insert({ userId: id, roleId: role?.id })
  t.same(directory.roleNamesOf(String(id)), ['reader'])
  t.same(changes.splice(0), [{ userId: undefined, rights: true }])
  await store.bucket('_users').update(id, { username: 'alicia' })
  t.equal(directory.userByName('alice'), undefined)
  t.equal(directory.userByName('alicia')?.id, id)
  await store.bucket('_users').delete(id)
  t.equal(directory.user(String(id)), undefined)
  t.same(changes, [{ userId: id, rights: true }])
})

t.test('a change of several records', async t => {
  t.test('is told of once, when all of it has happened', async t => {
    const { store, directory } = await open(t)
    const { id } = await store.bucket('_users').insert(alice)
    const userId = String(id)
    for (const name of ['reader', 'writer']) {
      await store.bucket('_user_roles').insert({ userId, roleId: directory.roleByName(name)?.id })
    }
    const seen: unknown[] = []
    directory.onChange(
      change => { seen.push([change, directory.user(userId), directory.assignmentsOf(userId)]) }
    )
    await directory.exclusive(async () => await directory.write([
      ...directory
        .assignmentsOf(userId)
        .map(assignment => ({ bucket: '_user_roles' as const, delete: assignment.id })),
      { bucket: '_users', delete: userId }
    ]))
    t.same(seen, [[{ userId: undefined, rights: true }, undefined, []]])
  })

  t.test('resolves when whoever follows has acted on it', async t => {
    const { directory } = await open(t)
    let acted = false
    directory.onChange(async () => {
      await setImmediate()
      acted = true
    })
    await directory.exclusive(
      async () => await directory.write([{ bucket: '_roles', insert: { name: 'staff', permissions: [] } }])
    )
    t.equal(acted, true)
  })

  t.test('that fails changes nothing and tells nobody', async t => {
    const { store, directory, changes } = await open(t)
    await store.bucket('_users').insert(alice)
    const writes = [
      { bucket: '_roles' as const, insert: { name: 'staff', permissions: [] } },
      { bucket: '_users' as const, insert: alice }
    ]
    await t.rejects(
      directory.exclusive(async () => await directory.write(writes)),
      { name: 'UniqueConstraintError' }
    )
    t.equal(directory.roleByName('staff'), undefined)
    t.equal(await store.bucket('_roles').count(), 4)
    t.same(changes, [])
  })

  t.test('may delete what is gone already', async t => {
    const { directory } = await open(t)
    t.same(
      await directory.exclusive(
        async () => await directory.write([{ bucket: '_sessions', delete: 'unknown' }])
      ),
      []
    )
  })
})

t.test('changes run one after the other, and no more than a thousand wait', async t => {
  const { directory } = await open(t)
  const order: number[] = []
  const running = Array.from({ length: 1_000 }, async (_, i) => await directory.exclusive(async () => {
    await setImmediate()
    order.push(i)
  }))
  await t.rejects(
    directory.exclusive(async () => {}),
    { code: 'RATE_LIMITED', details: { retryAfterMs: Number } }
  )
  const followUp = directory.retryLater(async () => order.length)
  await Promise.all(running)
  t.same(order, Array.from({ length: 1_000 }, (_, i) => i))
  t.equal(await followUp, 1_000, 'what follows from something that has happened is not refused')
  await t.rejects(
    directory.exclusive(async () => { throw new Error('this one fails') }),
    { message: 'this one fails' }
  )
  t.equal(await directory.exclusive(async () => 'the next one runs'), 'the next one runs')
})

t.test('somebody who fails to follow a change keeps nobody else from it', async t => {
  const { store, directory, messages } = await open(t)
  directory.onChange(() => { throw new Error('failed') })
  directory.onChange(async () => await Promise.reject(new Error('failed later')))
  const seen: DirectoryChange[] = []
  directory.onChange(change => { seen.push(change) })
  await directory.exclusive(
    async () => await directory.write([{ bucket: '_roles', insert: { name: 'staff', permissions: [] } }])
  )
  t.equal(seen.length, 1)
  const failed = 'a change of accounts could not be applied to connections'
  t.same(messages, [failed, failed])
  t.equal(await store.bucket('_roles').count({ name: 'staff' }), 1)
})

t.test('sessions that are ended', async t => {
  t.test('are over at once, and in the store soon', async t => {
    const { store, directory, changes } = await open(t)
    for (const id of ['a', 'b']) await store.bucket('_sessions').insert({ id, userId: 'u', expiresAt: 1 })
    changes.splice(0)
    directory.endSessions(['a', 'b', 'unknown'])
    t.same(directory.sessionsOf('u'), [])
    t.same(changes, [{ userId: 'u', rights: false }])
    await setImmediate()
    t.equal(await store.bucket('_sessions').count(), 0)
    t.equal(changes.length, 1, 'the deletion itself is no news')
  })

  t.test('stay over when the store fails to delete them', async t => {
    const { store, sharedStore, directory, messages } = await open(t)
    await store.bucket('_sessions').insert({ id: 'a', userId: 'u', expiresAt: 1 })
    const bucket = sharedStore.bucket.bind(sharedStore)
    sharedStore.bucket = name =>
      Object.assign(bucket(name), { delete: async () => await Promise.reject(new Error('the disk is full')) })
    directory.endSessions(['a'])
    await setImmediate()
    sharedStore.bucket = bucket
    t.same(messages, ['a session that has ended could not be deleted'])
    await store.bucket('_sessions').update('a', { ip: 'elsewhere' })
    t.equal(directory.session('a'), undefined, 'a late change does not bring it back')
    await store.rebuildBucket('_sessions', systemBuckets._sessions, records => [...records] as never)
    t.equal(directory.session('a'), undefined, 'nor do its records as a whole')
  })
})

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

t.test('changes of the buckets themselves', async t => {
  t.test('a new field disturbs nobody', async t => {
    const { store, directory, changes } = await open(t)
    const { id } = await store.bucket('_users').insert(alice)
    await store.updateBucket('_users', { addFields: { team: { type: 'string' } } })
    t.same(changes, [])
    await store.bucket('_users').update(id, { enabled: false, team: 'red' })
    t.equal(directory.isActive(String(id)), false)
  })

  t.test('records that are replaced or cleared count at once, and are told of once', async t => {
    const { store, directory, changes } = await open(t)
    const { id } = await store.bucket('_users').insert(alice)
    const actives: boolean[] = []
    directory.onChange(() => { actives.push(directory.isActive(String(id))) })
    await store.rebuildBucket('_users', systemBuckets._users, records =>
      records.map(([key, record]) => [key, { ...record, username: 'alicia' }]))
    t.equal(directory.userByName('alice'), undefined)
    t.equal(directory.userByName('alicia')?.id, id)
    t.same(changes.splice(0), [{ userId: undefined, rights: true }])
    t.same(actives, [true], 'the user is there all the time')
    await store.bucket('_users').clear()
    t.same(directory.users(), [])
    t.same(changes, [{ userId: undefined, rights: true }])
  })

  t.test('a bucket that is dropped is empty', async t => {
    const { store, directory, changes } = await open(t)
    const { id } = await store.bucket('_users').insert(alice)
    await store.dropBucket('_users')
    t.equal(directory.isActive(String(id)), false)
    t.same(changes, [{ userId: undefined, rights: true }])
    t.equal(directory.isActive(SUPERADMIN_ID), true)
  })
})

t.test('records that are none do not count, and are complained about once', async t => {
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
        subjectType: 'everybody',
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
  t.equal(directory.user(SUPERADMIN_ID), undefined, 'nobody has the account of the virtual superadmin')
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

t.test('the virtual superadmin holds its role whatever the records say', async t => {
  const { store, directory } = await open(t)
  t.same(directory.roleNamesOf(SUPERADMIN_ID), ['superadmin'])
  t.same(directory.rolesOf(SUPERADMIN_ID).map(({ name }) => name), ['superadmin'])
  await store.bucket('_roles').delete(directory.roleByName('superadmin')?.id)
  t.same(directory.roleNamesOf(SUPERADMIN_ID), ['superadmin'])
})

t.test('the settings of hashes are those of the users there are', async t => {
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

t.test('several users of one directory', async t => {
  t.test('share it, and the last one ends it', async t => {
    const { store, sharedStore, directory, log } = await open(t)
    const other = await Directory.open(sharedStore, operations.values(), log)
    t.equal(other, directory)
    await other.close()
    const { id } = await store.bucket('_users').insert(alice)
    t.ok(directory.user(String(id)), 'it goes on for the others')
  })

  t.test('may come while the last one leaves', async t => {
    const store = await startStore(t)
    const sharedStore = SharedStore.of(store)
    const { log } = keepingLog()
    const first = await Directory.open(sharedStore, operations.values(), log)
    const opening = Directory.open(sharedStore, operations.values(), log)
    await first.close()
    const second = await opening
    const { id } = await store.bucket('_users').insert(alice)
    t.ok(second.user(String(id)), 'it follows')
    await second.close()
    const third = await Directory.open(sharedStore, operations.values(), log)
    t.ok(third.user(String(id)))
    await third.close()
  })
})

t.test('queries that clients have defined', async t => {
  t.test('are known to the next directory on the store', async t => {
    const { store, sharedStore, directory, log } = await open(t)
    await store.defineBucket('items', { key: 'id', schema: { id: { type: 'string' } } })
    for (const name of ['kept', 'undefined meanwhile']) {
      store.defineDeclarativeQuery(name, { bucket: 'items' })
      directory.noteClientQuery(name)
    }
    await directory.close()
    store.undefineQuery('undefined meanwhile')
    const next = await Directory.open(sharedStore, operations.values(), log)
    t.equal(next.isClientQuery('kept'), true)
    t.equal(next.isClientQuery('undefined meanwhile'), false)
    store.undefineQuery('kept')
    t.equal(next.isClientQuery('kept'), false)
  })

  t.test('are nobody\'s any more after a restart, and buckets still their owner\'s', async t => {
    const store = await startStore(t)
    for (const name of ['_resource_owners', '_acl'] as const) {
      await store.defineBucket(name, systemBuckets[name])
    }
    for (const resourceType of ['query', 'bucket']) {
      await store.bucket('_resource_owners').insert({ userId: 'u', resourceType, resourceName: 'old' })
      await store
        .bucket('_acl')
        .insert({
          subjectType: 'user',
          subjectId: 'v',
          resourceType,
          resourceName: 'old',
          operations: ['read']
        })
    }
    await store
      .bucket('_acl')
      .insert({
        subjectType: 'user',
        subjectId: 'v',
        resourceType: 'query',
        resourceName: 'of the application',
        operations: ['read']
      })
    const { directory } = await open(t, { store })
    t.same(directory.ownedBy('u').map(({ resourceType }) => resourceType), ['bucket'])
    t.same(
      directory.aclOf('v').map(({ resourceType, resourceName }) => [resourceType, resourceName]),
      [
        ['bucket', 'old'],
        ['query', 'of the application']
      ]
    )
    t.equal(await store.bucket('_resource_owners').count(), 1)
  })
})
