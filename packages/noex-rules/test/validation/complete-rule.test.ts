import t from 'tap'
import type { RuleInput } from '../../src/rule.js'
import { completeRule } from '../../src/validation/complete-rule.js'

const minimal: RuleInput = { id: 'r', name: 'R', trigger: { type: 'event', topic: 'a' } }

t.test('completeRule', async t => {
  t.test('fills in what is not given', async t => {
    const completed = { ...minimal, priority: 0, enabled: true, tags: [], conditions: [], actions: [] }
    t.strictSame(completeRule(minimal), completed)
    t.strictSame(completeRule({
      ...minimal,
      description: undefined,
      priority: undefined,
      enabled: undefined,
      tags: undefined,
      group: undefined,
      conditions: undefined,
      actions: undefined,
      lookups: undefined
    }), completed)
  })

  t.test('keeps what is given', async t => {
    const given: RuleInput = {
      ...minimal,
      description: '',
      priority: -1,
      enabled: false,
      tags: ['a'],
      group: 'g',
      conditions: [{ source: { type: 'event', field: 'x' }, operator: 'exists' }],
      actions: [{ type: 'delete_fact', key: 'k' }],
      lookups: [{ name: 'l', service: 's', method: 'm' }]
    }
    t.strictSame(completeRule(given), given)
  })

  t.test('drops members that a rule does not have', async t => {
    const given = { ...minimal, version: 7, createdAt: 1, unknown: () => 1 }
    t.strictSame(Object.keys(completeRule(given)).sort(), [
      'actions', 'conditions', 'enabled', 'id', 'name', 'priority', 'tags', 'trigger'
    ])
  })

  t.test('copies and freezes all the way down', async t => {
    const value = { a: [{ b: 1 }] }
    const given: RuleInput = { ...minimal, tags: ['a'], actions: [{ type: 'set_fact', key: 'k', value }] }
    const rule = completeRule(given)
    value.a[0]!.b = 2
    given.tags!.push('b')
    t.same(rule.actions, [{ type: 'set_fact', key: 'k', value: { a: [{ b: 1 }] } }])
    t.same(rule.tags, ['a'])
    const isDeepFrozen = (part: unknown): boolean => typeof part !== 'object' || part === null ||
      (Object.isFrozen(part) && Object.values(part).every(isDeepFrozen))
    t.ok(isDeepFrozen(rule))
    t.ok(isDeepFrozen(completeRule(minimal)))
  })

  t.test('keeps a member of the name __proto__ as such', async t => {
    const rule = completeRule({
      ...minimal, actions: [{ type: 'set_fact', key: 'k', value: JSON.parse('{"__proto__": {"x": 1}}') }]
    })
    t.equal(JSON.stringify(rule.actions[0]), '{"type":"set_fact","key":"k","value":{"__proto__":{"x":1}}}')
    t.equal(Object.getPrototypeOf((rule.actions[0] as { value: object }).value), Object.prototype)
  })

  t.test('reads no member from a prototype', async t => {
    t.throws(() => completeRule(Object.create(minimal) as RuleInput), { name: 'RuleValidationError' })
    t.equal('lookups' in completeRule(Object.assign(Object.create(null), minimal) as RuleInput), false)
  })

  t.test('refuses what is not JSON', async t => {
    const cycle: unknown[] = []
    cycle.push(cycle)
    for (const value of [() => 1, new Date(), 1n, NaN, cycle]) {
      t.throws(() => completeRule({ ...minimal, actions: [{ type: 'set_fact', key: 'k', value }] }), {
        name: 'RuleValidationError', code: 'RULE_VALIDATION_ERROR', issues: [{ path: /^actions\[0\]\.value/ }]
      })
    }
    for (const value of [undefined, null, 'r', []]) {
      t.throws(() => completeRule(value as unknown as RuleInput), { name: 'RuleValidationError' })
    }
  })
})
