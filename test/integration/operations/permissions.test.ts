import t from 'tap'
import { Type } from 'typebox'
import type { ExternalAuth, PermissionConfig, PermissionRule } from '../../../lib/index.js'
import { Barrier } from '../../support/barrier.js'
import { TestClient } from '../../support/client.js'
import { serveAccounts } from '../../support/identity.js'
import { act, serveOperations, type Context } from '../../support/own-operations.js'
import { outcomeOf } from '../../support/permissions.js'

const tiers = ['read', 'write', 'admin'].map(tier => act(() => tier, { name: `shop.${tier}`, tier }))
const names = ['shop.read', 'shop.write', 'shop.admin', 'shop.plain']
const operations = [...tiers, act(() => 1, { name: 'shop.plain' })]

async function outcomes (client: TestClient): Promise<string[]> {
  const all: string[] = []
  for (const name of names) all.push(await outcomeOf(client, name))
  return all
}

const validate = (token: string) => JSON.parse(token)

/** The options of external authentication, with a token that is a session as JSON. */
const external = (permissions?: PermissionConfig, more: Partial<ExternalAuth> = {}): { auth: ExternalAuth } =>
  ({ auth: { validate, permissions, ...more } })

async function logIn (client: TestClient, userId: string, ...roles: string[]): Promise<TestClient> {
  await client.ask('auth.login', { token: JSON.stringify({ userId, roles }) })
  return client
}

t.test('without authentication any client may call all', async t => {
  const { connect } = await serveOperations(t, operations)
  t.same(await outcomes(await connect()), ['ok', 'ok', 'ok', 'ok'])
})

t.test('a login is required where it is', async t => {
  const { connect } = await serveOperations(t, operations, external())
  t.same(await outcomes(await connect()), names.map(() => 'UNAUTHORIZED'))
})

const byRole: Readonly<Record<string, string[]>> = {
  reader: ['ok', 'FORBIDDEN', 'FORBIDDEN', 'FORBIDDEN'],
  writer: ['ok', 'ok', 'FORBIDDEN', 'ok'],
  admin: ['ok', 'ok', 'ok', 'ok'],
  clerk: ['ok', 'ok', 'FORBIDDEN', 'ok']
}

for (const [role, expected] of Object.entries(byRole)) {
  t.test(`with tokens a ${role} may call what its tier reaches`, async t => {
    const { connect } = await serveOperations(t, operations, external())
    t.same(await outcomes(await logIn(await connect(), 'alice', role)), expected)
  })

  t.test(`behind a gateway a ${role} may call what its tier reaches`, async t => {
    const gateway = {
      gateway: { userHeader: 'x-user', rolesHeader: 'x-roles', trustedProxies: ['127.0.0.1'] }
    }
    const { url } = await serveOperations(t, operations, {
      auth: gateway, allowedOrigins: ['https://shop.example']
    })
    const headers = { 'x-user': 'alice', 'x-roles': role, origin: 'https://shop.example' }
    t.same(await outcomes(await TestClient.open(t, url, { headers })), expected)
  })
}

t.test('permissions name them, one by one, by their namespace, or as all', async t => {
  const rules: PermissionRule[] = [
    { role: 'one', allow: 'shop.write' }, { role: 'many', allow: ['shop.*'] }, { role: 'all', allow: '*' }
  ]
  const { connect } = await serveOperations(t, operations, external({ default: 'deny', rules }))
  const none = 'FORBIDDEN'
  t.same(await outcomes(await logIn(await connect(), 'a', 'none')), [none, none, none, none])
  t.same(await outcomes(await logIn(await connect(), 'a', 'one')), [none, 'ok', none, none])
  t.same(await outcomes(await logIn(await connect(), 'a', 'many')), ['ok', 'ok', 'ok', 'ok'])
  t.same(await outcomes(await logIn(await connect(), 'a', 'all')), ['ok', 'ok', 'ok', 'ok'])
})

t.test('with accounts, system roles reach as far as their names say, others what they list', async t => {
  const { connect, login, superadmin, store } = await serveAccounts(t, {}, { operations })
  const unauthorized = names.map(() => 'UNAUTHORIZED')
  t.same(await outcomes(await connect()), unauthorized)
  for (const role of ['reader', 'writer', 'admin']) {
    t.same(await outcomes(await login(`the ${role}`, role)), byRole[role], role)
  }
  t.same(await outcomes(await superadmin()), ['ok', 'ok', 'ok', 'ok'])
  const none = 'FORBIDDEN'
  t.same(await outcomes(await login('nina')), [none, none, none, none])

  const admin = await superadmin()
  await admin.ask('identity.createRole', { name: 'clerk', permissions: [{ allow: 'shop.write' }] })
  t.match(await admin.request('identity.createRole', { name: 'x', permissions: [{ allow: 'shop.wirte' }] }), {
    code: 'VALIDATION_ERROR', message: /did you mean "shop\.write"\?/
  })
  const clerk = await login('the clerk', 'clerk')
  t.same(await outcomes(clerk), [none, 'ok', none, none])
  await store.bucket('_roles').updateMany({ name: 'clerk' }, { permissions: [] })
  t.same(await outcomes(clerk), [none, none, none, none], 'a change takes effect at once')
})

const named = (resources: unknown, handler: (context: Context) => unknown = () => 1) =>
  act(handler, { resources, input: Type.Object({ bucket: Type.String(), n: Type.Optional(Type.Number()) }) })

t.test('the resources of an operation decide, those that a function tells for each request', async t => {
  const rules: PermissionRule[] = [
    { role: 'clerk', allow: ['store.*', 'shop.*'], buckets: ['items'], topics: ['order.*'] }
  ]
  const asked: unknown[] = []
  const { connect, lines } = await serveOperations(t, [
    named((input: { bucket: string }) => {
      asked.push(input)
      return [{ type: 'bucket', name: input.bucket }]
    }),
    act(() => 1, { name: 'shop.items', resources: [{ type: 'bucket', name: 'items' }] }),
    act(() => 1, {
      name: 'shop.both', resources: [{ type: 'bucket', name: 'items' }, { type: 'bucket', name: 'itmes' }]
    }),
    act(() => 1, { name: 'shop.topic', resources: [{ type: 'topic', name: 'order.new' }] }),
    act(() => 1, { name: 'shop.secret', resources: [{ type: 'topic', name: 'secret' }] }),
    act(() => 1, { name: 'shop.whole' })
  ], external({ default: 'deny', rules }))
  const client = await logIn(await connect(), 'alice', 'clerk')
  t.equal(await outcomeOf(client, 'shop.act', { bucket: 'items' }), 'ok')
  t.match(await client.request('shop.act', { bucket: 'secrets' }), {
    code: 'FORBIDDEN', message: 'No permission for shop.act on secrets'
  })
  t.equal(asked.length, 2, 'the function is asked once for a request')
  for (const fields of [{}, { bucket: 5 }, { bucket: { toString: 1 } }, { bucket: 'items', n: 'x' }]) {
    t.equal(await outcomeOf(client, 'shop.act', fields), 'VALIDATION_ERROR', JSON.stringify(fields))
  }
  t.equal(asked.length, 2, 'and never for one that is not valid')
  t.equal(await outcomeOf(client, 'shop.items'), 'ok')
  t.equal(await outcomeOf(client, 'shop.both'), 'FORBIDDEN', 'all of them must be allowed')
  t.equal(await outcomeOf(client, 'shop.topic'), 'ok')
  t.equal(await outcomeOf(client, 'shop.secret'), 'FORBIDDEN')
  t.equal(await outcomeOf(client, 'shop.whole'), 'ok', 'the server has no bucket')
  t.match(lines, [{
    advice: 'unknown-name',
    option: 'operations[2].resources[1]',
    msg: 'there is no bucket "itmes" so far; did you mean "items"?'
  }])
  t.equal(lines.length, 1, 'a restriction to buckets has an effect')
})

t.test('a permission with where confines the store of the handler', async t => {
  const rules: PermissionRule[] = [
    { role: 'clerk', allow: 'shop.*', where: { name: '$userId' } },
    { role: 'clerk', allow: 'store.*', where: { name: '$userId' } }
  ]
  const { connect, store } = await serveOperations(t, [
    named([{ type: 'bucket', name: 'items' }], async ({ store }) => [
      await store.bucket('items').count(),
      await store.bucket('items').updateMany({}, { n: 9 }),
      await store.transaction(async tx => await (await tx.bucket('items')).count())
    ]),
    act(async ({ store }) => await store.bucket('items').insert({ name: 'bob' }), {
      name: 'shop.insert', resources: [{ type: 'bucket', name: 'items' }]
    }),
    act(async ({ store }) => await store.bucket('items').clear(), {
      name: 'shop.clear', resources: [{ type: 'bucket', name: 'items' }]
    }),
    act(() => 1, { name: 'shop.whole' }),
    act(() => 1, { name: 'shop.bucket', resources: [{ type: 'bucket', name: 'items', records: false }] })
  ], external({ default: 'deny', rules }))
  await store.bucket('items').insertMany([
    { name: 'alice', n: 1 }, { name: 'alice', n: 2 }, { name: 'bob', n: 3 }
  ])
  const client = await logIn(await connect(), 'alice', 'clerk')
  t.same(await client.ask('shop.act', { bucket: 'x' }), [2, 2, 2])
  t.match(await store.bucket('items').where({ name: 'bob' }), [{ n: 3 }])
  t.equal(await outcomeOf(client, 'shop.insert'), 'FORBIDDEN')
  t.equal(await outcomeOf(client, 'shop.clear'), 'FORBIDDEN')
  t.equal(await outcomeOf(client, 'shop.whole'), 'FORBIDDEN', 'it is not about records')
  t.equal(await outcomeOf(client, 'shop.bucket'), 'FORBIDDEN', 'nor is that')
})

t.test('access lists and owners of a bucket reach the operations that name it', async t => {
  const { login, superadmin } = await serveAccounts(t, {}, {
    operations: [
      act(() => 1, { resources: [{ type: 'bucket', name: 'items' }] }),
      act(() => 1, { name: 'shop.look', tier: 'read', resources: [{ type: 'bucket', name: 'items' }] })
    ]
  })
  const bob = await login('bob')
  t.equal(await outcomeOf(bob, 'shop.act'), 'FORBIDDEN')
  const admin = await superadmin()
  const { userId } = await bob.ask('identity.whoami')
  const grant = { subjectType: 'user', subjectId: userId, resourceType: 'bucket', resourceName: 'items' }
  await admin.ask('identity.grant', { ...grant, operations: ['read'] })
  t.equal(await outcomeOf(bob, 'shop.look'), 'ok')
  t.equal(await outcomeOf(bob, 'shop.act'), 'FORBIDDEN')
  await admin.ask('identity.grant', { ...grant, operations: ['write'] })
  t.equal(await outcomeOf(bob, 'shop.act'), 'ok')
})

t.test('system buckets are no resources', async t => {
  const { superadmin } = await serveAccounts(t, {}, {
    operations: [act(() => 1, { resources: [{ type: 'bucket', name: '_users' }] })]
  })
  t.match(await (await superadmin()).request('shop.act'), { code: 'FORBIDDEN', message: /system bucket/ })
})

t.test('a check of the application decides about them, too', async t => {
  const asked: unknown[] = []
  const check = (_session: unknown, operation: string, resource: string): boolean => {
    asked.push([operation, resource])
    return operation !== 'shop.admin'
  }
  const { connect } = await serveOperations(t, operations, external({ check }))
  t.same(await outcomes(await logIn(await connect(), 'alice', 'admin')), ['ok', 'ok', 'FORBIDDEN', 'ok'])
  t.ok(asked.some(call => JSON.stringify(call) === '["shop.read","*"]'))
})

const hostile: ReadonlyArray<readonly [title: string, resources: () => unknown, logged: RegExp]> = [
  ['throws', () => { throw new Error('secret') }, /the function resources of shop\.act has failed/],
  ['returns nothing', () => undefined, /its result must be a list of 1 to 1000/],
  ['returns no resource', () => [], /must be a list of 1 to 1000/],
  ['returns a promise', async () => [], /must be a list/],
  ['returns a wrong resource', () => [{ type: 'bucket', name: 5 }], /its result\[0\]\.name must be a non-empty text/],
  ['returns what throws', () => [{ get type () { throw new Error('secret') } }], /it cannot be read/]
]

for (const [title, resources, logged] of hostile) {
  t.test(`a function of resources that ${title} denies, and is logged`, async t => {
    // Not async by its own: that is refused at boot.
    const { connect, lines } = await serveOperations(t, [
      named(() => resources()), act(() => 1, { name: 'shop.next' })
    ], { audit: { tiers: ['write'] } })
    const client = await connect()
    const reply = await client.request('shop.act', { bucket: 'items' })
    t.match(reply, { code: 'INTERNAL_ERROR' })
    t.notMatch(JSON.stringify(reply), /secret/)
    t.match(JSON.stringify(lines), logged)
    t.equal(await client.ask('shop.next'), 1)
    const { entries } = await client.ask('audit.query', { operation: 'shop.act' })
    t.match(entries, [{ operation: 'shop.act', resource: '*', result: 'error' }])
  })
}

t.test('rights that change while a handler runs are asked again, before a write and a reply', async t => {
  const barrier = new Barrier()
  const input = Type.Object({ writes: Type.Boolean() })
  const outcomesOfWrites: unknown[] = []
  const { login, superadmin, store } = await serveAccounts(t, {}, {
    operations: (['read', 'write'] as const).map(tier => act(async ({ store, input: { writes } }) => {
      await barrier.pass()
      if (writes === true) {
        await store.bucket('items').insert({}).catch((error: unknown) => { outcomesOfWrites.push(error) })
      }
      return 'a secret'
    }, { name: `shop.${tier}`, tier, input }))
  })
  const admin = await superadmin()
  await admin.ask('identity.createRole', { name: 'clerk', permissions: [{ allow: 'shop.*' }] })
  for (const type of ['shop.read', 'shop.write']) {
    for (const writes of [true, false]) {
      const client = await login(`${type} ${String(writes)}`, 'clerk')
      const { userId } = await client.ask('identity.whoami')
      client.send({ id: 100, type, writes })
      await barrier.held()
      await admin.ask('identity.removeRole', { userId, roleName: 'clerk' })
      await barrier.release()
      t.match(await client.next(({ id }) => id === 100), { code: 'FORBIDDEN' }, `${type} ${String(writes)}`)
    }
  }
  t.match(outcomesOfWrites, [{ code: 'FORBIDDEN' }, { code: 'FORBIDDEN' }])
  t.equal(await store.bucket('items').count(), 0)
})
