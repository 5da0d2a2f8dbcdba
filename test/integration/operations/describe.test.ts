import t from 'tap'
import { Type } from 'typebox'
import type { PermissionRule } from '../../../lib/index.js'
import { serveAccounts } from '../../support/identity.js'
import { act, serveOperations } from '../../support/own-operations.js'

const tag = Type.Union([Type.Literal('a'), Type.Literal('b')])
const input = Type.Object({ sku: Type.String(), tags: Type.Optional(Type.Array(tag)) })
const shownInput = {
  type: 'object',
  required: ['sku'],
  properties: {
    sku: { type: 'string' },
    tags: { type: 'array', items: { anyOf: ['a', 'b'].map(value => ({ type: 'string', const: value })) } }
  }
}
const lines = {
  type: 'array', items: { type: 'object', properties: { sku: { type: 'string', enum: ['a'] } } }
} as const
const operations = [
  act(() => ({ n: 1 }), { input, output: Type.Object({ n: Type.Number() }), tier: 'read' }),
  act(() => 1, { name: 'shop.admin', tier: 'admin' }),
  act(() => 1, { name: 'shop.items', resources: [{ type: 'bucket', name: 'items' }] }),
  act(() => 1, { name: 'shop.orders', input, resources: () => [{ type: 'bucket', name: 'orders' }] })
]
const steps = [{ action: 'return' as const, value: 1 }]
const procedures = {
  definitions: [{ name: 'plain', steps }, { name: 'add', input: { n: { type: 'number' as const } }, steps }]
}

t.test('server.describe shows all that a client may use, with its types', async t => {
  const { connect, store } = await serveOperations(t, operations, { procedures })
  await store.defineBucket('orders', {
    key: 'number',
    schema: {
      number: { type: 'number', generated: 'autoincrement' },
      item: { type: 'string', ref: 'items', onDelete: 'cascade' },
      at: { type: 'date', default: () => new Date(), validate: () => undefined },
      lines
    }
  })
  store.defineDeclarativeQuery('all', { bucket: 'items' })
  store.defineDeclarativeQuery('some', {
    bucket: 'orders',
    filter: {
      item: '{{ params.item }}',
      $or: [
        { number: { $gt: '{{ params.above }}' } },
        { number: { $in: '{{ params.list }}' } },
        { at: { $in: ['{{ params.day }}', 1] } }
      ]
    },
    fields: ['number']
  })
  store.defineDeclarativeQuery('sum', { bucket: 'orders', aggregate: { function: 'count', groupBy: 'item' } })
  store.defineQuery('code', async () => 1)
  t.same(await (await connect()).ask('server.describe'), {
    buckets: {
      items: {
        key: 'id',
        schema: { id: { type: 'string', generated: 'uuid' }, name: { type: 'string' }, n: { type: 'number' } }
      },
      orders: {
        key: 'number',
        schema: {
          number: { type: 'number', generated: 'autoincrement' },
          item: { type: 'string', ref: 'items', onDelete: 'cascade' },
          at: { type: 'date', default: null },
          lines
        }
      }
    },
    queries: {
      all: { bucket: 'items' },
      some: {
        bucket: 'orders',
        fields: ['number'],
        params: {
          item: { field: 'item', operator: '$eq' },
          above: { field: 'number', operator: '$gt' },
          list: { field: 'number', operator: '$in' },
          day: { field: 'at', operator: '$eq' }
        }
      },
      sum: { bucket: 'orders', aggregate: { function: 'count', groupBy: 'item' } },
      code: {}
    },
    procedures: { plain: { input: {} }, add: { input: { n: { type: 'number' } } } },
    operations: {
      'shop.act': {
        tier: 'read',
        input: shownInput,
        output: { type: 'object', required: ['n'], properties: { n: { type: 'number' } } }
      },
      'shop.admin': { tier: 'admin', input: { type: 'object', properties: {} } },
      'shop.items': { tier: 'write', input: { type: 'object', properties: {} } },
      'shop.orders': { tier: 'write', input: shownInput }
    }
  })
})

type Shown = Readonly<Record<'buckets' | 'queries' | 'procedures' | 'operations', Record<string, any>>>

const namesIn = (shown: Shown): Record<string, string[]> =>
  Object.fromEntries(Object.entries(shown).map(([kind, things]) => [kind, Object.keys(things).sort()]))

t.test('it shows no more than a client may use, by its permissions', async t => {
  const rules: PermissionRule[] = [
    { role: 'insert', allow: 'store.insert', buckets: ['items'] },
    { role: 'board', allow: 'store.subscribe', buckets: ['totals'] },
    { role: 'own', allow: 'store.*', buckets: ['orders'], where: { item: '$userId' } },
    { role: 'own', allow: 'shop.orders', where: { item: '$userId' } },
    { role: 'caller', allow: ['procedures.call', 'shop.act'] },
    { role: 'definer', allow: ['store.defineBucket', 'store.clear', 'store.stats'] }
  ]
  const auth = {
    validate: (token: string) => ({ userId: 'u', roles: [token] }),
    permissions: { default: 'deny' as const, rules }
  }
  const { connect, store } = await serveOperations(t, operations, { auth, procedures })
  await store.defineBucket('orders', {
    key: 'id', schema: { id: { type: 'string' }, item: { type: 'string', ref: 'items' } }
  })
  store.defineDeclarativeQuery('totals', {
    bucket: 'orders', filter: { item: '{{ params.item }}' }, aggregate: { function: 'count' }
  })
  store.defineDeclarativeQuery('others', { bucket: 'items' })
  const client = await connect()
  t.equal(await client.code('server.describe'), 'UNAUTHORIZED')
  const as = async (role: string): Promise<Shown> => {
    await client.ask('auth.login', { token: role })
    return await client.ask('server.describe')
  }
  const nothing = { buckets: [], queries: [], procedures: [], operations: [] }
  t.same(namesIn(await as('nothing')), nothing)
  t.same(namesIn(await as('definer')), nothing, 'these are not about records')
  t.same(namesIn(await as('insert')), { ...nothing, buckets: ['items'] })
  const board = await as('board')
  t.same(namesIn(board), { ...nothing, queries: ['totals'] })
  t.same(board.queries['totals'], {
    aggregate: { function: 'count' }, params: { item: { field: 'item', operator: '$eq' } }
  }, 'without the name of a bucket that it may not use')
  const own = await as('own')
  t.same(namesIn(own), { ...nothing, buckets: ['orders'], queries: ['totals'], operations: ['shop.orders'] })
  t.same(own.buckets['orders'].schema.item, { type: 'string' }, 'nor does a reference name one')
  t.same(namesIn(await as('caller')), { ...nothing, procedures: ['add', 'plain'], operations: ['shop.act'] })
  t.same(namesIn(await as('admin')), nothing, 'a role without a rule, where the default denies')
})

t.test('with accounts it shows no system bucket, and what roles and access lists allow', async t => {
  const { superadmin, login, connect } = await serveAccounts(t, {}, { operations, procedures })
  t.equal(await (await connect()).code('server.describe'), 'UNAUTHORIZED')
  const all = namesIn(await (await superadmin()).ask('server.describe'))
  t.same(all['buckets'], ['items'])
  t.same(all['operations'], ['shop.act', 'shop.admin', 'shop.items', 'shop.orders'])
  const reader = namesIn(await (await login('rita', 'reader')).ask('server.describe'))
  t.same(reader, { buckets: ['items'], queries: [], procedures: [], operations: ['shop.act'] })
  const withoutRoles = namesIn(await (await login('nina')).ask('server.describe'))
  t.same(withoutRoles, { buckets: [], queries: [], procedures: [], operations: [] })
})

t.test('names that every object has are names like others', async t => {
  const { connect, store } = await serveOperations(t, [])
  for (const name of ['__proto__', 'constructor']) {
    await store.defineBucket(name, { key: 'id', schema: { id: { type: 'string' } } })
  }
  const { buckets } = await (await connect()).ask('server.describe') as Shown
  t.same(Object.keys(buckets).sort(), ['__proto__', 'constructor', 'items'])
})
