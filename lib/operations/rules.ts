import { Type } from 'typebox'
import { noRuleEngine } from '../protocol/refusals.js'
import { EncodedJson } from '../protocol/encode.js'
import { JsonObject, MaybeObject, Name } from '../protocol/fields.js'
import { queryFacts } from '../rules/facts.js'
import type { EngineCalls } from '../rules/engine-calls.js'
import { encodeEvent } from '../rules/rule-engine.js'
import type { RuleService } from '../subscriptions/rule-service.js'
import { MAX_PATTERN_LENGTH } from '../rules/topic-pattern.js'
import type { OperationContext, ServerContext } from './context.js'
import { defineOperation, namedTopic, type Operation } from './operation.js'
import { done, Fact, RuleEvent } from './outputs.js'
import { unsubscribe } from './store-subscribe.js'

/** A topic, a key, or a pattern of either. */
const RuleName = Type.String({ minLength: 1, maxLength: MAX_PATTERN_LENGTH })
const MaybeName = Type.Optional(Type.Union([Type.Null(), RuleName]))

const factOf = namedTopic(request => request['key'])

/** Names all topics. */
export const allTopics = namedTopic(() => '*')

const patternOf = namedTopic(request => request['pattern'])

/** The operations of the `rules` namespace that concern events and facts. PROTOCOL.md, "Events and facts". */
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
    output: RuleEvent,
    errors: ['RULES_NOT_AVAILABLE', 'RATE_LIMITED'],
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
    output: Fact,
    errors: ['RULES_NOT_AVAILABLE', 'RATE_LIMITED'],
    run: onEngine(async (calls, { key, value }) => await calls.call('setFact', key, value))
  }),
  defineOperation({
    name: 'rules.getFact',
    tier: 'read',
    request: Type.Object({ key: RuleName }),
    resources: factOf,
    output: Type.Unknown(),
    errors: ['RULES_NOT_AVAILABLE'],
    run: reading(async (calls, { key }) => await calls.call('getFact', key))
  }),
  defineOperation({
    name: 'rules.deleteFact',
    tier: 'write',
    takesKey: true,
    request: Type.Object({ key: RuleName }),
    resources: factOf,
    output: Type.Object({ deleted: Type.Boolean() }),
    errors: ['RULES_NOT_AVAILABLE'],
    run: onEngine(async (calls, { key }) => ({ deleted: await calls.call('deleteFact', key) }))
  }),
  defineOperation({
    name: 'rules.queryFacts',
    tier: 'read',
    request: Type.Object({ pattern: RuleName }),
    resources: patternOf,
    output: Type.Array(Fact),
    errors: ['RULES_NOT_AVAILABLE'],
    run: reading(async (calls, { pattern }) => await queryFacts(calls, pattern))
  }),
  defineOperation({
    name: 'rules.getAllFacts',
    tier: 'read',
    request: Type.Object({}),
    resources: allTopics,
    output: Type.Array(Fact),
    errors: ['RULES_NOT_AVAILABLE'],
    run: reading(async calls => await calls.call('getAllFacts'))
  }),
  defineOperation({
    name: 'rules.subscribe',
    tier: 'read',
    request: Type.Object({ pattern: RuleName }),
    resources: patternOf,
    needsConnection: 'events are pushed',
    guard: client => { client.eventSubscriptions.checkQuota() },
    output: Type.Object({ subscriptionId: Type.String() }),
    errors: ['RULES_NOT_AVAILABLE'],
    run: async ({ server, client }, { pattern }) =>
      client.eventSubscriptions.add(serviceOf(server).channels, pattern)
  }),
  defineOperation({
    name: 'rules.unsubscribe',
    tier: 'read',
    request: Type.Object({ subscriptionId: Name }),
    accessLevel: 'session',
    needsConnection: 'only a connection has subscriptions',
    output: done('unsubscribed'),
    errors: ['RULES_NOT_AVAILABLE', 'NOT_FOUND'],
    run: async ({ client }, { subscriptionId }) => unsubscribe(client.eventSubscriptions, subscriptionId)
  }),
  defineOperation({
    name: 'rules.stats',
    tier: 'read',
    request: Type.Object({}),
    resources: allTopics,
    output: JsonObject,
    errors: ['RULES_NOT_AVAILABLE'],
    run: reading(async calls => await calls.call('getStats'))
  })
]

/** Runs a call on an engine that is not stopped. */
export function onEngine<Request> (work: EngineWork<Request>): Run<Request> {
  return async ({ server }, request) => await work(serviceOf(server).calls, request)
}

/** Runs a read, which a stopped engine answers too. */
export function reading<Request> (work: EngineWork<Request>): Run<Request> {
  return async ({ server }, request) => await work(serviceOf(server).reads, request)
}

type EngineWork<Request> = (calls: EngineCalls, request: Request) => Promise<unknown>
type Run<Request> = (context: OperationContext, request: Request) => Promise<unknown>

function serviceOf ({ rules }: ServerContext): RuleService {
  if (rules === undefined) throw noRuleEngine()
  return rules
}
