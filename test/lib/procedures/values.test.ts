import t from 'tap'
import { aggregate, aggregates } from '../../../lib/procedures/aggregate.js'
import { compileCondition } from '../../../lib/procedures/condition.js'
import { Deadline } from '../../../lib/procedures/deadline.js'
import { checkInput } from '../../../lib/procedures/input.js'
import type { Condition, InputField } from '../../../lib/procedures/procedure.js'
import type { Variables } from '../../../lib/procedures/reference.js'
import { jsonChars, SizeBudget } from '../../../lib/procedures/size-budget.js'
import { compileTemplate, type Place } from '../../../lib/procedures/template.js'
import { transform, type Transformation } from '../../../lib/procedures/transform.js'
import { FakeClock } from '../../support/fake-clock.js'

const BUDGET = 1_000_000

const variables: Variables = {
  input: {
    name: 'Ann',
    n: 5,
    zero: 0,
    no: false,
    nothing: null,
    list: [1, 'two', { three: 3 }],
    deep: { a: { b: 'c' } },
    length: 7
  },
  results: new Map<string, unknown>([
    ['item', { id: 'i', tags: ['x', 'y'], sku: { code: 'S' } }],
    ['items', [{ id: 'a', n: 1 }, { id: 'b', n: 2 }]],
    ['input', 'decoy'],
    ['text', 'abc'],
    ['a b', 'blank'],
    ['none', null]
  ])
}

const fill = (template: unknown, place: Place = 'data', sizeBudget = new SizeBudget(BUDGET)): unknown =>
  compileTemplate(template, place, 'at')(variables, sizeBudget)

t.test('a text that is one placeholder becomes the value itself', async t => {
  const table: ReadonlyArray<readonly [template: string, expected: unknown]> = [
    ['{{ input.name }}', 'Ann'],
    ['{{input.n}}', 5],
    ['{{   input.no   }}', false],
    ['{{ input }}', variables.input],
    ['{{ input.deep.a.b }}', 'c'],
    ['{{ input.list.1 }}', 'two'],
    ['{{ input.list.2.three }}', 3],
    ['{{ input.list.length }}', 3],
    ['{{ input.length }}', 7],
    ['{{ item }}', variables.results.get('item')],
    ['{{ item.tags.0 }}', 'x'],
    ['{{ items.1.id }}', 'b'],
    ['{{ items.length }}', 2],
    ['{{ a b }}', 'blank'],
    ['{{ none }}', null],
    ['{{ input.nothing }}', null]
  ]
  for (const [template, expected] of table) t.same(fill(template), expected, template)
})

t.test('a reference without a value is left out of an object, null in an array, empty in a text', async t => {
  const nowhere = [
    'input.nope', 'nope', 'nope.a.b', 'input.nothing.a', 'input.name.length', 'input.n.toFixed', 'text.0',
    'input.list.9', 'input.list.-1', 'item.id.x', 'input.', '.', 'input..name', 'constructor',
    'input.constructor', 'input.__proto__', 'input.toString', 'input.list.map', 'item.constructor.name',
    '__proto__', 'hasOwnProperty', 'items.constructor'
  ]
  for (const path of nowhere) {
    t.equal(fill(`{{ ${path} }}`), undefined, path)
    t.strictSame(
      fill({ a: `{{ ${path} }}`, b: [`{{ ${path} }}`], c: `<{{ ${path} }}>` }),
      { b: [null], c: '<>' },
      path
    )
  }
})

t.test('in a longer text a placeholder becomes text', async t => {
  const table: ReadonlyArray<readonly [template: string, expected: string]> = [
    ['Hello {{ input.name }}!', 'Hello Ann!'],
    ['{{ input.name }}{{ input.n }}', 'Ann5'],
    [' {{ input.n }}', ' 5'],
    ['{{ input.no }}/{{ input.zero }}/{{ input.nothing }}', 'false/0/'],
    ['{{ input.deep }} {{ item.tags }}', '{"a":{"b":"c"}} ["x","y"]'],
    ['{{{ input.name }}}', '}'],
    ['{{ input.name } }}', '{{ input.name } }}'],
    ['{{ input.name', '{{ input.name'],
    ['{{}}', '{{}}'],
    ['{{  }}', '{{  }}'],
    ['}} {{ input.n }} {{', '}} 5 {{'],
    ['', ''],
    ['{ input.name }', '{ input.name }'],
    ['a } {{ input.n }} }', 'a } 5 }']
  ]
  for (const [template, expected] of table) t.equal(fill(template), expected, template)
})

t.test('objects and arrays are filled in as deep as they go, their names are not', async t => {
  t.same(fill({ a: ['{{ input.n }}', { b: '{{ item.id }}' }], '{{ input.name }}': 1, c: null, d: 5 }), {
    a: [5, { b: 'i' }],
    '{{ input.name }}': 1,
    c: null,
    d: 5
  })
  const filled = fill(JSON.parse('{"__proto__":{"polluted":true},"a":"{{ input.n }}"}')) as Record<
    string,
    unknown
  >
  t.equal(Object.getPrototypeOf(filled), Object.prototype)
  t.ok(Object.hasOwn(filled, '__proto__'))
  t.equal(filled['polluted'], undefined)
})

t.test('in a filter a reference is a scalar or a list of them, and null where it has no value', async t => {
  t.strictSame(
    fill(
      {
        a: '{{ input.nope }}',
        b: { $gt: '{{ input.n }}' },
        c: { $in: '{{ item.tags }}' },
        d: '<{{ input.deep }}>'
      },
      'filter'
    ),
    { a: null, b: { $gt: 5 }, c: { $in: ['x', 'y'] }, d: '<{"a":{"b":"c"}}>' }
  )
  for (const path of ['input', 'input.deep', 'input.list', 'item', 'items']) {
    t.throws(
      () => fill({ a: `{{ ${path} }}` }, 'filter'),
      { code: 'VALIDATION_ERROR', message: /^at\.a: / },
      path
    )
  }
})

t.test('what is made is limited while it is made', async t => {
  const budget = (): SizeBudget => new SizeBudget(100)
  t.throws(() => fill('x'.repeat(101), 'data', budget()), { code: 'VALIDATION_ERROR' })
  t.throws(
    () =>
      fill(
        Array.from({ length: 20 }, () => '{{ item }}'),
        'data',
        budget()
      ),
    { code: 'VALIDATION_ERROR' }
  )
  t.throws(() => fill('{{ item }}'.repeat(20), 'data', budget()), { code: 'VALIDATION_ERROR' })
  t.throws(
    () =>
      fill(
        Array.from({ length: 101 }, () => null),
        'data',
        budget()
      ),
    { code: 'VALIDATION_ERROR' }
  )
  t.same(fill('{{ item }}', 'data', budget()), variables.results.get('item'))
  t.ok(jsonChars(variables.input, BUDGET) >= JSON.stringify(variables.input).length)
  t.ok(jsonChars(variables.input, BUDGET) < 2 * JSON.stringify(variables.input).length)
  const cyclic: unknown[] = []
  cyclic.push(cyclic)
  t.throws(() => jsonChars(cyclic, BUDGET), { code: 'VALIDATION_ERROR', message: /nested deeper/ })
})

t.test('conditions', async t => {
  const test = (ref: string, operator: Condition['operator'], value?: unknown): boolean =>
    compileCondition({ ref, operator, value }, 'value', BUDGET)(variables)
  const table: ReadonlyArray<
    readonly [ref: string, operator: Condition['operator'], value: unknown, expected: boolean]
  > = [
    ['input.n', 'eq', 5, true],
    ['input.n', 'eq', '5', false],
    ['input.n', 'eq', '{{ input.n }}', true],
    ['input.n', 'neq', 5, false],
    ['input.n', 'neq', '5', true],
    ['none', 'eq', null, true],
    ['input.nope', 'eq', null, false],
    ['input.deep', 'eq', '{{ input.deep }}', true],
    ['input.deep', 'eq', { a: { b: 'c' } }, false],
    ['input.n', 'gt', 4, true],
    ['input.n', 'gt', 5, false],
    ['input.n', 'gte', 5, true],
    ['input.n', 'lt', 5, false],
    ['input.n', 'lt', 6, true],
    ['input.n', 'lte', 5, true],
    ['input.n', 'gt', '4', true],
    ['input.name', 'gt', 'Amy', true],
    ['input.name', 'lt', 'Amy', false],
    ['input.nope', 'gt', 0, false],
    ['input.nope', 'lte', 0, false],
    ['input.list', 'gt', 0, false],
    ['input.deep', 'lt', 'x', false],
    ['input.n', 'gt', { a: 1 }, false],
    ['input.zero', 'exists', undefined, true],
    ['input.no', 'exists', undefined, true],
    ['input.nothing', 'exists', undefined, false],
    ['input.nope', 'exists', undefined, false],
    ['input.constructor', 'exists', undefined, false],
    ['input.nothing', 'not_exists', undefined, true],
    ['input.nope', 'not_exists', undefined, true],
    ['input.n', 'not_exists', undefined, false]
  ]
  for (const [ref, operator, value, expected] of table) {
    t.equal(test(ref, operator, value), expected, `${ref} ${operator} ${JSON.stringify(value)}`)
  }
})

t.test('aggregates', async t => {
  const items = [{ n: 4 }, { n: -2 }, { n: '9' }, { m: 1 }, null, 7, { n: 1 }, Object.create({ n: 100 })]
  t.same(aggregates.map(op => aggregate(items, op, 'n')), [3, 3 / 8, -2, 4, 8])
  const fractions = [0.1, 1e17, 0.2, -1e17].map(n => ({ n }))
  t.equal(aggregate(fractions, 'sum', 'n'), 0.30000000000000004, 'exact, and rounded once')
  t.same(aggregates.map(op => aggregate([], op, 'n')), [0, 0, 0, 0, 0])
  t.same(aggregates.map(op => aggregate([{ n: 'x' }], op, 'n')), [0, 0, 0, 0, 1])
  t.equal(
    aggregate(
      Array.from({ length: 300_000 }, (_, n) => ({ n })),
      'max',
      'n'
    ),
    299_999,
    'however many there are'
  )
})

t.test('transformations', async t => {
  const items = [{ id: 'a', n: 1 }, { id: 'b', n: 2 }, 5, null, [1]]
  const table: ReadonlyArray<
    readonly [source: unknown, operation: Transformation, args: unknown, expected: unknown]
  > = [
    [items, 'pluck', 'id', ['a', 'b', null, null, null]],
    [items, 'pluck', 'constructor', [null, null, null, null, null]],
    [items, 'filter', { n: 2 }, [{ id: 'b', n: 2 }]],
    [items, 'filter', { n: '2' }, []],
    [items, 'filter', { n: 2, id: 'a' }, []],
    [
      items,
      'filter',
      {},
      [
        { id: 'a', n: 1 },
        { id: 'b', n: 2 }
      ]
    ],
    [items, 'map', { n: 9, x: 1 }, [{ id: 'a', n: 9, x: 1 }, { id: 'b', n: 9, x: 1 }, 5, null, [1]]],
    [{ a: 1, b: 2 }, 'pick', ['b', 'c', 'toString'], { b: 2 }]
  ]
  for (const [source, operation, args, expected] of table) {
    const before = structuredClone(source)
    t.strictSame(
      transform(source, operation, args, new SizeBudget(BUDGET)),
      expected,
      `${operation} ${JSON.stringify(args)}`
    )
    t.same(source, before, 'the source is what it was')
  }
  const wrong: ReadonlyArray<readonly [source: unknown, operation: Transformation, args: unknown]> = [
    ...[undefined, null, 5, 'x', {}].flatMap(source =>
      (['pluck', 'filter', 'map'] as const).map(
        operation => [source, operation, operation === 'pluck' ? 'a' : {}] as const
      )
    ),
    ...[undefined, null, 5, 'x', []].map(source => [source, 'pick', ['a']] as const),
    ...[undefined, null, 5, 'x', []].flatMap(args =>
      (['filter', 'map'] as const).map(operation => [items, operation, args] as const)
    )
  ]
  for (const [source, operation, args] of wrong) {
    t.throws(
      () => transform(source, operation, args, new SizeBudget(BUDGET)),
      { code: 'VALIDATION_ERROR' },
  `${operation} of ${JSON.stringify(source)} by ${JSON.stringify(args)}`
    )
  }
})

t.test('a transformation of too much is refused before it is begun', async t => {
  const many = Array.from({ length: 20_000 }, () => ({}))
  const members = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`m${i}`, 1]))
  for (const operation of ['filter', 'map'] as const) {
    t.throws(() => transform(many, operation, members, new SizeBudget(1e9)), {
      code: 'VALIDATION_ERROR',
      message: /too many items/
    })
  }
  t.throws(() => transform(many, 'map', { a: 'x'.repeat(100) }, new SizeBudget(1_000_000)), {
    code: 'VALIDATION_ERROR',
    message: /more than 1000000/
  })
})

t.test('input', async t => {
  const declared: Readonly<Record<string, InputField>> = {
    s: { type: 'string' },
    n: { type: 'number', required: false },
    b: { type: 'boolean', default: true },
    o: { type: 'object', required: true, default: { a: 1 } },
    l: { type: 'array', required: false, default: null }
  }
  t.strictSame(checkInput(declared, { s: 'x' }), { s: 'x', b: true, o: { a: 1 }, l: null })
  t.strictSame(checkInput(declared, { s: '', n: null, b: null, o: {}, l: [], more: { of: 'it' } }), {
    s: '',
    n: null,
    b: true,
    o: {},
    l: [],
    more: { of: 'it' }
  })
  t.strictSame(checkInput(undefined, { any: 'thing' }), { any: 'thing' })
  const table: ReadonlyArray<readonly [input: Readonly<Record<string, unknown>>, issues: readonly string[]]> =
    [
      [{}, ['input.s: is required']],
      [{ s: null }, ['input.s: is required']],
      [
        { s: 5, n: '5', b: 0, o: [], l: {} },
        [
          'input.s: must be of type string',
          'input.n: must be of type number',
          'input.b: must be of type boolean',
          'input.o: must be of type object',
          'input.l: must be of type array'
        ]
      ]
    ]
  for (const [input, issues] of table) {
    t.throws(() => checkInput(declared, input), { code: 'VALIDATION_ERROR', details: { issues } })
  }
  const named = checkInput(
    {
      constructor: { type: 'string', required: false },
      toString: { type: 'string', required: false }
    } as Readonly<Record<string, InputField>>,
    {}
  )
  t.strictSame(named, {}, 'what every object inherits is not given')
  const hundreds = Object.fromEntries(
    Array.from({ length: 300 }, (_, i) => [`f${i}`, { type: 'string' } as const])
  )
  try {
    checkInput(hundreds, {})
    t.fail('accepted')
  } catch (error) {
    t.equal((error as { details: { issues: unknown[] } }).details.issues.length, 100)
  }
})

t.test('[G-G2] a deadline gives up what takes too long, and leaves no timer', async t => {
  const clock = new FakeClock()
  const deadline = new Deadline(100, clock)
  t.equal(await deadline.race(Promise.resolve(5)), 5)
  const waiting = deadline.race(new Promise(() => {}))
  clock.turn(99)
  deadline.check()
  clock.turn(1)
  await t.rejects(waiting, {
    code: 'INTERNAL_ERROR',
    message: 'The procedure took longer than 100 ms and was stopped'
  })
  t.throws(() => { deadline.check() }, { code: 'INTERNAL_ERROR' })
  const late = deadline.race(new Promise(() => {}), error => new Error('late', { cause: error }))
  clock.turn(0)
  await t.rejects(late, { message: 'late', cause: { code: 'INTERNAL_ERROR' } })
  await t.rejects(new Deadline(100, clock).race(Promise.reject(new Error('its own'))), { message: 'its own' })
  t.equal(clock.pending, 0)
})
