import t from 'tap'
import { Type } from 'typebox'
import { operationOptions } from '../../../lib/operations/operation-options.js'
import { NoexOptionsError, operation } from '../../../lib/index.js'

const handler = (): number => 1
const input = Type.Object({ sku: Type.String(), tags: Type.Array(Type.String()), secret: Type.String() })

/** Resolves the option, and returns the error. */
function refusal (operations: unknown): NoexOptionsError {
  try {
    operationOptions.resolve({ operations }, '')
  } catch (error) {
    if (error instanceof NoexOptionsError) return error
    throw error
  }
  throw new Error('it is accepted')
}

const cyclic: Record<string, unknown> = { type: 'object', properties: {} }
cyclic['not'] = cyclic

/** Members of a definition that are wrong, the place of the error below `operations[0]`, and its text. */
const wrong: ReadonlyArray<readonly [members: object, place: string, problem: RegExp]> = [
  [{ name: undefined }, '.name', /must be a namespace and a name with a dot .* "shop\.placeOrder"/],
  [{ name: 5 }, '.name', /must be a namespace and a name/],
  ...[
    '', 'act', 'shop.', '.act', 'shop.act.now', 'shop act', 'shop.a b', '1shop.act', 'shop.1', 'shop.*',
    'ü.a', 'shop.__proto__', `shop.${'a'.repeat(65)}`
  ].map(name => [{ name }, '.name', /must be a namespace/] as const),
  [{ name: 'store.act' }, '.name', /"store\.act", and the namespace store is the server's own: .*"shop\.act"/],
  ...[
    'rules', 'procedures', 'server', 'auth', 'identity', 'audit', 'connection', 'session', 'presence', 'noex',
    'Store'
  ].map(namespace => [{ name: `${namespace}.act` }, '.name', /is the server's own/] as const),
  [{ handler: undefined }, '.handler', /is required/],
  [{ handler: 'act' }, '.handler', /must be a function/],
  [{ handler: function * () {} }, '.handler', /must not be a generator function/],
  [{ input: Type.String() }, '.input', /must be the schema of an object, from Type\.Object/],
  [{ input: 5 }, '.input', /must be an object/],
  [{ input: { type: 'object' } }, '.input', /must be the schema of an object/],
  [{ input: Type.Union([input, input]) }, '.input', /must be the schema of an object/],
  ...['id', 'type', 'idempotencyKey', 'revision'].map(name => [
    { input: Type.Object({ [name]: Type.String() }) }, `.input.properties.${name}`,
    /is a member of every request: take another name, for instance "order[A-Z]/
  ] as const),
  [{ input: { type: 'object', properties: { a: 5 } } }, '.input.properties.a', /must be a schema/],
  [{ input: { type: 'object', properties: { a: { type: 'text' } } } }, '.input.properties.a.type', /is "text", and JSON has/],
  [{ input: { type: 'object', properties: { a: { type: 'Date' } } } }, '.input.properties.a.type', /is "Date"/],
  [{ input: { type: 'object', properties: {}, required: 'a' } }, '.input.required', /must be a list of names/],
  [{ input: { type: 'object', properties: { a: { anyOf: {} } } } }, '.input.properties.a.anyOf', /must be a list of schemas/],
  [{ input: { type: 'object', properties: { a: { anyOf: [true, 5] } } } }, '.input.properties.a.anyOf[1]', /must be a schema/],
  [{ input: { type: 'object', properties: { a: { type: 'array', items: { type: 'any' } } } } },
    '.input.properties.a.items.type', /is "any"/],
  [{ input: Type.Object({ a: Type.String({ format: 'emial' }) }) }, '.input.properties.a.format', /is unknown; did you mean "email"\?/],
  [{ input: { type: 'object', properties: { a: { type: 'string', pattern: '(' } } } },
    '.input.properties.a.pattern', /must be a regular expression/],
  [{ input: cyclic }, '.input', /must be JSON/],
  [{ input: { type: 'object', properties: { a: { const: 1n } } } }, '.input', /must be JSON/],
  [{ output: 'text' }, '.output', /must be an object/],
  [{ output: { type: 'strnig' } }, '.output.type', /is "strnig"/],
  [{ tier: 'all' }, '.tier', /must be "read", "write" or "admin"/],
  [{ resources: 'orders' }, '.resources', /must be a list of 1 to 1000 resources/],
  [{ resources: [] }, '.resources', /must be a list of 1 to/],
  [{ resources: [5] }, '.resources[0]', /must be an object with type and name/],
  [{ resources: [{ type: 'table', name: 'x' }] }, '.resources[0].type', /must be one of bucket, query, topic/],
  [{ resources: [{ type: 'bucket' }] }, '.resources[0].name', /must be a non-empty text/],
  [{ resources: [{ type: 'bucket', name: 'x', records: 1 }] }, '.resources[0].records', /must be true or false/],
  [{ resources: [{ type: 'bucket', name: 'x', tier: 'read' }] }, '.resources[0].tier', /is unknown/],
  [{ resources: async () => [] }, '.resources', /must not be an async function/],
  [{ audit: 'sku' }, '.audit', /must be a list of members/],
  [{ input, audit: ['skue'] }, '.audit[0]', /is "skue", which is no member .*did you mean "sku"\?/],
  [{ input, audit: ['secret'], secrets: ['secret'] }, '.audit[0]', /is "secret", which is no member .* may be here/],
  [{ input, secrets: ['pin'] }, '.secrets[0]', /is no member/],
  [{ tiers: 'read' }, '.tiers', /is unknown; did you mean "tier"\?/],
  [{ description: 'x' }, '.description', /is unknown/]
]

for (const [members, place, problem] of wrong) {
  const title = JSON.stringify(members, (_name, value: unknown) =>
    typeof value === 'bigint' || value === cyclic ? String(value) : value)
  t.test(`a definition with ${title} at ${place} is refused`, async t => {
    const error = refusal([{ name: 'shop.act', handler, ...members }])
    t.equal(error.path, `operations[0]${place}`)
    t.match(error.message, problem)
  })
}

t.test('a list that is none, and a definition that is none, are refused', async t => {
  for (const list of [5, 'shop.act', {}, null]) t.match(refusal(list).message, /must be an array of operations/)
  for (const definition of [null, 5, 'shop.act', [], handler, undefined]) {
    t.equal(refusal([definition]).path, 'operations[0]', String(definition))
  }
  // eslint-disable-next-line no-sparse-arrays
  t.equal(refusal([, operation({ name: 'shop.act', handler })]).path, 'operations[0]', 'a hole')
})

t.test('two operations of one name are refused', async t => {
  const one = operation({ name: 'shop.act', handler })
  const error = refusal([one, operation({ name: 'shop.other', handler }), one])
  t.equal(error.path, 'operations[2].name')
  t.match(error.message, /is "shop\.act", as that of operations\[0\]/)
})

t.test('the defaults are those that the documents name', async t => {
  const { operations, operationTimeoutMs } = operationOptions.resolve({
    operations: [operation({ name: 'shop.act', handler })]
  }, '')
  t.equal(operationTimeoutMs, 30_000)
  t.match(operations, [{ name: 'shop.act', tier: 'write', audit: [], secrets: [], output: undefined }])
  t.same(operations[0]?.input.properties, {})
  t.same(operationOptions.resolve({}, '').operations, [])
  for (const operationTimeoutMs of [0, 1.5, '1', 3_600_001]) {
    t.throws(() => operationOptions.resolve({ operationTimeoutMs }, ''), /operationTimeoutMs must be an integer/)
  }
})

t.test('a definition that is changed afterwards stays as it was checked', async t => {
  const resources = [{ type: 'bucket' as const, name: 'a' }]
  const definition = { name: 'shop.act', handler, resources }
  const made = operation(definition)
  definition.name = 'store.act'
  t.equal(made.name, 'shop.act')
  t.equal(Object.isFrozen(made), true)
})
