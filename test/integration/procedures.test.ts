import t, { type Test } from 'tap'
import { FileAdapter, Store } from '../../lib/exports/store.js'
import type { NoexOptions } from '../../lib/index.js'
import type { ProcedureDefinition } from '../../lib/procedures/procedure.js'
import type { Frame, TestClient } from '../support/client.js'
import { FakeRuleEngine } from '../support/fake-rule-engine.js'
import { serve, startStore, type Served, type ServeSettings } from '../support/service.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { Barrier } from '../support/barrier.js'
import { sampled, sampleOf } from '../support/sampled.js'

interface Setting extends Served {
  readonly client: TestClient
  readonly engine: FakeRuleEngine
  /** Registers `steps` under a fresh name, calls it, and answers with the reply. */
  readonly run: (steps: readonly object[], fields?: object, input?: object) => Promise<Frame>
}

/** Serves the bucket `items`, one with rules of its own, and a rule engine. */
async function setUp (
  t: Test,
  options: Omit<NoexOptions, 'store' | 'rules'> = {},
  settings: ServeSettings = {}
): Promise<Setting> {
  const engine = new FakeRuleEngine()
  const served = await serve(t, { ...options, rules: engine }, settings)
  const { store } = served
  if (!store.hasBucket('accounts')) {
    await store.defineBucket('accounts', {
      key: 'id',
      schema: {
        id: { type: 'string' },
        balance: { type: 'number', min: 0, required: true },
        code: { type: 'string', unique: true }
      }
    })
    await store.defineBucket('notes', {
      key: 'id',
      schema: { id: { type: 'string', generated: 'uuid' }, account: { type: 'string', ref: 'accounts' } }
    })
  }
  const client = await served.connect()
  let last = 0
  async function run (steps: readonly object[], fields: object = {}, input: object = {}): Promise<Frame> {
    const name = `run ${++last}`
    await client.ask('procedures.register', { procedure: { name, steps, ...fields } })
    return await client.request('procedures.call', { name, input })
  }
  return { ...served, engine, client, run }
}

const insert = (data: object, as?: string, bucket = 'items'): object => ({
  action: 'store.insert',
  bucket,
  data,
  ...(as !== undefined && { as })
})
const answer = (value: unknown): object => ({ action: 'return', value })
const procedure = {
  name: 'greet',
  description: 'Says hello',
  steps: [answer('Hello {{ input.name }}')]
} as const

t.test('[G-G3] procedures are there without any option', async t => {
  const { connect } = await serve(t)
  const client = await connect()
  t.same(await client.ask('procedures.register', { procedure }), { name: 'greet', registered: true })
  t.strictSame(await client.ask('procedures.call', { name: 'greet', input: { name: 'Ann' } }), {
    success: true,
    result: 'Hello Ann',
    results: {}
  })
  t.same(await client.ask('procedures.get', { name: 'greet' }), procedure)
  t.same(await client.ask('procedures.list'), {
    procedures: [{ name: 'greet', description: 'Says hello', stepsCount: 1 }]
  })
  t.same(
    await client.ask('procedures.update', {
      name: 'greet',
      updates: { name: 'other', steps: [answer(1), answer(2)] }
    }),
    { name: 'greet', updated: true }
  )
  t.same(
    await client.ask('procedures.get', { name: 'greet' }),
    { ...procedure, steps: [answer(1), answer(2)] },
    'the name stays'
  )
  t.equal((await client.ask('procedures.call', { name: 'greet' })).result, 1)
  t.same(await client.ask('procedures.unregister', { name: 'greet' }), { name: 'greet', unregistered: true })
  t.same(await client.ask('procedures.list'), { procedures: [] })
})

t.test('what is not there is not found, and what is there is not registered twice', async t => {
  const { connect } = await serve(t)
  const client = await connect()
  for (const type of ['get', 'call', 'unregister', 'update']) {
    t.equal(await client.code(`procedures.${type}`, { name: 'constructor', updates: {} }), 'NOT_FOUND', type)
  }
  await client.ask('procedures.register', { procedure })
  t.equal(await client.code('procedures.register', { procedure }), 'ALREADY_EXISTS')
  t.equal(
    await client.code('procedures.register', { procedure: { ...procedure, steps: [] } }),
    'VALIDATION_ERROR',
    'what is wrong is told first'
  )
  const replies = await Promise.all(
    Array.from(
      { length: 5 },
      async () =>
        await (await connect()).request('procedures.register', { procedure: { ...procedure, name: 'race' } })
    )
  )
  t.equal(
    replies.filter(({ type }) => type === 'result').length,
    1,
    'also when several clients are about it at the same time'
  )
  t.same(
    [...new Set(replies.filter(({ type }) => type === 'error').map(({ code }) => code))],
    ['ALREADY_EXISTS']
  )
})

t.test(
  'a definition that is not valid is refused with all that is wrong, and an update that makes it so',
  async t => {
    const { connect } = await serve(t)
    const client = await connect()
    const issues = [
      'name: is required',
      'steps[0].action: must be one of ',
      'steps[1].bucket: must be a non-empty text'
    ]
    const reply = await client.request('procedures.register', {
      procedure: { steps: [{ action: 'nope' }, insert({}, 'x', '')] }
    })
    t.equal(reply['code'], 'VALIDATION_ERROR')
    t.same(
      reply['details'].issues.map((issue: string, i: number) => issue.startsWith(issues[i] ?? '?')),
      [true, true, true]
    )
    await client.ask('procedures.register', { procedure })
    await client.ask('procedures.update', { name: 'greet', updates: { timeoutMs: 50, transaction: true } })
    await client.ask('procedures.update', { name: 'greet', updates: { timeoutMs: null, transaction: null } })
    const kept = await client.ask('procedures.get', { name: 'greet' })
    t.notOk('transaction' in kept || 'timeoutMs' in kept, 'null takes a member away')
    t.match(
      await client.request('procedures.update', { name: 'greet', updates: { timeoutMs: 0, steps: 5 } }),
      { code: 'VALIDATION_ERROR', details: { issues: [/^timeoutMs: /, /^steps: /] } }
    )
    t.same(await client.ask('procedures.get', { name: 'greet' }), procedure, 'the old one stays')
    t.match(
      await client.request('procedures.register', {
        procedure: { ...procedure, name: 'mine', runAs: 'owner' }
      }),
      { code: 'VALIDATION_ERROR', details: { issues: [/^runAs: /] } },
      'nobody is the owner where there are no accounts'
    )
    t.equal(
      await client.code('procedures.update', { name: 'greet', updates: { runAs: 'owner' } }),
      'VALIDATION_ERROR'
    )
  }
)

t.test('steps', async t => {
  const { run, client, engine } = await setUp(t)
  await client.ask('store.insertMany', {
    bucket: 'items',
    data: [
      { id: 'a', name: 'x', n: 1 },
      { id: 'b', name: 'x', n: 4 },
      { id: 'c', name: 'y', n: 2 }
    ]
  })

  const table: ReadonlyArray<readonly [title: string, steps: readonly object[], outcome: object]> = [
    [
      'store.get',
      [{ action: 'store.get', bucket: 'items', key: '{{ input.key }}', as: 'item' }],
      { results: { item: { id: 'a', n: 1 } } }
    ],
    [
      'store.get of nothing',
      [{ action: 'store.get', bucket: 'items', key: 'nope', as: 'item' }],
      { results: { item: null } }
    ],
    [
      'store.where',
      [
        {
          action: 'store.where',
          bucket: 'items',
          filter: { name: '{{ input.name }}', n: { $lt: '{{ input.n }}' } },
          as: 'items'
        }
      ],
      { results: { items: [{ id: 'a' }] } }
    ],
    [
      'store.findOne',
      [{ action: 'store.findOne', bucket: 'items', filter: { n: { $in: '{{ input.ns }}' } }, as: 'item' }],
      { results: { item: { id: 'c' } } }
    ],
    [
      'store.count',
      [
        { action: 'store.count', bucket: 'items', as: 'all' },
        { action: 'store.count', bucket: 'items', filter: { name: 'x' }, as: 'some' }
      ],
      { results: { all: 3, some: 2 } }
    ],
    [
      'store.insert',
      [insert({ id: 'd', n: '{{ input.n }}', name: 'of {{ input.key }}' }, 'item')],
      { results: { item: { id: 'd', n: 3, name: 'of a', _version: 1 } } }
    ],
    [
      'store.update',
      [
        {
          action: 'store.update',
          bucket: 'items',
          key: 'd',
          data: { n: 9, name: '{{ input.nope }}' },
          as: 'item'
        }
      ],
      { results: { item: { id: 'd', n: 9, name: 'of a', _version: 2 } } }
    ],
    [
      'store.delete',
      [
        { action: 'store.delete', bucket: 'items', key: 'd' },
        { action: 'store.count', bucket: 'items', as: 'left' }
      ],
      { results: { left: 3 } }
    ],
    [
      'aggregate',
      [
        { action: 'store.where', bucket: 'items', filter: {}, as: 'items' },
        { action: 'aggregate', source: 'items', op: 'sum', field: 'n', as: 'sum' },
        { action: 'aggregate', source: 'items', op: 'count', as: 'count' },
        answer({ sum: '{{ sum }}', count: '{{ count }}' })
      ],
      { result: { sum: 7, count: 3 } }
    ],
    [
      'transform',
      [
        { action: 'store.where', bucket: 'items', filter: {}, as: 'items' },
        {
          action: 'transform',
          source: 'items',
          operation: 'filter',
          args: { name: '{{ input.name }}' },
          as: 'some'
        },
        {
          action: 'transform',
          source: 'some',
          operation: 'map',
          args: { seen: '{{ input.n }}' },
          as: 'seen'
        },
        { action: 'transform', source: 'some', operation: 'pluck', args: 'id', as: 'ids' },
        { action: 'store.get', bucket: 'items', key: '{{ ids.1 }}', as: 'second' },
        { action: 'transform', source: 'second', operation: 'pick', args: ['id', 'n'], as: 'picked' }
      ],
      {
        results: {
          ids: ['a', 'b'],
          seen: [
            { id: 'a', seen: 3 },
            { id: 'b', seen: 3 }
          ],
          picked: { id: 'b', n: 4 }
        }
      }
    ],
    [
      'if, one way',
      [
        {
          action: 'if',
          condition: { ref: 'input.n', operator: 'gt', value: 2 },
          then: [answer('more')],
          else: [answer('less')]
        },
        answer('after')
      ],
      { result: 'more' }
    ],
    [
      'if, the other way',
      [
        {
          action: 'if',
          condition: { ref: 'input.n', operator: 'gt', value: '{{ input.n }}' },
          then: [answer('more')],
          else: [answer('less')]
        }
      ],
      { result: 'less' }
    ],
    [
      'if, without the other way',
      [
        { action: 'if', condition: { ref: 'input.nope', operator: 'exists' }, then: [answer('more')] },
        answer('after')
      ],
      { result: 'after' }
    ],
    ['return ends it', [answer(1), insert({ id: 'never' }, 'never')], { result: 1, results: {} }],
    ['return of nothing', [answer('{{ nope }}')], { results: {} }],
    [
      'facts',
      [
        { action: 'rules.setFact', key: 'user:{{ input.key }}', value: { n: '{{ input.n }}' } },
        { action: 'rules.getFact', key: 'user:a', as: 'fact' },
        { action: 'rules.getFact', key: 'none', as: 'none' }
      ],
      { results: { fact: { n: 3 }, none: null } }
    ],
    [
      'rules.emit',
      [
        { action: 'rules.emit', topic: 'item.{{ input.key }}', data: { n: '{{ input.n }}' } },
        { action: 'rules.emit', topic: 'bare' }
      ],
      { results: {} }
    ]
  ]
  for (const [title, steps, outcome] of table) {
    const reply = await run(steps, {}, { key: 'a', name: 'x', n: 3, ns: [2, 9] })
    t.match(reply, { type: 'result', data: { success: true, ...outcome } }, title)
    t.equal('result' in (reply['data'] ?? {}), 'result' in outcome, `${title}: a result where there is one`)
  }
  t.same(engine.emitted, ['item.a', 'bare'])
  t.equal(await client.ask('store.get', { bucket: 'items', key: 'never' }), null)
})

t.test('[G-G6] input and output', async t => {
  const { client, run } = await setUp(t)
  await client.ask('procedures.register', {
    procedure: {
      name: 'echo',
      input: { n: { type: 'number' }, s: { type: 'string', default: 'x' } },
      steps: [answer('{{ input }}')]
    }
  })
  for (const input of [5, 'x', [], true, [{}]]) {
    t.equal(
      await client.code('procedures.call', { name: 'echo', input }),
      'VALIDATION_ERROR',
      JSON.stringify(input)
    )
  }
  for (const input of [undefined, null, {}]) {
    t.match(await client.request('procedures.call', { name: 'echo', input }), {
      code: 'VALIDATION_ERROR',
      details: { issues: ['input.n: is required'] }
    })
  }
  t.same((await client.ask('procedures.call', { name: 'echo', input: { n: 1, more: [] } })).result, {
    n: 1,
    s: 'x',
    more: []
  })

  const reply = await run([
    insert({ id: '1' }, '_inner'),
    { action: 'transform', source: '_inner', operation: 'pick', args: ['id'], as: 'outer' },
    answer('{{ _inner.id }}')
  ])
  t.strictSame(
    reply['data'],
    { success: true, result: '1', results: { outer: { id: '1' } } },
    'a result whose name begins with _ stays inside'
  )
  const odd = await run(
    [
      { action: 'store.count', bucket: 'items', as: '__proto__' },
      { action: 'store.count', bucket: 'items', as: 'constructor' },
      { action: 'store.count', bucket: 'items', as: 'input' },
      answer('{{ constructor }}{{ input.a }}')
    ],
    {},
    { a: 'b' }
  )
  t.strictSame(
    odd['data'],
    { success: true, result: '1b', results: { constructor: 1, input: 1 } },
    'no name means anything'
  )
})

t.test('[G-G4] errors keep their codes and details, and say which step has failed', async t => {
  const { run, client, engine } = await setUp(t)
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
  const account = (data: object): object => insert(data, 'x', 'accounts')
  const table: ReadonlyArray<readonly [title: string, step: object, code: string, details?: unknown]> = [
    ['an unknown bucket', insert({}, 'x', 'nope'), 'BUCKET_NOT_DEFINED'],
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
      insert({ account: 'nope' }, 'x', 'notes'),
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
      then: [answer(1)],
      else: [{ action: 'store.get', bucket: 'nope', key: 'k', as: 'x' }]
    }
  ])
  t.match(nested, { code: 'BUCKET_NOT_DEFINED', message: /^steps\[0\]\.else\[0\]: / })
})

t.test('[G-G4] what nobody may learn of is logged', async t => {
  const lines: string[] = []
  const { run, engine } = await setUp(
    t,
    {},
    { fastify: { logger: { level: 'error', stream: { write: (line: string) => { lines.push(line) } } } } }
  )
  engine.onEmit = () => { throw new Error('secret') }
  for (const transaction of [false, true]) {
    const reply = await run([{ action: 'rules.emit', topic: 'x' }], { transaction })
    t.match(reply, { code: 'INTERNAL_ERROR' })
    t.notMatch(reply['message'], /secret/)
    t.match(lines.splice(0).join(), /steps\[0\].*secret|secret.*steps\[0\]/s)
  }
})

t.test('without a transaction, what was done before a step failed stays', async t => {
  const { run, client } = await setUp(t)
  t.match(await run([insert({ id: '1' }), insert({ id: '1' }), insert({ id: '2' })]), {
    code: 'ALREADY_EXISTS',
    message: /^steps\[1\]/
  })
  t.same((await client.ask('store.all', { bucket: 'items' })).map(({ id }: Frame) => id), ['1'])
})

t.test('[G-G1] a transaction', async t => {
  t.test('is written as a whole, or not at all', async t => {
    const { run, client } = await setUp(t)
    const bad = insert({ id: 'c', balance: -1 }, 'x', 'accounts')
    t.match(
      await run([insert({ id: '1' }), insert({ id: 'a', balance: 1 }, 'x', 'accounts'), bad], {
        transaction: true
      }),
      { code: 'VALIDATION_ERROR', message: /^steps\[2\]/, details: [{ field: 'balance' }] }
    )
    t.match(
      await run([insert({ id: '1' }), { action: 'aggregate', source: 'nope', op: 'count', as: 'x' }], {
        transaction: true
      }),
      { code: 'VALIDATION_ERROR' }
    )
    t.equal(await client.ask('store.count', { bucket: 'items' }), 0)
    t.equal(await client.ask('store.count', { bucket: 'accounts' }), 0)
    t.match(
      await run([insert({ id: '1' }), insert({ id: 'a', balance: 1 }, 'x', 'accounts')], {
        transaction: true
      }),
      { type: 'result' }
    )
    t.equal(await client.ask('store.count', { bucket: 'items' }), 1)
  })

  t.test('sees what it has done, and nobody else does before it ends', async t => {
    const { run, client } = await setUp(t)
    await client.ask('store.insert', { bucket: 'accounts', data: { id: 'a', balance: 5 } })
    const bucket = 'accounts'
    t.match(
      await run(
        [
          { action: 'store.get', bucket, key: 'a', as: 'before' },
          { action: 'store.update', bucket, key: 'a', data: { balance: 6 }, as: 'updated' },
          insert({ id: 'b', balance: '{{ updated.balance }}' }, 'inserted', bucket),
          { action: 'store.findOne', bucket, filter: { id: 'b' }, as: 'found' },
          { action: 'store.where', bucket, filter: { balance: 6 }, as: 'both' },
          { action: 'store.count', bucket, as: 'count' },
          { action: 'store.delete', bucket, key: 'b' },
          { action: 'store.get', bucket, key: 'b', as: 'gone' },
          answer('{{ count }}')
        ],
        { transaction: true }
      ),
      {
        data: {
          success: true,
          result: 2,
          results: {
            before: { balance: 5 },
            updated: { balance: 6, _version: 2 },
            inserted: { balance: 6 },
            found: { id: 'b' },
            both: [{}, {}],
            gone: null
          }
        }
      }
    )
    t.match(await client.ask('store.all', { bucket }), [{ id: 'a', balance: 6 }])
  })

  t.test('conflicts with a writer that is faster', async t => {
    const { run, client, store } = await setUp(t)
    await client.ask('store.insert', { bucket: 'accounts', data: { id: 'a', balance: 5 } })
    const transaction = store.transaction.bind(store)
    store.transaction = async work => await transaction(async tx => {
      const result = await work(tx)
      await store.bucket('accounts').update('a', { balance: 100 })
      return result
    })
    t.match(
      await run([{ action: 'store.update', bucket: 'accounts', key: 'a', data: { balance: 0 } }], {
        transaction: true
      }),
      { code: 'CONFLICT', details: { bucket: 'accounts', key: 'a' } }
    )
    store.transaction = transaction
    t.match(await client.ask('store.get', { bucket: 'accounts', key: 'a' }), { balance: 100 })
  })

  t.test('keeps to the size of a bucket', async t => {
    const { run, client, store } = await setUp(t)
    await store.defineBucket('small', { key: 'id', schema: { id: { type: 'string' } }, maxSize: 2 })
    t.match(
      await run(
        ['1', '2', '3'].map(id => insert({ id }, 'x', 'small')),
        { transaction: true }
      ),
      { type: 'result' }
    )
    t.equal(await client.ask('store.count', { bucket: 'small' }), 2)
  })

  t.test('tells the rule engine after the commit, in order, and waits for it', async t => {
    const { run, client, engine, store } = await setUp(t)
    const seen: unknown[] = []
    engine.onEmit = async (topic, { n }) => {
      seen.push([topic, n, engine.getFact('f') ?? null, await store.bucket('items').count()])
    }
    const steps = [
      { action: 'rules.getFact', key: 'f', as: 'before' },
      { action: 'rules.emit', topic: 'first', data: { n: '{{ input.n }}' } },
      { action: 'rules.setFact', key: 'f', value: '{{ input.n }}' },
      { action: 'rules.emit', topic: 'second' },
      { action: 'rules.getFact', key: 'f', as: 'after' },
      insert({ id: '1' })
    ]
    t.match(await run(steps, { transaction: true }, { n: 5 }), {
      data: { results: { before: null, after: null } }
    })
    t.same(seen, [['first', 5, null, 1], ['second', undefined, 5, 1]])
    t.match(await run([...steps, insert({ id: '1' })], { transaction: true }, { n: 6 }), { code: 'CONFLICT' })
    t.equal(seen.length, 2, 'and does not tell it of what was not written')
    t.equal(await client.ask('store.count', { bucket: 'items' }), 1)
  })

  t.test('says that it is written when the rule engine fails afterwards', async t => {
    const { run, client, engine } = await setUp(t)
    engine.onEmit = topic => {
      if (topic !== 'fine') {
        throw topic === 'odd'
          ? new Error('secret')
          : Object.assign(new Error('x'), { name: 'LimitError', details: { max: 1 } })
      }
    }
    t.match(
      await run([insert({ id: '1' }), { action: 'rules.emit', topic: 'full' }], { transaction: true }),
      { code: 'RATE_LIMITED', message: /^steps\[1\]: .*committed/, details: { max: 1, applied: true } }
    )
    t.match(await run([insert({ id: '2' }), { action: 'rules.emit', topic: 'odd' }], { transaction: true }), {
      code: 'INTERNAL_ERROR',
      details: { applied: true }
    })
    engine.onEmit = async topic => { if (topic === 'slow') await new Promise(() => {}) }
    t.match(
      await run(
        [
          insert({ id: '3' }),
          { action: 'rules.emit', topic: 'slow' },
          { action: 'rules.emit', topic: 'never' }
        ],
        { transaction: true, timeoutMs: 100 }
      ),
      { code: 'INTERNAL_ERROR', message: /^steps\[1\]: .*100 ms/, details: { applied: true } }
    )
    t.notOk(engine.emitted.includes('never'))
    t.equal(await client.ask('store.count', { bucket: 'items' }), 3)
  })

  t.test('writes nothing when the rule engine is stopped', async t => {
    const { run, client, engine } = await setUp(t)
    engine.isRunning = false
    t.match(await run([insert({ id: '1' }), { action: 'rules.emit', topic: 'x' }], { transaction: true }), {
      code: 'RULES_NOT_AVAILABLE',
      message: /^steps\[1\]/
    })
    t.equal(await client.ask('store.count', { bucket: 'items' }), 0)
  })
})

/** Holds every insert into a bucket until the test lets it go. */
function holdInserts (store: Store, bucket: string): Barrier {
  const turnstile = new Barrier()
  const original = store.bucket.bind(store)
  store.bucket = name => {
    const handle = original(name)
    if (name !== bucket) return handle
    return new Proxy(handle, {
      get (target, member) {
        const value: unknown = Reflect.get(target, member, target)
        if (typeof value !== 'function') return value
        return async (...args: unknown[]) => {
          if (member === 'insert' || member === 'insertMany') await turnstile.pass()
          return await (value as (...args: unknown[]) => unknown).apply(target, args)
        }
      }
    })
  }
  return turnstile
}

t.test('[G-G2] a timeout', async t => {
  t.test('stops before the next step, also when the step that hangs goes on afterwards', async t => {
    const store = await startStore(t)
    await store.defineBucket('slow', { key: 'id', schema: { id: { type: 'string' } } })
    const turnstile = holdInserts(store, 'slow')
    const { run, client } = await setUp(t, {}, { store })
    t.match(
      await run([insert({ id: '1' }), insert({ id: '2' }, 'x', 'slow'), insert({ id: '3' })], {
        timeoutMs: 100
      }),
      { code: 'INTERNAL_ERROR', message: /^steps\[1\]: .*100 ms/, details: undefined }
    )
    turnstile.open()
    await client.settled()
    t.same((await client.ask('store.all', { bucket: 'items' })).map(({ id }: Frame) => id), ['1'])
  })

  t.test('writes nothing of a transaction', async t => {
    const { run, client, store } = await setUp(t)
    const turnstile = new Barrier()
    const transaction = store.transaction.bind(store)
    store.transaction = async work => await transaction(async tx => {
      const open = tx.open.bind(tx)
      tx.open = name => {
        const handle = open(name)
        const insertSoon = handle.insertSoon.bind(handle)
        handle.insertSoon = async data => {
          if (name === 'accounts') await turnstile.pass()
          return await insertSoon(data)
        }
        return handle
      }
      return await work(tx)
    })
    const steps = [insert({ id: '1' }), insert({ id: 'a', balance: 1 }, 'x', 'accounts')]
    t.match(
      await run(steps, { transaction: true, timeoutMs: 1_000 }),
      { code: 'INTERNAL_ERROR', message: /^steps\[1\]/, details: undefined }
    )
    turnstile.open()
    await client.settled()
    t.equal(await client.ask('store.count', { bucket: 'items' }), 0)
    t.equal(await client.ask('store.count', { bucket: 'accounts' }), 0)
  })

  t.test('is not used up by a schema change that takes long', async t => {
    const { client, store, connect } = await setUp(t)
    for (const transaction of [false, true]) {
      const name = `late ${transaction}`
      const procedure = { name, steps: [insert({ id: name })], timeoutMs: 100, transaction }
      await client.ask('procedures.register', { procedure })
    }
    const turnstile = new Barrier()
    const updateBucket = store.updateBucket.bind(store)
    store.updateBucket = async (...args) => {
      await turnstile.pass()
      await updateBucket(...args)
    }
    const admin = await connect()
    const changing = admin.ask('store.updateBucket', { name: 'accounts', updates: {} })
    await turnstile.held()
    for (const transaction of [false, true]) {
      await client.ask('procedures.call', { name: `late ${transaction}` })
    }
    turnstile.open()
    await changing
    t.equal(await client.ask('store.count', { bucket: 'items' }), 2)
  })

  t.test(
    'is that of the options where a procedure has none, and a rule that hangs does not hold it up',
    async t => {
      const { run, engine, client } = await setUp(t, { procedures: { defaultTimeoutMs: 100 } })
      engine.onEmit = async () => { await new Promise(() => {}) }
      t.match(await run([{ action: 'rules.emit', topic: 'x' }, insert({ id: '1' })]), {
        code: 'INTERNAL_ERROR',
        message: /100 ms/
      })
      t.equal(await client.ask('store.count', { bucket: 'items' }), 0)
      engine.onEmit = () => {}
      t.match(
        await run([{ action: 'rules.emit', topic: 'x' }]),
        { type: 'result' },
        'the next call has its own time'
      )
    }
  )
})

t.test('a client that leaves ends its procedure before the next step', async t => {
  const { client, engine, connect, app } = await setUp(t)
  await client.ask('procedures.register', {
    procedure: { name: 'two', steps: [{ action: 'rules.emit', topic: 'x' }, insert({ id: '1' })] }
  })
  const turnstile = new Barrier()
  engine.onEmit = async () => { await turnstile.pass() }
  const leaving = await connect()
  leaving.send({ id: 1, type: 'procedures.call', name: 'two' })
  await turnstile.held()
  leaving.ws.terminate()
  await leaving.closed
  while (app.noex.connectionCount > 1) await client.settled()
  turnstile.open()
  await client.settled()
  t.equal(await client.ask('store.count', { bucket: 'items' }), 0)
})

t.test('[G-G5] the rule engine is waited for', async t => {
  const { run, engine, connect } = await setUp(t)
  engine.onEmit = async () => {
    await new Promise(resolve => setImmediate(resolve))
    await engine.setFact('derived', 5)
  }
  t.match(
    await run([
      { action: 'rules.emit', topic: 'x' },
      { action: 'rules.getFact', key: 'derived', as: 'fact' }
    ]),
    { data: { results: { fact: 5 } } }
  )

  const rejections: unknown[] = []
  const listener = (error: unknown): void => { rejections.push(error) }
  process.on('unhandledRejection', listener)
  t.teardown(() => { process.off('unhandledRejection', listener) })
  engine.isRunning = false
  for (const step of [
    { action: 'rules.emit', topic: 'x' },
    { action: 'rules.setFact', key: 'k', value: 1 }
  ]) {
    t.match(await run([step]), { code: 'RULES_NOT_AVAILABLE' }, step.action)
  }
  t.match(
    await run([{ action: 'rules.getFact', key: 'derived', as: 'fact' }]),
    { data: { results: { fact: 5 } } },
    'what it knows can still be read'
  )
  await new Promise(resolve => setImmediate(resolve))
  t.same(rejections, [])

  const { connect: connectBare } = await serve(t)
  const bare = await connectBare()
  await bare.ask('procedures.register', {
    procedure: { name: 'emit', steps: [{ action: 'rules.emit', topic: 'x' }] }
  })
  t.equal(
    await bare.code('procedures.call', { name: 'emit' }),
    'RULES_NOT_AVAILABLE',
    'also where there is none'
  )
  t.match(await (await connect()).ask('procedures.list'), { procedures: Array })
})

t.test('limits', async t => {
  const { connect } = await serve(t, { procedures: { maxSteps: 2, maxConditionDepth: 0 } })
  const client = await connect()
  t.match(
    await client.request('procedures.register', {
      procedure: { name: 'p', steps: [answer(1), answer(1), answer(1)] }
    }),
    { code: 'VALIDATION_ERROR', details: { issues: [/^steps: are 3/] } }
  )
  t.match(
    await client.request('procedures.register', {
      procedure: {
        name: 'p',
        steps: [{ action: 'if', condition: { ref: 'x', operator: 'exists' }, then: [answer(1)] }]
      }
    }),
    { code: 'VALIDATION_ERROR', details: { issues: [/^steps\[0\]: is nested too deep/] } }
  )

  t.test('what a procedure makes is bounded', async t => {
    const { client, run } = await setUp(t)
    const text = 'x'.repeat(100_000)
    for (let i = 0; i < 20; i++) {
      await client.ask('store.insert', { bucket: 'items', data: { id: `${i}`, name: text } })
    }
    const all = { action: 'store.where', bucket: 'items', filter: {}, as: 'all' }
    const tooMuch: ReadonlyArray<readonly [title: string, steps: readonly object[]]> = [
      ['a record', [all, insert({ name: '{{ all }}{{ all }}' })]],
      [
        'a value within it',
        [
          { action: 'store.get', bucket: 'items', key: '0', as: 'item' },
          insert({ list: Array.from({ length: 50 }, () => '{{ item }}') })
        ]
      ],
      ['the results together', Array.from({ length: 9 }, (_, i) => ({ ...all, as: `all ${i}` }))],
      ['the answer', [all, answer(Array.from({ length: 9 }, () => '{{ all }}'))]]
    ]
    for (const [title, steps] of tooMuch) {
      t.match(await run(steps), { code: 'VALIDATION_ERROR', message: /more than \d+ characters/ }, title)
    }
    t.match(await run([all, answer('{{ all.length }}')]), { data: { result: 20 } })
  })

  t.test('what is put into one another call after call does not nest without end', async t => {
    const { client } = await setUp(t)
    await client.ask('procedures.register', {
      procedure: {
        name: 'nest',
        steps: [
          { action: 'store.get', bucket: 'items', key: 'it', as: 'it' },
          { action: 'store.update', bucket: 'items', key: 'it', data: { inner: { of: '{{ it.inner }}' } } }
        ]
      }
    })
    await client.ask('store.insert', { bucket: 'items', data: { id: 'it' } })
    const codes = new Set<unknown>()
    for (let i = 0; i < 40; i++) {
      codes.add((await client.request('procedures.call', { name: 'nest' }))['code'])
    }
    t.same([...codes], [undefined, 'VALIDATION_ERROR'])
  })

  t.test('so is the number of procedures', async t => {
    const { connect, store } = await serve(t)
    await store
      .bucket('_procedures')
      .insertMany(
        Array.from({ length: 1_000 }, (_, i) => ({
          name: `p${i}`,
          definition: { name: `p${i}`, steps: [answer(i)] }
        }))
      )
    const client = await connect()
    t.equal(
      (await client.ask('procedures.call', { name: 'p999' })).result,
      999,
      'those that the application has put there can be called'
    )
    t.equal(await client.code('procedures.register', { procedure }), 'RATE_LIMITED')
    await client.ask('procedures.unregister', { name: 'p0' })
    await client.ask('procedures.register', { procedure })
    t.equal((await client.ask('procedures.list')).procedures.length, 1_000)
  })
})

t.test('hostile definitions and inputs are answered, and never as a failure of the server', async t => {
  const { client, store, connect } = await setUp(t)
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
    if (registered['code'] === 'INTERNAL_ERROR') failures.push([procedure, registered])
    if (registered['type'] === 'error') return
    const { name } = registered['data']
    for (const input of inputs) {
      const reply = await client.request('procedures.call', { name, input })
      calls++
      if (reply['code'] === 'INTERNAL_ERROR') failures.push([procedure, input, reply])
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

t.test('procedures of the options', async t => {
  const definitions: readonly ProcedureDefinition[] = [
    {
      name: 'add',
      input: { id: { type: 'string' } },
      runAs: 'owner',
      steps: [{ action: 'store.insert', bucket: 'items', data: { id: '{{ input.id }}' }, as: 'item' }]
    },
    { name: 'greet', steps: [{ action: 'return', value: 'from the options' }] }
  ]
  const { connect, store } = await serve(t, { procedures: { definitions } })
  const client = await connect()

  t.test('can be called and seen', async t => {
    t.match(await client.ask('procedures.call', { name: 'add', input: { id: '1' } }), {
      results: { item: { id: '1' } }
    })
    t.same(await client.ask('procedures.get', { name: 'greet' }), definitions[1])
    t.same(await client.ask('procedures.list'), {
      procedures: [
        { name: 'add', stepsCount: 1 },
        { name: 'greet', stepsCount: 1 }
      ]
    })
  })

  t.test('are not changed by clients', async t => {
    t.equal(
      await client.code('procedures.update', { name: 'greet', updates: { steps: [answer(1)] } }),
      'FORBIDDEN'
    )
    t.equal(await client.code('procedures.unregister', { name: 'greet' }), 'FORBIDDEN')
    t.equal(await client.code('procedures.register', { procedure }), 'ALREADY_EXISTS')
  })

  t.test('belong to the store as long as some instance has them', async t => {
    const other = await serve(t, {}, { store })
    t.equal(
      (await (await other.connect()).ask('procedures.call', { name: 'greet' })).result,
      'from the options',
      'whichever instance is asked'
    )
    const same = await serve(t, { procedures: { definitions } }, { store })
    await same.app.close()
    t.equal((await client.ask('procedures.call', { name: 'greet' })).result, 'from the options')
    await t.rejects(
      serve(
        t,
        { procedures: { definitions: [{ name: 'greet', steps: [{ action: 'return', value: 'else' }] }] } },
        { store }
      ),
      /"greet"/
    )
    t.equal((await client.ask('procedures.call', { name: 'greet' })).result, 'from the options')
  })

  t.test('take the place of one that a client has registered', async t => {
    const store = await startStore(t)
    const before = await serve(t, {}, { store })
    await (await before.connect()).ask('procedures.register', { procedure })
    await before.app.close()
    const lines: string[] = []
    const after = await serve(
      t,
      { procedures: { definitions } },
      {
        store,
        fastify: { logger: { level: 'warn', stream: { write: (line: string) => { lines.push(line) } } } }
      }
    )
    t.equal(
      (await (await after.connect()).ask('procedures.call', { name: 'greet' })).result,
      'from the options'
    )
    t.match(lines.join(), /takes the place/)
    await after.app.close()
    const last = await serve(t, {}, { store })
    t.same(await (await last.connect()).ask('procedures.list'), { procedures: [] })
  })

  t.test('may not reach what is the server’s own', async t => {
    const definition: ProcedureDefinition = {
      name: 'p',
      steps: [{ action: 'store.count', bucket: '_procedures', as: 'x' }]
    }
    await t.rejects(serve(t, { procedures: { definitions: [definition] } }), {
      name: 'NoexOptionsError',
      path: 'procedures.definitions[0].steps[0].bucket'
    })
  })
})

t.test('[G-C3] the bucket of the procedures is hidden and guarded, and no other', async t => {
  const { connect, app, store } = await serve(t)
  const client = await connect()
  await client.ask('procedures.register', { procedure })
  const bucket = '_procedures'
  const requests: ReadonlyArray<readonly [type: string, fields: object]> = [
    ['store.all', { bucket }], ['store.get', { bucket, key: 'greet' }], ['store.insert', { bucket, data: {} }], ['store.update', { bucket, key: 'greet', data: {} }], ['store.clear', { bucket }],
    ['store.dropBucket', { name: bucket }], ['store.updateBucket', { name: bucket, updates: {} }], ['store.getBucketSchema', { name: bucket }], ['store.defineBucket', { name: bucket, config: {} }],
    ['store.transaction', { operations: [{ op: 'get', bucket, key: 'greet' }] }],
    ['store.defineQuery', { name: 'q', config: { bucket } }],
    [
      'store.defineBucket',
      { name: 'spy', config: { key: 'id', schema: { id: { type: 'string', ref: bucket } } } }
    ],
    [
      'procedures.register',
      {
        procedure: {
          name: 'spy',
          steps: [
            {
              action: 'if',
              condition: { ref: 'x', operator: 'exists' },
              then: [{ action: 'store.where', bucket, filter: {}, as: 'x' }]
            }
          ]
        }
      }
    ],
    [
      'procedures.update',
      { name: 'greet', updates: { steps: [{ action: 'store.delete', bucket, key: 'greet' }] } }
    ]
  ]
  for (const [type, fields] of requests) {
    t.match(await client.request(type, fields), { code: 'FORBIDDEN', message: /system bucket/ }, type)
  }
  store.defineQuery('peek', async context => await context.bucket(bucket).all())
  t.equal(await client.code('store.query', { query: 'peek' }), 'FORBIDDEN')
  t.same((await client.ask('store.buckets')).names, ['items'])
  t.same((await client.ask('store.stats')).buckets, { count: 1, names: ['items'] })
  t.same((await client.ask('server.stats')).store.records.perBucket, { items: 0 })
  t.same((await app.noex.getStats()).store?.buckets.names, ['items'])
  t.same((await app.inject('/stats')).json<Frame>()['store'].buckets.names, ['items'])

  await client.ask('store.defineBucket', {
    name: '_mine',
    config: { key: 'id', schema: { id: { type: 'string' } } }
  })
  await client.ask('procedures.register', {
    procedure: { name: 'mine', steps: [insert({ id: '1' }, 'x', '_mine')] }
  })
  t.match(await client.ask('procedures.call', { name: 'mine' }), { success: true })
  t.same((await client.ask('store.buckets')).names, ['items', '_mine'], 'other names are as good as any')

  await store
    .bucket(bucket)
    .insert({
      name: 'planted',
      definition: { name: 'planted', steps: [{ action: 'store.where', bucket, filter: {}, as: 'x' }] }
    })
  t.match(
    await client.request('procedures.call', { name: 'planted' }),
    { code: 'FORBIDDEN', message: /^steps\[0\]: .*system bucket/ },
    'also when it runs'
  )
})

t.test('[G-G7] procedures', async t => {
  t.test('survive a restart with a persistent store', async t => {
    const directory = temporaryDirectory(t)
    const open = async (): Promise<Store> =>
      await Store.start({ name: 'procedures', persistence: { adapter: new FileAdapter({ directory }) } })
    const first = await open()
    const before = await serve(t, {}, { store: first })
    const client = await before.connect()
    const whole = {
      ...procedure,
      input: { name: { type: 'string', default: 'you' } },
      timeoutMs: 500,
      transaction: true
    }
    await client.ask('procedures.register', { procedure: whole })
    await client.ask('procedures.register', { procedure: { ...procedure, name: 'gone' } })
    await client.ask('procedures.unregister', { name: 'gone' })
    await client.ask('procedures.update', { name: 'greet', updates: { description: 'changed' } })
    await before.app.close()
    await first.stop()

    const second = await open()
    t.teardown(async () => { await second.stop() })
    const after = await serve(t, {}, { store: second })
    t.teardown(async () => { await after.app.close() })
    const returning = await after.connect()
    t.same(await returning.ask('procedures.get', { name: 'greet' }), { ...whole, description: 'changed' })
    t.equal((await returning.ask('procedures.call', { name: 'greet' })).result, 'Hello you')
    t.equal((await returning.ask('procedures.list')).procedures.length, 1)
  })

  t.test('are the same for every instance on the store', async t => {
    const store = await startStore(t)
    const [one, two] = [await serve(t, {}, { store }), await serve(t, {}, { store })]
    await (await one.connect()).ask('procedures.register', { procedure })
    t.equal(
      (await (await two.connect()).ask('procedures.call', { name: 'greet', input: { name: 'x' } })).result,
      'Hello x'
    )
    await one.app.close()
    await (await two.connect()).ask('procedures.unregister', { name: 'greet' })
    t.same(await (await two.connect()).ask('procedures.list'), { procedures: [] })
  })

  t.test('follow what the application does to their bucket, and do not count when they are none', async t => {
    const lines: string[] = []
    const { connect, store } = await serve(
      t,
      {},
      { fastify: { logger: { level: 'warn', stream: { write: (line: string) => { lines.push(line) } } } } }
    )
    const client = await connect()
    await client.ask('procedures.register', { procedure })
    const bucket = store.bucket('_procedures')
    await bucket.update('greet', { definition: { name: 'greet', steps: [answer('changed')] } })
    t.equal((await client.ask('procedures.call', { name: 'greet' })).result, 'changed')
    for (const definition of [{ name: 'greet', steps: [] }, { name: 'other', steps: [answer(1)] }, {}]) {
      await bucket.update('greet', { definition })
      t.equal(
        await client.code('procedures.call', { name: 'greet' }),
        'NOT_FOUND',
        JSON.stringify(definition)
      )
    }
    t.match(lines.join(), /does not count/)
    await bucket.update('greet', { definition: { name: 'greet', steps: [answer('back')] } })
    t.equal((await client.ask('procedures.call', { name: 'greet' })).result, 'back')
    await bucket.clear()
    await store.updateBucket('_procedures', {})
    await client.settled()
    t.same(await client.ask('procedures.list'), { procedures: [] })
  })

  t.test('that were registered under larger limits are not run', async t => {
    const store = await startStore(t)
    const before = await serve(t, {}, { store })
    await (
      await before.connect()
    ).ask('procedures.register', { procedure: { name: 'long', steps: [answer(1), answer(2), answer(3)] } })
    await before.app.close()
    const after = await serve(t, { procedures: { maxSteps: 2 } }, { store })
    t.equal(await (await after.connect()).code('procedures.call', { name: 'long' }), 'VALIDATION_ERROR')
  })

  t.test('do not start on a bucket of that name that is something else', async t => {
    const store = await startStore(t)
    await store.defineBucket('_procedures', {
      key: 'id',
      schema: { id: { type: 'number', generated: 'autoincrement' } }
    })
    await t.rejects(serve(t, {}, { store }), /_procedures/)
  })
})
