import { Type } from 'typebox'
import type { Grant } from '../access/grant.js'
import { NoexServerError } from '../errors.js'
import { EncodedJson, encodeEvent } from '../protocol/encode.js'
import { JsonObject, MaybeObject, Name } from '../protocol/fields.js'
import { queryFacts } from '../rules/facts.js'
import type { RuleEngine, RuleSummary } from '../rules/rule-engine.js'
import { toRuleError, type RuleService } from '../rules/rule-service.js'
import { MAX_PATTERN_LENGTH } from '../rules/topic-pattern.js'
import { defineOperation, memberIn, touchesTopic, type Operation, type Services, type Touches } from './operation.js'

/** A topic, a key or a pattern of either. */
const RuleName = Type.String({ minLength: 1, maxLength: MAX_PATTERN_LENGTH })
const MaybeName = Type.Optional(Type.Union([Type.Null(), RuleName]))
const RuleId = Type.Object({ ruleId: Name })

const touchesRule = touchesTopic(request => request['ruleId'])
const touchesGivenRule = touchesTopic(request => memberIn(request['rule'], 'id'))
const touchesKey = touchesTopic(request => request['key'])
/** What a rule hears, keeps, sends and calls is up to whoever writes it: that takes the right to all topics, beside that to the rule. */
const touchesWhatRulesReach = (touches: Touches): Touches => (request, self) => [...touches(request, self), ...touchesTopic(() => '*')(request, self)]
const touchesPattern = touchesTopic(request => request['pattern'])

/** The operations of the `rules` namespace. PROTOCOL.md, "Rules". */
export const rules: readonly Operation[] = [
  defineOperation({
    name: 'rules.emit',
    tier: 'write',
    request: Type.Object({ topic: RuleName, data: MaybeObject, correlationId: MaybeName, causationId: MaybeName }),
    touches: touchesTopic(request => request['topic']),
    run: waitingForEngine(async (engine, { topic, data, correlationId, causationId }) => {
      const given = data ?? {}
      const event = correlationId === undefined || correlationId === null
        ? await engine.emit(topic, given)
        : await engine.emitCorrelated(topic, given, correlationId, causationId ?? undefined)
      return new EncodedJson(encodeEvent(event))
    })
  }),
  defineOperation({
    name: 'rules.setFact',
    tier: 'write',
    request: Type.Object({ key: RuleName, value: Type.Unknown() }),
    touches: touchesKey,
    run: waitingForEngine(async (engine, { key, value }) => await engine.setFact(key, value))
  }),
  defineOperation({
    name: 'rules.getFact',
    tier: 'read',
    request: Type.Object({ key: RuleName }),
    touches: touchesKey,
    run: reading(async (engine, { key }) => engine.getFact(key))
  }),
  defineOperation({
    name: 'rules.deleteFact',
    tier: 'write',
    request: Type.Object({ key: RuleName }),
    touches: touchesKey,
    run: onEngine(async (engine, { key }) => ({ deleted: engine.deleteFact(key) }))
  }),
  defineOperation({
    name: 'rules.queryFacts',
    tier: 'read',
    request: Type.Object({ pattern: RuleName }),
    touches: touchesPattern,
    run: reading(async (engine, { pattern }) => queryFacts(engine, pattern))
  }),
  defineOperation({
    name: 'rules.getAllFacts',
    tier: 'read',
    request: Type.Object({}),
    touches: touchesTopic(() => '*'),
    run: reading(async engine => engine.getAllFacts())
  }),
  defineOperation({
    name: 'rules.subscribe',
    tier: 'read',
    request: Type.Object({ pattern: RuleName }),
    touches: touchesPattern,
    guard: client => { client.eventSubscriptions.checkRoom() },
    run: async (services, { pattern }, { client }) => client.eventSubscriptions.add(serviceOf(services).feeds, pattern)
  }),
  defineOperation({
    name: 'rules.unsubscribe',
    tier: 'read',
    request: Type.Object({ subscriptionId: Name }),
    admission: 'session',
    async run (_services, { subscriptionId }, { client }) {
      if (client.eventSubscriptions.remove(subscriptionId)) return { unsubscribed: true }
      throw new NoexServerError('NOT_FOUND', `Subscription "${subscriptionId}" is not one of this connection`)
    }
  }),
  defineOperation({
    name: 'rules.stats',
    tier: 'read',
    request: Type.Object({}),
    touches: touchesTopic(() => '*'),
    run: reading(async engine => engine.getStats())
  }),
  defineOperation({
    name: 'rules.registerRule',
    tier: 'admin',
    request: Type.Object({ rule: JsonObject }),
    touches: touchesWhatRulesReach(touchesGivenRule),
    run: onEngine(async (engine, { rule }) => {
      const id = rule['id']
      if (typeof id === 'string' && engine.getRule(id) !== undefined) throw new NoexServerError('ALREADY_EXISTS', `Rule "${id}" already exists`)
      const { id: registered, name, version, createdAt, updatedAt } = engine.registerRule({ ...ruleDefaults, ...rule } as never)
      return { id: registered, name, version, createdAt, updatedAt }
    })
  }),
  defineOperation({
    name: 'rules.unregisterRule',
    tier: 'admin',
    request: RuleId,
    touches: touchesRule,
    run: onEngine(async (engine, { ruleId }) => {
      ensureThere(ruleId, engine.unregisterRule(ruleId))
      return { ruleId, unregistered: true }
    })
  }),
  defineOperation({
    name: 'rules.updateRule',
    tier: 'admin',
    request: Type.Object({ ruleId: Name, updates: JsonObject }),
    touches: touchesWhatRulesReach(touchesRule),
    run: onEngine(async (engine, { ruleId, updates }) => {
      ensureThere(ruleId, engine.getRule(ruleId) !== undefined)
      const { id, version, updatedAt } = engine.updateRule(ruleId, updates as never)
      return { id, version, updatedAt }
    })
  }),
  defineOperation({
    name: 'rules.enableRule',
    tier: 'admin',
    request: RuleId,
    touches: touchesRule,
    run: onEngine(async (engine, { ruleId }) => {
      ensureThere(ruleId, engine.enableRule(ruleId))
      return { ruleId, enabled: true }
    })
  }),
  defineOperation({
    name: 'rules.disableRule',
    tier: 'admin',
    request: RuleId,
    touches: touchesRule,
    run: onEngine(async (engine, { ruleId }) => {
      ensureThere(ruleId, engine.disableRule(ruleId))
      return { ruleId, enabled: false }
    })
  }),
  defineOperation({
    name: 'rules.getRule',
    tier: 'admin',
    request: RuleId,
    touches: touchesRule,
    run: reading(async (engine, { ruleId }) => {
      const rule = engine.getRule(ruleId)
      ensureThere(ruleId, rule !== undefined)
      return rule
    })
  }),
  defineOperation({
    name: 'rules.getRules',
    tier: 'admin',
    request: Type.Object({}),
    touches: touchesTopic(() => '*'),
    run: reading(async engine => ({ rules: engine.getRules().map(summaryOf) }))
  }),
  defineOperation({
    name: 'rules.validateRule',
    tier: 'admin',
    request: Type.Object({ rule: JsonObject }),
    touches: touchesGivenRule,
    run: reading(async (engine, { rule }) => engine.validateRule(rule))
  })
]

/** What the validation of an engine takes as given and its evaluation needs. */
const ruleDefaults = { enabled: true, priority: 0, tags: [], conditions: [], actions: [] }

/** Runs on the engine and answers for what it throws. */
function onEngine<Request> (work: Work<Request>): Run<Request> {
  return translated((services, request) => work(serviceOf(services).engine, request))
}

/** The same for what only looks, which a stopped engine answers too. */
function reading<Request> (work: Work<Request>): Run<Request> {
  return translated((services, request) => work(serviceOf(services).readable, request))
}

/** The same for what takes as long as the services of the application do that rules call. */
function waitingForEngine<Request> (work: Work<Request>): Run<Request> {
  return translated(async (services, request, { client }) => {
    const { engine } = serviceOf(services)
    return await services.ruleRuns.run('The rule engine', client.id, async () => await work(engine, request))
  })
}

type Work<Request> = (engine: RuleEngine, request: Request) => Promise<unknown>
type Run<Request> = (services: Services, request: Request, grant: Grant) => Promise<unknown>

function translated<Request> (run: Run<Request>): Run<Request> {
  return async (services, request, grant) => {
    try {
      return await run(services, request, grant)
    } catch (error) {
      throw toRuleError(error)
    }
  }
}

function serviceOf ({ rules }: Services): RuleService {
  if (rules === undefined) throw new NoexServerError('RULES_NOT_AVAILABLE', 'No rule engine is configured')
  return rules
}

function ensureThere (ruleId: string, isThere: boolean): void {
  if (!isThere) throw new NoexServerError('NOT_FOUND', `Rule "${ruleId}" does not exist`)
}

function summaryOf ({ id, name, enabled, priority, version, tags, group }: RuleSummary): object {
  return { id, name, enabled, priority, version, tags, group }
}
