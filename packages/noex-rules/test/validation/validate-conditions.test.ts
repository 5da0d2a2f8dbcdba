import t from 'tap'
import { CONDITION_OPERATORS } from '../../src/condition.js'
import { RuleInputValidator } from '../../src/validation/rule-input-validator.js'
import { minimal, nest, pathsOf, validateWith } from '../support/rule-fixture.js'

const source = { type: 'event', field: 'x' }

function pathsWith (...conditions: unknown[]): string[] {
  return pathsOf(validateWith({ conditions, lookups: [{ name: 'a', service: 's', method: 'm' }] }))
}

t.test('each operator is accepted with a value', async t => {
  for (const operator of CONDITION_OPERATORS) {
    const value = operator === 'in' || operator === 'not_in' ? ['a'] : 'a'
    t.same(pathsWith({ source, operator, value }), [])
    const isUnary = operator === 'exists' || operator === 'not_exists'
    t.same(
      pathsWith({ source, operator }),
      isUnary ? [] : ['conditions[0].value'],
      `${operator} ${isUnary ? 'needs none' : 'needs one'}`
    )
  }
})

const sources: ReadonlyArray<readonly [source: unknown, paths: readonly string[]]> = [
  [{ type: 'event', field: 'a.b.0' }, []],
  [{ type: 'fact', pattern: 'user:${event.id}:*' }, []],
  [{ type: 'context', key: 'item.x' }, []],
  [{ type: 'lookup', name: 'a' }, []],
  [{ type: 'lookup', name: 'a', field: 'b.c' }, []],
  [undefined, ['source']],
  [null, ['source']],
  ['event', ['source']],
  [[], ['source']],
  [{}, ['source.type']],
  [{ type: 5 }, ['source.type']],
  [{ type: 'other' }, ['source.type']],
  [{ type: 'toString' }, ['source.type']],
  [{ type: 'baseline', metric: 'm', comparison: 'above' }, ['source.type']],
  [{ type: 'event' }, ['source.field']],
  [{ type: 'event', field: 5 }, ['source.field']],
  [{ type: 'event', field: ' ' }, ['source.field']],
  [{ type: 'event', field: 'x'.repeat(513) }, ['source.field']],
  [{ type: 'fact' }, ['source.pattern']],
  [{ type: 'fact', pattern: '' }, ['source.pattern']],
  [{ type: 'fact', pattern: ['a'] }, ['source.pattern']],
  [{ type: 'fact', pattern: '*'.repeat(9) }, ['source.pattern']],
  [{ type: 'fact', pattern: '${event.id}:' + 'a*'.repeat(9) }, ['source.pattern']],
  [{ type: 'fact', pattern: 'a:${nothing.x}' }, ['source.pattern']],
  [{ type: 'fact', pattern: 'a:${}' }, ['source.pattern']],
  [{ type: 'context' }, ['source.key']],
  [{ type: 'context', key: '' }, ['source.key']],
  [{ type: 'context', key: 1 }, ['source.key']],
  [{ type: 'lookup' }, ['source.name']],
  [{ type: 'lookup', name: 'a.b' }, ['source.name']],
  [{ type: 'lookup', name: 'a', field: 5 }, ['source.field']]
]

t.test('a source', async t => {
  for (const [source, paths] of sources) {
    t.same(
      pathsWith({ source, operator: 'exists' }),
      paths.map(path => `conditions[0].${path}`),
      JSON.stringify(source)?.slice(0, 60) ?? 'none'
    )
  }
})

t.test('a condition has issues', async t => {
  const table: ReadonlyArray<readonly [title: string, condition: unknown, paths: readonly string[]]> = [
    ['when it is no object', 'x > 1', ['conditions[0]']],
    ['when it is null', null, ['conditions[0]']],
    ['when it is empty', {}, ['conditions[0].source', 'conditions[0].operator']],
    ['with an operator that is no string', { source, operator: 5 }, ['conditions[0].operator']],
    ['with an unknown operator', { source, operator: '>', value: 1 }, ['conditions[0].operator']],
    ['with an operator that every object has', {
      source, operator: 'constructor', value: 1
    }, ['conditions[0].operator']],
    ['with a value that refers to nothing', {
      source, operator: 'eq', value: { ref: 'other.x' }
    }, ['conditions[0].value']],
    ['with a value that refers to nothing deep within', {
      source, operator: 'in', value: [1, { ref: '' }]
    }, ['conditions[0].value[1]']],
    ['with a value that is a function', { source, operator: 'eq', value: () => 1 }, ['conditions[0].value']],
    ['with a value of 17 levels', {
      source, operator: 'eq', value: nest(17, 1, inner => ({ a: inner }))
    }, [`conditions[0].value${'.a'.repeat(16)}`]],
    ['that never holds, for in without an array', {
      source, operator: 'in', value: 'a'
    }, ['?conditions[0].value']],
    ['that never holds, for matches without a string', {
      source, operator: 'matches', value: 5
    }, ['?conditions[0].value']],
    ['with a malformed expression', { source, operator: 'matches', value: '(' }, ['conditions[0].value']],
    ['with look-around', { source, operator: 'matches', value: '(?=a)' }, ['conditions[0].value']],
    ['with a back-reference', { source, operator: 'matches', value: '(a)\\1' }, ['conditions[0].value']],
    ['with an expression of 501 characters', {
      source, operator: 'matches', value: 'a'.repeat(501)
    }, ['conditions[0].value']],
    ['with an expression that is too large', {
      source, operator: 'matches', value: '(a{30}){30}'
    }, ['conditions[0].value']]
  ]
  for (const [title, condition, paths] of table) t.same(pathsWith(condition), paths, title)

  t.same(pathsWith({ source, operator: 'eq', value: null }), [], 'and none with a value of null')
  t.same(pathsWith({ source, operator: 'in', value: { ref: 'event.list' } }), [], 'nor with a reference')
  t.same(pathsWith({ source, operator: 'matches', value: { ref: 'event.x' } }), [])
  t.same(
    pathsWith({ source, operator: 'eq', value: nest(16, 1, inner => [inner]) }),
    [],
    'nor with a value of 16 levels'
  )
  t.same(pathsWith({ source, operator: 'exists', value: 5 }), [], 'nor with a value that is not needed')
})

t.test('a rule has at most 256 conditions, those of its actions included', async t => {
  const conditions = (count: number) => Array(count).fill({ source, operator: 'exists' })
  t.same(pathsWith(...conditions(256)), [])
  t.same(pathsWith(...conditions(257)), ['conditions'])
  const actions = [
    { type: 'conditional', conditions: conditions(100), then: [{ type: 'delete_fact', key: 'k' }] }
  ]
  t.same(pathsOf(validateWith({ conditions: conditions(156), actions })), [])
  t.same(pathsOf(validateWith({ conditions: conditions(157), actions })), ['actions[0].conditions'])
})

t.test('a rule has at most 32 expressions', async t => {
  const matching = { source, operator: 'matches', value: '^a+$' }
  t.same(pathsWith(...Array(32).fill(matching)), [])
  t.same(pathsWith(...Array(33).fill(matching)), ['conditions[32].value'])
})

t.test('a validator can refuse every matches', async t => {
  const validator = new RuleInputValidator({ regex: 'off' })
  for (const value of ['a', { ref: 'event.x' }]) {
    t.same(
      pathsOf(validator.validate({ ...minimal, conditions: [{ source, operator: 'matches', value }] })),
      ['conditions[0].operator']
    )
  }
  t.equal(
    validator.validate({ ...minimal, conditions: [{ source, operator: 'contains', value: 'a' }] }).valid, true
  )
})
