import t from 'tap'
import { serveAccounts } from '../../support/identity.js'

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

  t.test('the user that defines a bucket owns it and may give access to it', async t => {
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
    t.equal(await alice.code('identity.transferOwner', { ...resource, newOwnerId: 'unknown' }), 'NOT_FOUND')
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
