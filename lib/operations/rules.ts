import { Type } from 'typebox'
import { NoexServerError, NothingNamedError } from '../protocol/errors.js'
import { noRuleEngine } from '../protocol/refusals.js'
import { EncodedJson } from '../protocol/encode.js'
import { JsonObject, MaybeObject, Name } from '../protocol/fields.js'
import { queryFacts } from '../rules/facts.js'
import type { EngineCalls } from '../rules/engine-calls.js'
import { encodeEvent, type RuleSummary } from '../rules/rule-engine.js'
import type { RuleService } from '../subscriptions/rule-service.js'
import { MAX_PATTERN_LENGTH } from '../rules/topic-pattern.js'
import type { OperationContext, ServerContext } from './context.js'
import {
  defineOperation, memberIn, namedTopic, unsubscribe, type Operation, type ResourcesOf
} from './operation.js'

/** A topic, a key, or a pattern of either. */
const RuleName = Type.String({ minLength: 1, maxLength: MAX_PATTERN_LENGTH })
const MaybeName = Type.Optional(Type.Union([Type.Null(), RuleName]))
const RuleId = Type.Object({ ruleId: Name })

const ruleOf = namedTopic(request => request['ruleId'])
const givenRule = namedTopic(request => memberIn(request['rule'], 'id'))
const factOf = namedTopic(request => request['key'])
const allTopics = namedTopic(() => '*')
const patternOf = namedTopic(request => request['pattern'])

/** Adds the right to all topics: the author of a rule decides which events, facts and services it uses. */
function withAllTopics (resources: ResourcesOf): ResourcesOf {
  return (request, self) => [...resources(request, self), ...allTopics(request, self)]
}

/** The operations of the `rules` namespace. PROTOCOL.md, "Rules". */
export const rules: readonly Operation[] = [
  defineOperation({
    name: 'rules.emit',
    tier: 'write',
    takesKey: true,
    request: Type.Object({
      topic: RuleName,
      data: MaybeObject,
      correlationId: MaybeName,
      causationId: MaybeName
    }),
    resources: namedTopic(request => request['topic']),
    run: onEngine(async (calls, { topic, data, correlationId, causationId }) => {
      const given = data ?? {}
      const event = correlationId === undefined || correlationId === null
        ? await calls.call('emit', topic, given)
        : await calls.call('emitCorrelated', topic, given, correlationId, causationId ?? undefined)
      return new EncodedJson(encodeEvent(event))
    })
  }),
  defineOperation({
    name: 'rules.setFact',
    tier: 'write',
    takesKey: true,
    request: Type.Object({ key: RuleName, value: Type.Unknown() }),
    resources: factOf,
    run: onEngine(async (calls, { key, value }) => await calls.call('setFact', key, value))
  }),
  defineOperation({
    name: 'rules.getFact',
    tier: 'read',
    request: Type.Object({ key: RuleName }),
    resources: factOf,
    run: reading(async (calls, { key }) => await calls.call('getFact', key))
  }),
  defineOperation({
    name: 'rules.deleteFact',
    tier: 'write',
    takesKey: true,
    request: Type.Object({ key: RuleName }),
    resources: factOf,
    run: onEngine(async (calls, { key }) => ({ deleted: await calls.call('deleteFact', key) }))
  }),
  defineOperation({
    name: 'rules.queryFacts',
    tier: 'read',
    request: Type.Object({ pattern: RuleName }),
    resources: patternOf,
    run: reading(async (calls, { pattern }) => await queryFacts(calls, pattern))
  }),
  defineOperation({
    name: 'rules.getAllFacts',
    tier: 'read',
    request: Type.Object({}),
    resources: allTopics,
    run: reading(async calls => await calls.call('getAllFacts'))
  }),
  defineOperation({
    name: 'rules.subscribe',
    tier: 'read',
    request: Type.Object({ pattern: RuleName }),
    resources: patternOf,
    needsConnection: 'events are pushed',
    guard: client => { client.eventSubscriptions.checkQuota() },
    run: async ({ server, client }, { pattern }) =>
      client.eventSubscriptions.add(serviceOf(server).channels, pattern)
  }),
  defineOperation({
    name: 'rules.unsubscribe',
    tier: 'read',
    request: Type.Object({ subscriptionId: Name }),
    accessLevel: 'session',
    needsConnection: 'only a connection has subscriptions',
    run: async ({ client }, { subscriptionId }) => unsubscribe(client.eventSubscriptions, subscriptionId)
  }),
  defineOperation({
    name: 'rules.stats',
    tier: 'read',
    request: Type.Object({}),
    resources: allTopics,
    run: reading(async calls => await calls.call('getStats'))
  }),
  defineOperation({
    name: 'rules.registerRule',
    tier: 'admin',
    takesKey: true,
    request: Type.Object({ rule: JsonObject }),
    resources: withAllTopics(givenRule),
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
    run: reading(async calls => ({ rules: (await calls.call('getRules')).map(summaryOf) }))
  }),
  defineOperation({
    name: 'rules.validateRule',
    tier: 'admin',
    request: Type.Object({ rule: JsonObject }),
    resources: givenRule,
    run: reading(async (calls, { rule }) => await calls.call('validateRule', rule))
  })
]

/** Members that the engine's validation does not require and its evaluation needs. */
const ruleDefaults = { enabled: true, priority: 0, tags: [], conditions: [], actions: [] }

/** Runs a call on an engine that is not stopped. */
function onEngine<Request> (work: EngineWork<Request>): Run<Request> {
  return async ({ server }, request) => await work(serviceOf(server).calls, request)
}

/** Runs a read, which a stopped engine answers too. */
function reading<Request> (work: EngineWork<Request>): Run<Request> {
  return async ({ server }, request) => await work(serviceOf(server).reads, request)
}

type EngineWork<Request> = (calls: EngineCalls, request: Request) => Promise<unknown>
type Run<Request> = (context: OperationContext, request: Request) => Promise<unknown>

async function hasRule (calls: EngineCalls, id: string): Promise<boolean> {
  const rule = await calls.call('getRule', id)
  return rule !== undefined && rule !== null
}

function serviceOf ({ rules }: ServerContext): RuleService {
  if (rules === undefined) throw noRuleEngine()
  return rules
}

function requireRule (ruleId: string, isThere: boolean): void {
  if (!isThere) throw new NothingNamedError('rule', ruleId)
}

function summaryOf ({ id, name, enabled, priority, version, tags, group }: RuleSummary): object {
  return { id, name, enabled, priority, version, tags, group }
}
