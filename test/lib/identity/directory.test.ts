import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { Directory } from '../../../lib/identity/directory.js'
import type { DirectoryChange } from '../../../lib/identity/change-listeners.js'
import { systemBuckets } from '../../../lib/identity/system-buckets.js'
import { SUPERADMIN_ID } from '../../../lib/identity/system-roles.js'
import { operations } from '../../../lib/operations/registry.js'
import { SharedStore } from '../../../lib/store/shared-store.js'
import { alice, keepingLog, open, startStore } from '../../support/directories.js'

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
  t.same(changes, [], 'a new account concerns no open connection')
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
  t.test('is reported once, when all of it has happened', async t => {
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

  t.test('resolves when all listeners have acted on it', async t => {
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

  t.test('that fails changes nothing and calls no listener', async t => {
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

t.test('a listener that fails does not keep others from being called', async t => {
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

t.test('changes of the buckets themselves', async t => {
  t.test('a new field changes nothing', async t => {
    const { store, directory, changes } = await open(t)
    const { id } = await store.bucket('_users').insert(alice)
    await store.updateBucket('_users', { addFields: { team: { type: 'string' } } })
    t.same(changes, [])
    await store.bucket('_users').update(id, { enabled: false, team: 'red' })
    t.equal(directory.isActive(String(id)), false)
  })

  t.test('records that are replaced or cleared count at once, and are reported once', async t => {
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

  t.test('have no owner after a restart, whereas buckets keep theirs', async t => {
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
