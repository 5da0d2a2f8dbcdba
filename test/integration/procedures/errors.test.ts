import t from 'tap'
import { sampled, sampleOf } from '../../support/sampled.js'
import { returnStep, insertStep, serveProcedures } from '../../support/procedures.js'
import { logInto, type LogLine } from '../../support/log-into.js'

t.test('[G-G4] errors keep their codes and details, and say which step has failed', async t => {
  const { run, client, engine } = await serveProcedures(t)
  await client.ask('store.insertMany', {
    bucket: 'accounts',
    data: [
      { id: 'a', balance: 5, code: 'A' },
      { id: 'b', balance: 1 }
    ]
  })
  await client.ask('store.insert', { bucket: 'notes', data: { account: 'b' } })
  engine.onEmit = topic => {
    if (topic === 'bad') throw Object.assign(new Error('secret'), { name: 'LimitError', details: { max: 1 } })
  }
  const account = (data: object): object => insertStep(data, 'x', 'accounts')
  const table: ReadonlyArray<readonly [title: string, step: object, code: string, details?: unknown]> = [
    ['an unknown bucket', insertStep({}, 'x', 'nope'), 'BUCKET_NOT_DEFINED'],
    [
      'a record that does not fit',
      account({ id: 'c', balance: -1 }),
      'VALIDATION_ERROR',
      [{ field: 'balance', code: 'min' }]
    ],
    [
      'a unique value that is taken',
      account({ id: 'c', balance: 1, code: 'A' }),
      'ALREADY_EXISTS',
      { bucket: 'accounts', field: 'code', value: 'A' }
    ],
    [
      'a key that is taken',
      account({ id: 'a', balance: 1 }),
      'ALREADY_EXISTS',
      { bucket: 'accounts', field: 'id', value: 'a' }
    ],
    ['a missing record', { action: 'store.update', bucket: 'accounts', key: 'nope', data: {} }, 'NOT_FOUND'],
    [
      'a dangling reference',
      insertStep({ account: 'nope' }, 'x', 'notes'),
      'VALIDATION_ERROR',
      { bucket: 'notes', field: 'account', target: 'accounts', key: 'nope' }
    ],
    [
      'a record that others hold',
      { action: 'store.delete', bucket: 'accounts', key: 'b' },
      'CONFLICT',
      { target: 'accounts', key: 'b' }
    ],
    [
      'a filter that is none',
      { action: 'store.where', bucket: 'items', filter: { a: { $foo: 1 } }, as: 'x' },
      'VALIDATION_ERROR'
    ],
    [
      'a filter by what leads to nothing',
      { action: 'store.where', bucket: 'items', filter: { a: { $gt: '{{ input.nope }}' } }, as: 'x' },
      'VALIDATION_ERROR'
    ],
    [
      'an operator from outside',
      { action: 'store.where', bucket: 'items', filter: { a: '{{ input.operator }}' }, as: 'x' },
      'VALIDATION_ERROR'
    ],
    [
      'a key that leads to nothing',
      { action: 'store.get', bucket: 'items', key: '{{ input.nope }}', as: 'x' },
      'VALIDATION_ERROR'
    ],
    ['a topic that is no text', { action: 'rules.emit', topic: '{{ input.operator }}' }, 'VALIDATION_ERROR'],
    [
      'a fact without a value',
      { action: 'rules.setFact', key: 'k', value: '{{ input.nope }}' },
      'VALIDATION_ERROR'
    ],
    [
      'an aggregate of no array',
      { action: 'aggregate', source: 'nope', op: 'count', as: 'x' },
      'VALIDATION_ERROR'
    ],
    ['an error of the engine', { action: 'rules.emit', topic: 'bad' }, 'RATE_LIMITED', { max: 1 }]
  ]
  for (const transaction of [false, true]) {
    for (const [title, step, code, details] of table) {
      const reply = await run([step], { transaction }, { operator: { $neq: 1 } })
      // In a transaction, a key that is taken is a conflict, as it is in store.transaction; other unique
      // values show at the commit.
      const expected =
        transaction && title === 'a key that is taken'
          ? { code: 'CONFLICT' }
          : { code, ...(details !== undefined && { details }) }
      const message = transaction && title === 'a unique value that is taken' ? /"accounts"/ : /^steps\[0\]: /
      t.match(
        reply,
        { type: 'error', message, ...expected },
        `${title}${transaction ? ', in a transaction' : ''}`
      )
    }
  }
  const nested = await run([
    {
      action: 'if',
      condition: { ref: 'input.a', operator: 'exists' },
      then: [returnStep(1)],
      else: [{ action: 'store.get', bucket: 'nope', key: 'k', as: 'x' }]
    }
  ])
  t.match(nested, { code: 'BUCKET_NOT_DEFINED', message: /^steps\[0\]\.else\[0\]: / })
})

t.test('[G-G4] an internal failure is hidden from the client and logged', async t => {
  const lines: LogLine[] = []
  const { run, engine } = await serveProcedures(t, {}, { fastify: { logger: logInto(lines, 'error') } })
  engine.onEmit = () => { throw new Error('secret') }
  for (const transaction of [false, true]) {
    const reply = await run([{ action: 'rules.emit', topic: 'x' }], { transaction })
    t.match(reply, { code: 'INTERNAL_ERROR' })
    t.notMatch(reply['message'], /secret/)
    t.match(JSON.stringify(lines.splice(0)), /steps\[0\].*secret|secret.*steps\[0\]/s)
  }
})

t.test('hostile definitions and inputs are answered, and never as a failure of the server', async t => {
  const { client, store, connect } = await serveProcedures(t)
  await store.bucket('items').insert({ id: 'taken', name: 'x', n: 1 })
  const values: readonly unknown[] = [
    undefined,
    null,
    '',
    'x',
    '{{',
    '{{ x }}',
    '{{ input }}',
    '{{ input.a }}',
    '{{ __proto__ }}',
    '{{ constructor.prototype }}',
    '__proto__',
    'constructor',
    'taken',
    0,
    -1,
    1e308,
    true,
    [],
    [null],
    ['a'],
    {},
    { a: '{{ input.a }}' },
    { $or: '{{ input.a }}' },
    { $or: [{}] },
    { id: { $in: '{{ input.a }}' } },
    { id: { $gt: '{{ input.a }}' } },
    { constructor: 1 },
    { valueOf: 1 },
    { then: 1 },
    { length: 1e9 },
    { _version: 'x', _createdAt: null },
    { id: {} },
    { ref: 'input.a', operator: 'gt', value: '{{ input }}' },
    [{ action: 'return', value: '{{ input }}' }],
    [{}]
  ]
  const bases: ReadonlyArray<Readonly<Record<string, unknown>>> = [
    { action: 'store.get', bucket: 'items', key: 'taken', as: 'x' },
    { action: 'store.where', bucket: 'items', filter: {}, as: 'x' },
    { action: 'store.insert', bucket: 'items', data: {}, as: 'x' },
    { action: 'store.update', bucket: 'items', key: 'taken', data: {}, as: 'x' },
    { action: 'store.delete', bucket: 'items', key: 'nope' },
    { action: 'store.count', bucket: 'items', filter: {}, as: 'x' },
    { action: 'aggregate', source: 'all', op: 'max', field: 'n', as: 'x' },
    { action: 'rules.emit', topic: 't', data: {} },
    { action: 'rules.setFact', key: 'k', value: 1 },
    { action: 'rules.getFact', key: 'k', as: 'x' },
    {
      action: 'if',
      condition: { ref: 'input.a', operator: 'lt', value: 5 },
      then: [{ action: 'return', value: 1 }],
      else: [{ action: 'return', value: 2 }]
    },
    { action: 'transform', source: 'all', operation: 'map', args: {}, as: 'x' },
    { action: 'transform', source: 'all', operation: 'pluck', args: 'id', as: 'x' },
    { action: 'return', value: '{{ all }}' }
  ]
  const inputs: readonly object[] = [
    {},
    { a: null },
    { a: { b: {} } },
    { a: [[]] },
    { a: { constructor: { name: 1 } } },
    { a: { length: 1e9 } },
    { constructor: 5, then: 5 }
  ]
  const failures: unknown[] = []
  let calls = 0
  async function attempt (procedure: object): Promise<void> {
    const registered = await client.request('procedures.register', { procedure })
    if (registered['code'] === 'INTERNAL_ERROR') failures.push([registered])
    if (registered['type'] === 'error') return
    const { name } = registered['data']
    for (const input of inputs) {
      const reply = await client.request('procedures.call', { name, input })
      calls++
      if (reply['code'] === 'INTERNAL_ERROR') failures.push([input, reply])
    }
    await client.ask('procedures.unregister', { name })
  }
  const all = { action: 'store.where', bucket: 'items', filter: { id: 'taken' }, as: 'all' }
  const changed = bases.flatMap(base => Object.keys(base).flatMap(member => {
    return values.map(value => ({ ...base, [member]: value }))
  }))
  const steps = [false, true].flatMap(transaction => {
    return changed.map(step => ({ name: 'hostile', transaction, steps: [all, step] }))
  })
  const members = ['name', 'description', 'input', 'steps', 'transaction', 'runAs'].flatMap(member => {
    return values.map(value => ({ name: 'hostile', steps: [all], [member]: value }))
  })
  for (const procedure of [...sampleOf(t, steps), ...sampleOf(t, members)]) await attempt(procedure)
  t.same(failures, [])
  t.ok(calls > sampled(1_000), 'many of them run')
  t.equal(await (await connect()).ask('store.count', { bucket: 'accounts' }), 0)
})
