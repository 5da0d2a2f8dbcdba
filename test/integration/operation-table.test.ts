import { RuleEngine } from '@hamicek/noex-rules'
import t, { type Test } from 'tap'
import type { TestClient } from '../support/client.js'
import { baseRequests } from '../support/base-requests.js'
import { exchangeProblems } from '../support/message-schema.js'
import { serve, type Served } from '../support/service.js'
import { ADMIN_SECRET, serveAccounts } from '../support/identity.js'
import { operations } from '../../lib/operations/registry.js'
import { sampleOf } from '../support/sampled.js'

/** The codes that may answer a hostile request, beside a result. */
const acceptable = new Set([
  'VALIDATION_ERROR', 'NOT_FOUND', 'ALREADY_EXISTS', 'CONFLICT', 'BUCKET_NOT_DEFINED', 'QUERY_NOT_DEFINED',
  'RATE_LIMITED', 'UNAUTHORIZED', 'FORBIDDEN'
])

/** A member with this value is left out. */
const ABSENT = Symbol('absent')

/** One value of every kind that JSON has, and the edges of each. */
const values: readonly unknown[] = [
  ABSENT, null, '', 'x', ' ', '\0', 'constructor', 'hasOwnProperty', '\u{1F600}', 'x'.repeat(5000),
  0, -1, 1, 1.5, -0, 1e308, -1e308, 5e-324, 2 ** 53, true, false,
  [], [1], [null], ['x'], [[]], [{}], [{ op: 'get' }], [{ op: 'constructor', bucket: 'items' }],
  Array.from({ length: 200 }, () => 'x'),
  {}, { a: {} }, { '': 1 }, { constructor: 1 }, { valueOf: 1 }, { length: 5 }, { then: 1 }, { toJSON: 1 },
  { $or: 5 }, { $and: {} }, { $foo: 1 }, { $eq: 1 }, { id: { $gt: [] } },
  { id: { $in: 'x' } }, { 'a\nb': [] }, { a: { b: { c: { d: [{ e: [[[null]]] }] } } } },
  { function: 'count' }, { function: 'sum' }, { function: 'sum', field: 'n' }, { key: 'id', schema: 5 },
  '__proto__', '__superadmin__', 'superadmin', ['read', 'admin'], ['fly'], [{ allow: '*' }], [{ allow: 5 }],
  { $where: '1' },
  { key: 'id', schema: { id: null } }, { addFields: [] }, { addFields: { z: 5 } },
  { bucket: 'items', filter: 5 }, { id: 'taken' }, { id: null }, { id: {} },
  { _version: 'x', _createdAt: null, _expiresAt: {} }
]

/** They take a value of the wrong kind for none; the documents show the right kind. */
const isLenient = /^identity\.(?:createUser|updateUser|listUsers)$/

/** Operations that exist with accounts only; they are sent by the superadmin. */
const ofAccounts = /^(?:auth|identity)\./

/** A valid entry of every kind that a transaction has. */
const entries: readonly object[] = [
  { op: 'get', bucket: 'items', key: 'taken' },
  { op: 'insert', bucket: 'items', data: {} },
  { op: 'insertMany', bucket: 'items', data: [{}] },
  { op: 'upsert', bucket: 'items', data: { id: 'taken' } },
  { op: 'update', bucket: 'items', key: 'taken', data: {}, expectedVersion: 1 },
  { op: 'increment', bucket: 'items', key: 'taken', field: 'n', by: 1, expectedVersion: 1 },
  { op: 'updateMany', bucket: 'items', filter: { id: 'taken' }, data: {} },
  { op: 'delete', bucket: 'items', key: 'other', expectedVersion: 1 },
  { op: 'deleteMany', bucket: 'items', filter: { id: 'other' } },
  { op: 'where', bucket: 'items', filter: {} },
  { op: 'findOne', bucket: 'items', filter: {} },
  { op: 'count', bucket: 'items', filter: {} },
  { op: 'groupBy', bucket: 'items', field: 'name', aggregate: { function: 'count' }, filter: {} }
]

function withMember (base: object, name: string, value: unknown): object {
  const { [name]: _, ...rest } = base as Record<string, unknown>
  return value === ABSENT ? rest : { ...rest, [name]: value }
}

function shown (value: unknown): string {
  return value === ABSENT ? 'absent' : JSON.stringify(value).slice(0, 60)
}

/** Serves a bucket that others refer to, one that is cleared, and a query. */
async function serveHostile (t: Test, withAccounts = false): Promise<Served> {
  const rules = await RuleEngine.start()
  t.teardown(async () => { await rules.stop() })
  rules.registerRule({ id: 'kept', name: 'kept', trigger: { type: 'fact', pattern: '*' } })
  const options = {
    rules,
    connectionLimits: { maxSubscriptionsPerConnection: 20 },
    audit: { tiers: ['read', 'write', 'admin'] }
  } as const
  const served = withAccounts
    ? await serveAccounts(t, { loginRateLimit: { maxAttempts: 1_000_000 } }, options)
    : await serve(t, options)
  const { store } = served
  if (withAccounts) {
    await store
      .bucket('_users')
      .insertMany(['alice', 'bob'].map(id => ({ id, username: `${id} of the tests`, passwordHash: 'none' })))
  }
  await store.defineBucket('scratch', { key: 'id', schema: { id: { type: 'string', generated: 'uuid' } } })
  await store.defineBucket('notes', {
    key: 'id',
    schema: {
      id: { type: 'string', generated: 'uuid' },
      item: { type: 'string', ref: 'items', onDelete: 'cascade' }
    }
  })
  await store.bucket('items').insert({ id: 'taken', name: 'x', n: 1 })
  await store.bucket('notes').insert({ id: 'kept', item: 'taken' })
  await store
    .bucket('_procedures')
    .insert({
      name: 'kept',
      definition: {
        name: 'kept',
        steps: [{ action: 'store.where', bucket: 'items', filter: { id: '{{ input.id }}' }, as: 'items' }]
      }
    })
  store.defineDeclarativeQuery('named', { bucket: 'items', filter: { name: '{{ params.name }}' } })
  return served
}

/** Sends one request after the other and returns what was answered in a way that no client should see. */
async function complaints (
  client: TestClient,
  requests: Iterable<readonly [type: string, fields: object, title: string]>
): Promise<string[]> {
  const found: string[] = []
  for (const [type, fields, title] of requests) {
    const reply = await client.request(type, fields)
    if (reply['type'] === 'error' && !acceptable.has(reply['code'])) {
      found.push(`${type} with ${title}: ${JSON.stringify(reply)}`)
    }
    // As it was sent: JSON leaves out what is absent.
    const sent = JSON.parse(JSON.stringify({ ...fields, id: reply['id'], type })) as object
    const undocumented = exchangeProblems(sent, reply)
      .filter(problem => !(isLenient.test(type) && problem.includes('.request: ')))
    found.push(...undocumented.map(problem => `${type} with ${title}: ${problem}`))
    // Subscriptions that were made push, and end when their query does.
    const strays = client.waiting.filter(frame => frame['type'] !== 'push' && frame['type'] !== 'system')
    if (strays.length > 0) found.push(`${type} with ${title}: a second reply ${JSON.stringify(strays)}`)
  }
  return found
}

t.test('Every operation has a base request', async t => {
  t.same(Object.keys(baseRequests).toSorted(), [...operations.keys()].toSorted())
})

for (const [name, operation] of operations) {
  t.test(`${name} answers with any fields`, async t => {
    const base = baseRequests[name]
    if (base === undefined) {
      t.fail('there is no valid request for it')
      return
    }
    const withAccounts = ofAccounts.test(name)
    const { connect, app, store } = await serveHostile(t, withAccounts)
    const client = await connect()
    const logIn = async (): Promise<void> => {
      await client.request('identity.loginWithSecret', { secret: ADMIN_SECRET })
    }
    if (withAccounts) await logIn()
    // The first one counts: with another the client would be closed.
    if (name === 'server.drain') await client.ask(name, { graceMs: 600_000 })

    const requests: Array<readonly [string, object, string]> = []
    for (const field of Object.keys(operation.request.properties)) {
      for (const value of values) {
        requests.push([name, withMember(base, field, value), `${field} ${shown(value)}`])
      }
    }
    requests.push([name, {}, 'no fields'])
    for (const value of values) {
      requests.push([
        name,
        Object.fromEntries(Object.keys(operation.request.properties).map(field => [field, value])),
        `all ${shown(value)}`
      ])
    }
    t.same(await complaints(client, sampleOf(t, requests)), [])

    if (withAccounts) await logIn()
    t.match(
      await client.ask('store.stats'),
      { buckets: { count: Number }, records: { total: Number } },
      'the statistics of the store still answer'
    )
    t.not((await app.noex.getStats()).store, null)
    if (withAccounts) {
      const [role] = await store.bucket('_roles').where({ name: 'superadmin' })
      t.match(role, { permissions: [{ allow: '*' }], system: true }, 'the superadmin is what it was')
      t.equal(
        (await store.bucket('_user_roles').where({ roleId: role?.['id'] })).every(
          ({ grantedBy }) => grantedBy === '__superadmin__'
        ),
        true
      )
    }
  })
}

t.test('store.transaction answers with any entries', async t => {
  const { connect } = await serveHostile(t)
  const client = await connect()
  const requests: Array<readonly [string, object, string]> = []
  for (const entry of entries) {
    for (const field of [...Object.keys(entry), 'filter', 'extra']) {
      for (const value of values) {
        requests.push([
          'store.transaction',
          { operations: [withMember(entry, field, value)] },
  `${JSON.stringify(entry)}, ${field} ${shown(value)}`
        ])
      }
    }
  }
  for (const value of values) {
    if (value !== ABSENT) {
      requests.push(['store.transaction', { operations: [value, value] }, `entries ${shown(value)}`])
    }
  }
  t.same(await complaints(client, sampleOf(t, requests)), [])
  t.match(await client.ask('store.stats'), { buckets: { count: 3 } })
})

t.test('G-C16 the resources of a request can be told for any input', async t => {
  for (const [name, operation] of operations) {
    const fields = [...Object.keys(operation.request.properties), 'bucket', 'name', 'config', 'operations']
    const requests: object[] = [{}]
    for (const field of fields) {
      for (const value of values) requests.push(withMember(baseRequests[name] ?? {}, field, value))
    }
    const bad: unknown[] = []
    for (const fields of requests) {
      const resources = operation.resources({ ...fields, id: 1, type: name })
      const total =
        resources.length > 0 &&
        resources.every(
          resource =>
            typeof resource.name === 'string' &&
            resource.name !== '' &&
            resource.operation.startsWith(name.slice(0, 4)) &&
            ['bucket', 'query', 'topic', 'procedure', 'server'].includes(resource.type)
        )
      if (!total) bad.push({ fields, resources })
    }
    t.same(bad, [], `${name} always has resources with names`)
  }
})

t.test('The resources of a valid request are those that it names', async t => {
  const table: ReadonlyArray<
    readonly [
      type: string,
      fields: object,
      resources: ReadonlyArray<readonly [operation: string, name: string]>
    ]
  > = [
    ['store.get', { bucket: 'a', key: 1, name: 'decoy' }, [['store.get', 'a']]],
    ['store.get', { name: 'decoy' }, [['store.get', '*']]],
    ['store.updateBucket', { name: 'a', bucket: 'decoy' }, [['store.updateBucket', 'a']]],
    ['store.subscribe', { query: 'q', bucket: 'decoy' }, [['store.subscribe', 'q']]],
    [
      'store.defineQuery',
      { name: 'q', config: { bucket: 'a' }, bucket: 'decoy' },
      [
        ['store.defineQuery', 'q'],
        ['store.where', 'a']
      ]
    ],
    ['store.buckets', { bucket: 'decoy' }, [['store.buckets', '*']]],
    [
      'store.transaction',
      {
        bucket: 'decoy',
        operations: [
          { op: 'get', bucket: 'a' },
          { op: 'delete', bucket: 'b' },
          { op: 'count', bucket: 'a' }
        ]
      },
      [
        ['store.transaction', 'a'],
        ['store.transaction', 'b'],
        ['store.get', 'a'],
        ['store.delete', 'b'],
        ['store.count', 'a']
      ]
    ],
    ['store.transaction', { bucket: 'decoy', operations: 'x' }, [['store.transaction', '*']]],
    [
      'store.transaction',
      { operations: [null, 5, { op: 5, bucket: 'a' }] },
      [
        ['store.transaction', '*'],
        ['store.transaction', 'a']
      ]
    ],
    [
      'store.defineBucket',
      { name: 'a', config: { schema: { x: { ref: 'b' }, y: { ref: 5 }, z: null } }, bucket: 'decoy' },
      [
        ['store.defineBucket', 'a'],
        ['store.get', 'b']
      ]
    ],
    [
      'store.updateBucket',
      { name: 'a', updates: { addFields: { x: { ref: 'b' } } } },
      [
        ['store.updateBucket', 'a'],
        ['store.get', 'b']
      ]
    ],
    [
      'procedures.register',
      { procedure: { name: 'p' }, name: 'decoy', bucket: 'decoy' },
      [['procedures.register', 'p']]
    ],
    [
      'procedures.call',
      { name: 'p', bucket: 'decoy', procedure: { name: 'decoy' } },
      [['procedures.call', 'p']]
    ]
  ]
  for (const [type, fields, expected] of table) {
    t.same(
      operations
        .get(type)
        ?.resources({ ...fields, id: 1, type })
        .map(({ operation, name }) => [operation, name]),
      expected,
      `${type} ${JSON.stringify(fields)}`
    )
  }
})
