import fc from 'fast-check'
import t from 'tap'
import { RuleInputValidator } from '../../src/validation/rule-input-validator.js'
import { bestCpuTime, slowness } from '../support/cpu-time.js'
import { minimal, nest, pathsOf, validateWith } from '../support/rule-fixture.js'

/** A tenth in a run that is not thorough, as in `sampled` of the tests of the plugin. */
const RUNS = process.env['THOROUGH'] === '1' ? 2_000 : 200

const validator = new RuleInputValidator()

t.test('a validator tells of what is hostile, and does not throw', async t => {
  const throwing = { get a () { throw new Error('no') } }
  const cycle: Record<string, unknown> = {}
  cycle['self'] = cycle
  const { proxy: revoked, revoke } = Proxy.revocable({}, {})
  revoke()
  const traps = new Proxy({}, new Proxy({}, { get () { return () => { throw new Error('no') } } }))

  t.same(pathsOf(validator.validate(revoked)), ['(root)'])
  t.same(pathsOf(validator.validate(traps)), ['(root)'])
  t.same(pathsOf(validator.validate({ get id () { throw new Error('no') } })), ['id'])
  // eslint-disable-next-line no-throw-literal
  t.same(pathsOf(validator.validate({ ...minimal, get actions () { throw null } })), ['actions'])
  const values: ReadonlyArray<readonly [title: string, value: unknown, path: string]> = [
    ['a getter that throws', throwing, '.a'],
    ['a cycle', cycle, '.self'],
    ['a revoked proxy', revoked, ''],
    ['a proxy that throws', { deep: traps }, '.deep'],
    ['101 levels', nest(101, 1, inner => [inner]), '[0]'.repeat(16)],
    ['100 000 levels', nest(100_000, 1, inner => ({ a: inner })), '.a'.repeat(16)],
    ['a function', { f () {} }, '.f'],
    ['a symbol', [Symbol('a')], '[0]'],
    ['a big integer', { n: 1n }, '.n'],
    ['a hole', Object.assign([], { 1: 1 }), '[0]'],
    ['an instance', new URL('http://a'), ''],
    ['a number that is none', [NaN], '[0]']
  ]
  for (const [title, value, path] of values) {
    const { errors } = validateWith({ actions: [{ type: 'set_fact', key: 'k', value }] })
    t.ok(
      errors.some(error => error.path === `actions[0].value${path}`),
      `of ${title}, at ${path}: ${errors.map(error => error.path).join(' ').slice(0, 100)}`
    )
  }
})

t.test('a validator refuses a rule of more than 64 KB', async t => {
  const sized = (size: number) => ({ actions: [{ type: 'set_fact', key: 'k', value: 'x'.repeat(size) }] })
  t.equal(validateWith(sized(65_000)).valid, true)
  t.same(pathsOf(validateWith(sized(66_000))), ['(root)'])
  t.same(pathsOf(validateWith({ conditions: Array(20_000).fill(1) })), ['(root)'])
  t.same(
    pathsOf(validateWith({ conditions: Object.assign([], { length: 2 ** 32 - 1 }) })).length,
    100,
    'and stops early'
  )

  const doubled = nest(60, 1, inner => [inner, inner])
  t.same(
    pathsOf(validateWith({ actions: [{ type: 'set_fact', key: 'k', value: doubled }] })),
    ['(root)'],
    'also one that is small in memory'
  )
  const time = bestCpuTime(() => { validateWith({ conditions: Array(1_000_000).fill([]) }) })
  t.ok(time < 100 * slowness(), `and takes ${time} ms`)
})

t.test('a validator collects at most 100 issues', async t => {
  const { errors, warnings, valid } = validateWith({ conditions: Array(200).fill({}), priority: 1.5 })
  t.equal(errors.length + warnings.length, 100)
  t.equal(valid, false)
  const conditional = {
    type: 'conditional',
    conditions: [
      { source: { type: 'event', field: 'x' }, operator: 'in', value: 1 }
    ],
    then: [{ type: 'delete_fact', key: 'k' }]
  }
  t.match(validateWith({ actions: Array(120).fill(conditional) }), { valid: true, warnings: { length: 100 } })
})

t.test('a validator hands back what it has looked at', async t => {
  let reads = 0
  const shifting = { ...minimal, get priority () { return reads++ === 0 ? 5 : 'high' }, other: 1 }
  const { result, input } = validator.inspect(shifting)
  t.equal(result.valid, true)
  t.strictSame(input, { ...minimal, priority: 5 })
  t.ok(Object.isFrozen(input) && Object.isFrozen(input?.trigger))
  t.equal(validator.inspect({ ...minimal, id: '' }).input, undefined)
})

t.test('a validator of many', async t => {
  t.same(validator.validateMany([]), { valid: true, errors: [], warnings: [], results: [] })
  const { valid, results } = validator.validateMany([
    minimal, { ...minimal, id: '' }, { ...minimal, id: 's' }, minimal, null
  ])
  t.equal(valid, false)
  t.same(results.map(pathsOf), [[], ['id'], [], ['id'], ['(root)']])
  t.same(results.map(result => result.valid), [true, false, true, false, false])
  const inputs = [{ ...minimal, actions: [] }, { ...minimal, id: 's', trigger: {} }, minimal, null]
  t.match(validator.validateMany(inputs), {
    valid: false,
    errors: [{ path: '[1].trigger.type', severity: 'error' }, { path: '[2].id' }, { path: '[3]' }],
    warnings: [{ path: '[0].actions', severity: 'warning' }]
  })
  t.equal(validator.validateMany([minimal, { ...minimal, id: 's' }]).valid, true)

  const { proxy: revoked, revoke } = Proxy.revocable([], {})
  revoke()
  const endless = Object.assign([minimal], { * [Symbol.iterator] () { for (;;) yield minimal } })
  t.equal(validator.validateMany(endless).results.length, 1)
  for (const value of [
    undefined, null, 1, 'rules', {}, minimal, new Set([minimal]), revoked, Array(1001).fill(minimal)
  ]) {
    const refused = validator.validateMany(value)
    t.equal(refused.valid, false)
    t.same(refused.results.map(pathsOf), [['(root)']])
  }
})

t.test('a validator does not throw, for any input', async t => {
  const word = fc.constantFrom(
    'id', 'name', 'type', 'trigger', 'event', 'fact', 'timer', 'temporal', 'topic', 'pattern',
    'conditions', 'actions', 'lookups', 'source', 'operator', 'value', 'ref', 'event.x', 'matches', 'in',
    '(a+)+$', 'conditional', 'for_each', 'try_catch', 'set_timer', 'then', 'else', 'try', 'catch',
    'finally', 'as', 'collection', 'sequence', 'events', 'within', 'filter', '__proto__', 'constructor',
    'toString', 'length', '${', '}', '${fact.${x}}', '*', '**', '5m'
  )
  const garbage = fc.letrec(tie => ({
    node: fc.oneof(
      { maxDepth: 6 }, word, fc.anything({
        withBigInt: true, withDate: true, withMap: true, withSparseArray: true, withNullPrototype: true
      }), tie('list'), tie('object')
    ),
    list: fc.array(tie('node'), { maxLength: 4 }),
    object: fc.dictionary(fc.oneof(word, fc.string()), tie('node'), { maxKeys: 6 })
  })).node

  t.test('of garbage', async t => {
    t.doesNotThrow(
      () => fc.assert(fc.property(garbage, input => isResult(validator.validate(input))), { numRuns: RUNS })
    )
  })

  t.test('of a rule with garbage in it', async t => {
    const members = fc.record({
      trigger: fc.oneof(
        fc.constant(minimal.trigger), garbage
      ),
      conditions: garbage,
      actions: garbage,
      lookups: garbage,
      tags: garbage,
      priority: garbage
    }, { requiredKeys: [] })
    t.doesNotThrow(
      () => fc.assert(fc.property(members, given => isResult(validateWith(given))), { numRuns: RUNS })
    )
  })

  t.test('of a valid rule in which one thing is replaced', async t => {
    const action = {
      type: 'try_catch',
      try: [
        { type: 'set_timer', timer: { name: 't', duration: '5m', onExpire: { topic: 'x', data: {} } } }
      ],
      finally: [{ type: 'log', level: 'info', message: 'm' }]
    }
    const text = JSON.stringify({
      ...minimal,
      conditions: [
        { source: { type: 'event', field: 'x' }, operator: 'matches', value: 'a' }
      ],
      actions: [action]
    })
    const places = text.match(/"[^"]*"(?=[,}\]])/g)!.length
    const replaced = fc.property(fc.nat(places - 1), garbage, (place, value) => {
      let index = 0
      const input: unknown = JSON.parse(
        text, (_, member: unknown) => typeof member === 'string' && index++ === place ? value : member
      )
      return isResult(validator.validate(input))
    })
    t.doesNotThrow(() => fc.assert(replaced, { numRuns: RUNS }))
  })
})

function isResult ({ valid, errors, warnings }: ReturnType<RuleInputValidator['validate']>): boolean {
  return valid === (errors.length === 0) && errors.length + warnings.length <= 100 &&
    [...errors, ...warnings].every(({ path, message }) => path !== '' && message !== '')
}
