import t from 'tap'
import { compileTemporal } from '../../src/compiler/compile-temporal.js'

t.test('a sequence', async t => {
  const compiled = compileTemporal({
    type: 'sequence',
    events: [{ topic: 'a.*', as: 'first' }, { topic: 'b', filter: { 'x.y': 1, z: null } }],
    within: '5m',
    groupBy: 'user.id'
  })
  if (compiled.type !== 'sequence') {
    t.fail('is a sequence')
    return
  }
  t.match(compiled, { withinMs: 300_000, strict: false, events: { length: 2 } })
  t.equal(compiled.events[0]!.as, 'first')
  t.equal(compiled.events[0]!.topic.matches('a.b'), true)
  t.equal(compiled.events[0]!.accepts({}), true, 'accepts anything without a filter')
  t.equal(compiled.events[1]!.as, undefined)
  t.equal(compiled.events[1]!.accepts({ x: { y: 1 }, z: null }), true)
  t.equal(compiled.events[1]!.accepts({ x: { y: '1' }, z: null }), false)
  t.equal(compiled.events[1]!.accepts({ x: { y: 1 } }), false)
  t.equal(compiled.events[1]!.accepts({ z: null }), false)
  t.match(
    compileTemporal({ type: 'sequence', events: [], within: 1, strict: true }), { strict: true, withinMs: 1 }
  )
})

t.test('a group', async t => {
  const groupOf = (groupBy: string | undefined, data: Record<string, unknown>) => {
    return compileTemporal({
      type: 'count',
      event: {
        topic: 'a'
      },
      threshold: 1,
      window: 1,
      ...(groupBy === undefined ? {} : { groupBy })
    }).groupOf(data)
  }
  const table: ReadonlyArray<readonly [value: unknown, group: string | undefined]> = [
    ['u1', 'u1'], ['', ''], [7, '7'], ['7', '7'], [0, '0'], [false, 'false'],
    [undefined, undefined], [null, undefined], [{ x: 1 }, undefined], [[], undefined]
  ]
  for (const [value, group] of table) {
    t.equal(groupOf('user.id', { user: { id: value } }), group, `${JSON.stringify(value)} is in ${group}`)
  }
  t.equal(groupOf('user.id', {}), undefined)
  t.equal(groupOf('constructor', {}), undefined)
  t.equal(groupOf(undefined, {}), '', 'all are in one without groupBy')
})

t.test('an absence', async t => {
  const compiled = compileTemporal({
    type: 'absence', after: { topic: 'a' }, expected: { topic: 'b', as: 'paid' }, within: 10
  })
  t.match(compiled, {
    type: 'absence',
    withinMs: 10,
    after: {
      topic: { exact: 'a' }
    },
    expected: { topic: { exact: 'b' }, as: 'paid' }
  })
})

t.test('a threshold', async t => {
  const table = [[
    'gte', [false, true, true]
  ], ['lte', [true, true, false]], ['eq', [false, true, false]], [undefined, [false, true, true]]] as const
  for (const [comparison, expected] of table) {
    const given = {
      event: { topic: 'a' }, threshold: 5, window: '1s', ...(comparison === undefined ? {} : { comparison })
    } as const
    const count = compileTemporal({ type: 'count', ...given })
    const aggregate = compileTemporal({ type: 'aggregate', field: 'x', function: 'sum', ...given })
    if (count.type !== 'count' || aggregate.type !== 'aggregate') {
      t.fail('keeps its type')
      return
    }
    t.same(
      [4, 5, 6].map(count.holds), expected, `is compared with ${comparison ?? 'gte, when nothing is said'}`
    )
    t.same([4, 5, 6].map(aggregate.holds), expected)
  }
})

t.test('a window lies beside the one before for a count, and slides for an aggregate', async t => {
  const given = { event: { topic: 'a' }, threshold: 5, window: '1s' } as const
  t.match(compileTemporal({ type: 'count', ...given }), { sliding: false, windowMs: 1000 })
  t.match(compileTemporal({ type: 'count', sliding: true, ...given }), { sliding: true })
  t.match(compileTemporal({ type: 'aggregate', field: 'x', function: 'avg', ...given }), {
    sliding: true, windowMs: 1000, function: 'avg'
  })
  t.match(compileTemporal({ type: 'aggregate', field: 'x', function: 'avg', sliding: false, ...given }), {
    sliding: false
  })
})

t.test('an aggregate takes finite numbers alone', async t => {
  const compiled = compileTemporal({
    type: 'aggregate', field: 'a.x', function: 'sum', event: { topic: 'a' }, threshold: 5, window: 1
  })
  if (compiled.type !== 'aggregate') {
    t.fail('is an aggregate')
    return
  }
  t.equal(compiled.valueOf({ a: { x: 1.5 } }), 1.5)
  for (const x of ['1', null, undefined, NaN, Infinity, true, 1n, [1]]) {
    t.equal(compiled.valueOf({ a: { x } }), undefined)
  }
})
