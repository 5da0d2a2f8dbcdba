import t from 'tap'
import Fastify from 'fastify'
import { noexPlugin } from '../../../lib/index.js'
import { TestClient } from '../../support/client.js'
import { startStore } from '../../support/service.js'
import { ADMIN_SECRET, PASSWORD, serveAccounts } from '../../support/identity.js'
import type { AddressInfo } from 'node:net'

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
    await store.bucket('items').insertMany([{ name: id }, { name: 'another user' }])
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

t.test('system buckets', async t => {
  t.test('[G-C3] are out of reach for every user, through every operation', async t => {
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

t.test('malformed records in the system buckets do no harm', async t => {
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
