import t from 'tap'
import type { Frame } from '../../support/client.js'
import { returnStep, insertStep, serveProcedures } from '../../support/procedures.js'

t.test('steps', async t => {
  const { run, client, engine } = await serveProcedures(t)
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
      [insertStep({ id: 'd', n: '{{ input.n }}', name: 'of {{ input.key }}' }, 'item')],
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
        returnStep({ sum: '{{ sum }}', count: '{{ count }}' })
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
          then: [returnStep('more')],
          else: [returnStep('less')]
        },
        returnStep('after')
      ],
      { result: 'more' }
    ],
    [
      'if, the other way',
      [
        {
          action: 'if',
          condition: { ref: 'input.n', operator: 'gt', value: '{{ input.n }}' },
          then: [returnStep('more')],
          else: [returnStep('less')]
        }
      ],
      { result: 'less' }
    ],
    [
      'if, without the other way',
      [
        { action: 'if', condition: { ref: 'input.nope', operator: 'exists' }, then: [returnStep('more')] },
        returnStep('after')
      ],
      { result: 'after' }
    ],
    ['return ends it', [returnStep(1), insertStep({ id: 'never' }, 'never')], { result: 1, results: {} }],
    ['return of nothing', [returnStep('{{ nope }}')], { results: {} }],
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
  const { client, run } = await serveProcedures(t)
  await client.ask('procedures.register', {
    procedure: {
      name: 'echo',
      input: { n: { type: 'number' }, s: { type: 'string', default: 'x' } },
      steps: [returnStep('{{ input }}')]
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
    insertStep({ id: '1' }, '_inner'),
    { action: 'transform', source: '_inner', operation: 'pick', args: ['id'], as: 'outer' },
    returnStep('{{ _inner.id }}')
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
      returnStep('{{ constructor }}{{ input.a }}')
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

t.test('without a transaction, what was done before a step failed stays', async t => {
  const { run, client } = await serveProcedures(t)
  t.match(await run([insertStep({ id: '1' }), insertStep({ id: '1' }), insertStep({ id: '2' })]), {
    code: 'ALREADY_EXISTS',
    message: /^steps\[1\]/
  })
  t.same((await client.ask('store.all', { bucket: 'items' })).map(({ id }: Frame) => id), ['1'])
})
