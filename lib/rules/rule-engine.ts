import { plainAnswer } from '../application/plain-answer.js'

/** An event of a rule engine. */
export interface RuleEvent {
  readonly id: string
  readonly topic: string
  readonly data: Readonly<Record<string, unknown>>
  /** Epoch milliseconds. */
  readonly timestamp: number
}

/** A fact of a rule engine. */
export interface RuleFact {
  readonly key: string
  readonly value: unknown
}

/** A rule, as far as a list of rules shows it. */
export interface RuleSummary {
  readonly id: string
  readonly name: string
  readonly enabled: boolean
  readonly priority: number
  readonly version: number
  readonly tags: readonly string[]
  readonly group?: string
  /** Epoch milliseconds. */
  readonly createdAt: number
  /** Epoch milliseconds. */
  readonly updatedAt: number
}

/** The methods that a rule engine must have. */
export const ruleEngineMethods = [
  'emit', 'emitCorrelated', 'setFact', 'getFact', 'deleteFact', 'getAllFacts', 'subscribe', 'registerRule',
  'unregisterRule', 'updateRule', 'enableRule', 'disableRule', 'getRule', 'getRules', 'validateRule',
  'getStats'
] as const satisfies ReadonlyArray<keyof RuleEngine>

/**
 * The part of a `RuleEngine` of `@hamicek/noex-rules` that the plugin uses; `fastify-noex/rules` exports one.
 * A stopped engine throws errors whose message contains "is not running".
 */
export interface RuleEngine {
  readonly isRunning: boolean
  /** Resolves when all effects of the event have been carried out. */
  emit (topic: string, data?: Record<string, unknown>): Promise<RuleEvent>
  emitCorrelated(
    topic: string,
    data: Record<string, unknown>,
    correlationId: string,
    causationId?: string
  ): Promise<RuleEvent>
  setFact (key: string, value: unknown): Promise<RuleFact>
  getFact (key: string): unknown
  deleteFact (key: string): boolean
  getAllFacts (): readonly RuleFact[]
  getFactFull? (key: string): RuleFact | undefined
  /** An engine that does not know the option may ignore it. */
  subscribe(
    pattern: string,
    listener: (event: RuleEvent, topic: string) => void,
    options?: { detached?: boolean }
  ): () => void
  registerRule (rule: never): RuleSummary
  unregisterRule (id: string): boolean
  updateRule (id: string, updates: never): RuleSummary
  enableRule (id: string): boolean
  disableRule (id: string): boolean
  getRule (id: string): RuleSummary | undefined
  getRules (): readonly RuleSummary[]
  validateRule (rule: unknown): unknown
  getStats (): object
}

const eventTexts = new WeakMap<object, string>()

/** Encodes a rule event as JSON, once for all its receivers. Throws on values that JSON cannot hold. */
export function encodeEvent (event: object): string {
  let text = eventTexts.get(event)
  if (text === undefined) {
    text = JSON.stringify(plainAnswer('the rule engine', event)) as string | undefined
    if (text === undefined) throw new TypeError('the event is no JSON')
    eventTexts.set(event, text)
  }
  return text
}
