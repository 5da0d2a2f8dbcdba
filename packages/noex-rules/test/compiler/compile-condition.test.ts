import t from 'tap'
import { compileConditions } from '../../src/compiler/compile-condition.js'
import type { Condition, ConditionSource } from '../../src/condition.js'
import { scopeOf } from '../support/scope-fixture.js'

const scope = scopeOf({
  data: {
    id: 7,
    key: 'user:7',
    star: '*',
    fact: {
      key: 'k', value: 3
    },
    timerName: 't',
    list: ['a'],
    none: null,
    pattern: '^u'
  },
  facts: { 'user:7': 'first', 'user:8': 'second', 'user:7:tier': 'gold', 'user:*': 'star', none: null },
  lookups: { customer: { tier: 'gold', deep: { x: 1 } }, plain: 5 },
  variables: { item: { sku: 'x', n: { m: 1 } }, count: 2 }
})

t.test('the source of a condition', async t => {
  const table: ReadonlyArray<readonly [source: ConditionSource, value: unknown]> = [
    [{ type: 'event', field: 'id' }, 7],
    [{ type: 'event', field: 'fact.value' }, 3],
    [{ type: 'event', field: 'timerName' }, 't'],
    [{ type: 'event', field: 'list.0' }, 'a'],
    [{ type: 'event', field: 'list.length' }, 1],
    [{ type: 'event', field: 'none' }, null],
    [{ type: 'event', field: 'missing.x' }, undefined],
    [{ type: 'event', field: 'constructor' }, undefined],
    [{ type: 'event', field: '__proto__' }, undefined],
    [{ type: 'fact', pattern: 'user:8' }, 'second'],
    [{ type: 'fact', pattern: 'user:9' }, undefined],
    [{ type: 'fact', pattern: 'none' }, null],
    [{ type: 'fact', pattern: '*:*' }, 'first'],
    [{ type: 'fact', pattern: '*:8' }, 'second'],
    [{ type: 'fact', pattern: 'user:*:tier' }, 'gold'],
    [{ type: 'fact', pattern: 'other:*' }, undefined],
    [{ type: 'fact', pattern: 'user:${event.id}' }, 'first'],
    [{ type: 'fact', pattern: '${event.key}' }, 'first'],
    [{ type: 'fact', pattern: '${event.key}:*' }, 'gold'],
    [{ type: 'fact', pattern: 'user:${event.star}' }, 'star'],
    [{ type: 'fact', pattern: '${event.star}' }, undefined],
    [{ type: 'fact', pattern: '*:${event.missing}' }, undefined],
    [{ type: 'fact', pattern: '${event.missing}' }, undefined],
    [{ type: 'context', key: 'count' }, 2],
    [{ type: 'context', key: 'item.n.m' }, 1],
    [{ type: 'context', key: 'missing' }, undefined],
    [{ type: 'lookup', name: 'plain' }, 5],
    [{ type: 'lookup', name: 'customer', field: 'deep.x' }, 1],
    [{ type: 'lookup', name: 'missing', field: 'x' }, undefined]
  ]
  for (const [source, value] of table) {
    t.test(`${JSON.stringify(source)} is ${JSON.stringify(value)}`, async t => {
      const isExpected = compileConditions([{ source, operator: 'eq', value: { ref: 'var.expected' } }])
      t.equal(isExpected({ ...scope, variables: new Map([...scope.variables, ['expected', value]]) }), true)
      t.equal(
        isExpected({ ...scope, variables: new Map([...scope.variables, ['expected', 'another']]) }), false
      )
    })
  }

  t.test('finds a fact without wildcards by its key, and takes the first of those that match', async t => {
    let taken = 0
    const facts = {
      get: () => undefined,
      * matching () {
        for (const value of [1, 2]) {
          taken++
          yield { key: `a:${value}`, value, timestamp: 0, source: 'api' as const, version: 1 }
        }
      }
    }
    const holds = (pattern: string) =>
      compileConditions([{ source: { type: 'fact', pattern }, operator: 'eq', value: 1 }])({
        ...scope, facts
      })
    t.equal(holds('a:1'), false)
    t.equal(taken, 0)
    t.equal(holds('a:*'), true)
    t.equal(taken, 1)
  })

  t.test('fails when what is interpolated makes no pattern', async t => {
    const holds = compileConditions([
      { source: { type: 'fact', pattern: '*:${event.x}' }, operator: 'not_exists' }
    ])
    t.throws(() => holds(scopeOf({ data: { x: ':'.repeat(50) } })), { name: 'ResolutionError' })
  })
})

t.test('a condition', async t => {
  const event = (operator: Condition['operator'], field: string, value?: unknown): Condition =>
    ({ source: { type: 'event', field }, operator, value })

  t.test('compares with a literal or with what it refers to', async t => {
    t.equal(compileConditions([event('eq', 'id', 7)])(scope), true)
    t.equal(compileConditions([event('gt', 'id', { ref: 'fact.missing' })])(scope), false)
    t.equal(compileConditions([event('lt', 'fact.value', { ref: 'event.id' })])(scope), true)
    t.equal(compileConditions([event('in', 'id', [1, { ref: 'event.id' }])])(scope), true)
    t.equal(compileConditions([event('eq', 'fact.value', { ref: 'var.item.n.m' })])(scope), false)
    t.equal(compileConditions([event('eq', 'id', '${event.id}')])(scope), false, 'and does not interpolate')
  })

  t.test('matches an expression, also one that it refers to', async t => {
    t.equal(compileConditions([event('matches', 'key', '^user:\\d$')])(scope), true)
    t.equal(compileConditions([event('matches', 'key', { ref: 'event.pattern' })])(scope), true)
    t.equal(compileConditions([event('matches', 'id', '7')])(scope), false)
    t.equal(compileConditions([event('matches', 'key', '(')])(scope), false)
    t.equal(compileConditions([event('matches', 'key', 7)])(scope), false)
  })

  t.test('exists without a value', async t => {
    t.equal(compileConditions([event('exists', 'id'), event('not_exists', 'none')])(scope), true)
  })

  t.test('does not read the rule again', async t => {
    const condition = event('in', 'id', [7])
    const holds = compileConditions([condition])
    condition.operator = 'not_in'
    condition.value = [];
    (condition.source as { field: string }).field = 'none'
    t.equal(holds(scope), true)
  })

  t.test('is refused when it refers to nothing', async t => {
    t.throws(
      () => compileConditions([event('eq', 'id', { ref: 'nothing.x' })]), { name: 'ReferencePathError' }
    )
    t.throws(
      () => compileConditions([{ source: { type: 'fact', pattern: '*'.repeat(20) }, operator: 'exists' }]),
      { name: 'PatternError' }
    )
  })
})

t.test('conditions', async t => {
  const holding: Condition = { source: { type: 'event', field: 'id' }, operator: 'exists' }
  const failing: Condition = { source: { type: 'event', field: 'id' }, operator: 'not_exists' }

  t.test('hold when all hold, and when there are none', async t => {
    t.equal(compileConditions([])(scope), true)
    t.equal(compileConditions([holding, holding])(scope), true)
    t.equal(compileConditions([holding, failing])(scope), false)
    t.equal(compileConditions([failing, holding])(scope), false)
  })

  t.test('are looked at in order, up to the first that does not hold', async t => {
    const read: string[] = []
    const data = new Proxy({ id: 7, x: 1 }, {
      get: (target, name) => { read.push(String(name)); return Reflect.get(target, name) }
    })
    const x: Condition = { source: { type: 'event', field: 'x' }, operator: 'exists' }
    t.equal(compileConditions([holding, failing, x])({ ...scope, data }), false)
    t.same(read, ['id', 'id'])
  })
})
