import t from 'tap'
import { compileRule } from '../../src/compiler/compile-rule.js'
import type { Rule, RuleInput, RuleTrigger } from '../../src/rule.js'
import { completeRule } from '../../src/validation/complete-rule.js'
import { scopeOf } from '../support/scope-fixture.js'

function ruleOf (input: Partial<RuleInput> = {}): Rule {
  const complete = completeRule({ id: 'r', name: 'R', trigger: { type: 'event', topic: 'a' }, ...input })
  return { ...complete, version: 1, createdAt: 0, updatedAt: 0 }
}

t.test('a compiled rule', async t => {
  t.test('keeps the rule, and runs always and does nothing when it has a trigger alone', async t => {
    const rule = ruleOf()
    const compiled = compileRule(rule)
    t.equal(compiled.rule, rule)
    t.equal(compiled.conditions(scopeOf()), true)
    t.same([compiled.actions, compiled.lookups], [[], []])
  })

  t.test('has the pattern of its trigger', async t => {
    const table: ReadonlyArray<readonly [RuleTrigger, matching: string, other: string]> = [
      [{ type: 'event', topic: 'a.*' }, 'a.b.c', 'a:b'],
      [{ type: 'fact', pattern: 'a:*' }, 'a:b', 'a:b:c'],
      [{ type: 'timer', name: 'a:*' }, 'a:b', 'a.b']
    ]
    for (const [trigger, matching, other] of table) {
      const compiled = compileRule(ruleOf({ trigger })).trigger
      if (compiled.type === 'temporal') {
        t.fail('keeps its type')
        return
      }
      t.equal(compiled.type, trigger.type)
      t.equal(compiled.pattern.matches(matching), true)
      t.equal(compiled.pattern.matches(other), false)
    }
    const temporal = compileRule(ruleOf({
      trigger: {
        type: 'temporal', pattern: { type: 'count', event: { topic: 'a' }, threshold: 1, window: 1 }
      }
    }))
    t.match(temporal.trigger, { type: 'temporal', pattern: { type: 'count' } })
  })

  t.test('has its lookups, with arguments and time to live', async t => {
    const rule = ruleOf({
      lookups: [{
        name: 'a', service: 's', method: 'm', args: [{ ref: 'event.id' }], cache: { ttl: '1m' }
      }, { name: 'b', service: 's', method: 'm' }]
    })
    const [first, second] = compileRule(rule).lookups
    t.equal(first!.lookup, rule.lookups![0])
    t.same(first!.args(scopeOf({ data: { id: 7 } })), [7])
    t.equal(first!.ttlMs, 60_000)
    t.same(second!.args(scopeOf()), [])
    t.equal(second!.ttlMs, undefined)
  })

  t.test('has its conditions and actions', async t => {
    const compiled = compileRule(ruleOf({
      conditions: [{ source: { type: 'event', field: 'x' }, operator: 'gt', value: 1 }],
      actions: [{ type: 'delete_fact', key: 'k' }]
    }))
    t.equal(compiled.conditions(scopeOf({ data: { x: 2 } })), true)
    t.equal(compiled.conditions(scopeOf({ data: { x: 1 } })), false)
    t.match(compiled.actions, [{ type: 'delete_fact' }])
  })

  t.test('is refused for what validation refuses', async t => {
    t.throws(() => compileRule(ruleOf({ trigger: { type: 'event', topic: '*'.repeat(20) } })), {
      name: 'PatternError'
    })
    t.throws(() => compileRule(ruleOf({ actions: [{ type: 'set_fact', key: 'k', value: { ref: 'x' } }] })), {
      name: 'ReferencePathError'
    })
    t.throws(
      () => compileRule(ruleOf({
        lookups: [{ name: 'a', service: 's', method: 'm', cache: { ttl: 'soon' } }]
      })), { name: 'RangeError' }
    )

    const source = { type: 'event', field: 'x' }
    const count = { type: 'count', event: { topic: 'a' }, threshold: 1, window: 1 }
    const unknown: ReadonlyArray<Record<string, unknown>> = [
      { trigger: { type: 'constructor' } },
      { trigger: { type: 'temporal', pattern: { ...count, type: 'other' } } },
      { trigger: { type: 'temporal', pattern: { ...count, comparison: 'gt' } } },
      { conditions: [{ source: { type: 'baseline' }, operator: 'exists' }] },
      { conditions: [{ source, operator: 'constructor' }] },
      { actions: [{ type: 'other' }] }
    ]
    for (const members of unknown) {
      t.throws(() => compileRule(ruleOf(members)), { name: 'TypeError' }, JSON.stringify(members))
    }
  })
})
