import { Type } from 'typebox'
import { NoexServerError, NothingNamedError } from '../protocol/errors.js'
import { Count, JsonObject, Name } from '../protocol/fields.js'
import type { EngineCalls } from '../rules/engine-calls.js'
import type { RuleSummary } from '../rules/rule-engine.js'
import { defineOperation, memberIn, namedTopic, type Operation, type ResourcesOf } from './operation.js'
import { done, named, nullable, RuleIssues, Time } from './outputs.js'
import { allTopics, onEngine, reading } from './rules.js'

const RuleId = Type.Object({ ruleId: Name })

/** The id of the rule in an answer. */
const ruled = { ruleId: Type.String() }

const ruleOf = namedTopic(request => request['ruleId'])
const givenRule = namedTopic(request => memberIn(request['rule'], 'id'))

/** Adds the right to all topics: the author of a rule decides which events, facts and services it uses. */
function withAllTopics (resources: ResourcesOf): ResourcesOf {
  return (request, self) => [...resources(request, self), ...allTopics(request, self)]
}

/** The operations of the `rules` namespace that administer rules. PROTOCOL.md, "Administration of rules". */
export const rulesAdmin: readonly Operation[] = [
  defineOperation({
    name: 'rules.registerRule',
    tier: 'admin',
    takesKey: true,
    request: Type.Object({ rule: JsonObject }),
    resources: withAllTopics(givenRule),
    output: Type.Object({
      id: Type.String(), ...named, version: Count, createdAt: Time, updatedAt: Time
    }),
    errors: ['RULES_NOT_AVAILABLE', 'ALREADY_EXISTS', 'RATE_LIMITED'],
    run: onEngine(async (calls, { rule }) => {
      const id = rule['id']
      if (typeof id === 'string' && await hasRule(calls, id)) {
        throw new NoexServerError('ALREADY_EXISTS', `Rule "${id}" already exists`)
      }
      const registered = await calls.call('registerRule', { ...ruleDefaults, ...rule } as never)
      const { name, version, createdAt, updatedAt } = registered
      return { id: registered.id, name, version, createdAt, updatedAt }
    })
  }),
  defineOperation({
    name: 'rules.unregisterRule',
    tier: 'admin',
    takesKey: true,
    request: RuleId,
    resources: ruleOf,
    output: done('unregistered', ruled),
    errors: ['RULES_NOT_AVAILABLE', 'NOT_FOUND'],
    run: onEngine(async (calls, { ruleId }) => {
      requireRule(ruleId, await calls.call('unregisterRule', ruleId))
      return { ruleId, unregistered: true }
    })
  }),
  defineOperation({
    name: 'rules.updateRule',
    tier: 'admin',
    takesKey: true,
    request: Type.Object({ ruleId: Name, updates: JsonObject }),
    resources: withAllTopics(ruleOf),
    output: Type.Object({ id: Type.String(), version: Count, updatedAt: Time }),
    errors: ['RULES_NOT_AVAILABLE', 'NOT_FOUND'],
    run: onEngine(async (calls, { ruleId, updates }) => {
      requireRule(ruleId, await hasRule(calls, ruleId))
      const { id, version, updatedAt } = await calls.call('updateRule', ruleId, updates as never)
      return { id, version, updatedAt }
    })
  }),
  defineOperation({
    name: 'rules.enableRule',
    tier: 'admin',
    takesKey: true,
    request: RuleId,
    resources: ruleOf,
    output: done('enabled', ruled),
    errors: ['RULES_NOT_AVAILABLE', 'NOT_FOUND'],
    run: onEngine(async (calls, { ruleId }) => {
      requireRule(ruleId, await calls.call('enableRule', ruleId))
      return { ruleId, enabled: true }
    })
  }),
  defineOperation({
    name: 'rules.disableRule',
    tier: 'admin',
    takesKey: true,
    request: RuleId,
    resources: ruleOf,
    output: Type.Object({ ...ruled, enabled: Type.Literal(false) }),
    errors: ['RULES_NOT_AVAILABLE', 'NOT_FOUND'],
    run: onEngine(async (calls, { ruleId }) => {
      requireRule(ruleId, await calls.call('disableRule', ruleId))
      return { ruleId, enabled: false }
    })
  }),
  defineOperation({
    name: 'rules.getRule',
    tier: 'admin',
    request: RuleId,
    resources: ruleOf,
    output: JsonObject,
    errors: ['RULES_NOT_AVAILABLE', 'NOT_FOUND'],
    run: reading(async (calls, { ruleId }) => {
      const rule = await calls.call('getRule', ruleId)
      requireRule(ruleId, rule !== undefined && rule !== null)
      return rule
    })
  }),
  defineOperation({
    name: 'rules.getRules',
    tier: 'admin',
    request: Type.Object({}),
    resources: allTopics,
    output: Type.Object({
      rules: Type.Array(Type.Object({
        id: Type.String(),
        ...named,
        enabled: Type.Boolean(),
        priority: Type.Number(),
        version: Count,
        tags: Type.Array(Type.String()),
        group: Type.Optional(nullable(Type.String()))
      }))
    }),
    errors: ['RULES_NOT_AVAILABLE'],
    run: reading(async calls => ({ rules: (await calls.call('getRules')).map(summaryOf) }))
  }),
  defineOperation({
    name: 'rules.validateRule',
    tier: 'admin',
    request: Type.Object({ rule: JsonObject }),
    resources: givenRule,
    output: Type.Object({ valid: Type.Boolean(), errors: RuleIssues, warnings: RuleIssues }),
    errors: ['RULES_NOT_AVAILABLE'],
    run: reading(async (calls, { rule }) => await calls.call('validateRule', rule))
  })
]

/** Members that the engine's validation does not require and its evaluation needs. */
const ruleDefaults = { enabled: true, priority: 0, tags: [], conditions: [], actions: [] }

async function hasRule (calls: EngineCalls, id: string): Promise<boolean> {
  const rule = await calls.call('getRule', id)
  return rule !== undefined && rule !== null
}

function requireRule (ruleId: string, isThere: boolean): void {
  if (!isThere) throw new NothingNamedError('rule', ruleId)
}

function summaryOf ({ id, name, enabled, priority, version, tags, group }: RuleSummary): object {
  return { id, name, enabled, priority, version, tags, group }
}
