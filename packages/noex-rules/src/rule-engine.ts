import { EngineCore } from './engine/engine-core.js'
import type { LookupCache } from './engine/lookups.js'
import { EngineNotRunningError } from './errors.js'
import type { Event } from './event.js'
import type { Fact } from './fact.js'
import type { RuleEngineConfig } from './options.js'
import { compileKeyPattern } from './patterns/key-pattern.js'
import type { RuleGroup, RuleGroupInput, RuleGroupUpdate } from './rule-group.js'
import type { Rule, RuleInput } from './rule.js'
import type { EngineStats } from './state/stats.js'
import type { EventHandler, SubscribeOptions } from './state/subscriptions.js'
import type { Timer, TimerConfig } from './timer.js'
import type { ValidationResult } from './validation/issues.js'

/**
 * Runs rules on events, facts and timers, in memory, in this process.
 *
 * Reading works at any time. A change of a stopped engine throws `EngineNotRunningError`, or rejects with it.
 * Returned objects are frozen; values of facts and data of events are kept as they are given and never
 * changed.
 *
 * @example
 * ```js
 * const engine = await RuleEngine.start({ services: { mail } })
 * engine.registerRule({
 *   id: 'stock-low',
 *   name: 'Low stock',
 *   trigger: { type: 'event', topic: 'stock.changed' },
 *   conditions: [{ source: { type: 'event', field: 'left' }, operator: 'lt', value: 10 }],
 *   actions: [{ type: 'set_fact', key: 'low:${event.sku}', value: { ref: 'event.left' } }]
 * })
 * await engine.emit('stock.changed', { sku: 'A1', left: 3 })
 * engine.getFact('low:A1') // 3
 * await engine.stop()
 * ```
 */
export class RuleEngine {
  readonly #core: EngineCore

  private constructor (core: EngineCore) {
    this.#core = core
  }

  /**
   * Starts an engine and loads its saved rules and groups. Rejects with `TypeError` for a wrong option, and
   * with `RuleStorageError` when saved rules cannot be used.
   *
   * @example
   * ```js
   * const engine = await RuleEngine.start({ serviceTimeoutMs: 1000, onError: error => console.error(error) })
   * ```
   */
  static async start (config?: RuleEngineConfig): Promise<RuleEngine> {
    return new RuleEngine(await EngineCore.start(config))
  }

  get isRunning (): boolean {
    return this.#core.isRunning
  }

  /**
   * Stops the engine: finishes the running chain, for at most `serviceTimeoutMs`, drops and rejects waiting
   * triggers, ends timers and subscriptions, and saves rules. May be called again, and by a service.
   */
  stop (): Promise<void> {
    return this.#core.stop()
  }

  /**
   * Sends an event. Resolves with it when its chain has ended and the handlers of subscribers have settled,
   * or have had `serviceTimeoutMs`. Never throws; rejects with `TypeError` for a bad topic or data, and with
   * `EngineBusyError` when `maxQueue` triggers wait.
   *
   * @example
   * ```js
   * const { id } = await engine.emit('order.paid', { order: 7 })
   * ```
   */
  async emit (topic: string, data: Record<string, unknown> = {}): Promise<Event> {
    return this.#running().triggers.dispatchEvent(this.#core.eventFactory.create(topic, data, 'api', {}))
  }

  /** As `emit`, with the id that correlated events share, and the id of the event's cause. */
  async emitCorrelated (
    topic: string,
    data: Record<string, unknown>,
    correlationId: string,
    causationId?: string
  ): Promise<Event> {
    return this.#running().triggers.dispatchEvent(this.#core.eventFactory.create(
      topic, data, 'api', { correlationId, causationId }
    ))
  }

  /**
   * Sets a fact before it returns, and runs the rules that it triggers, also when the value is the same.
   * Resolves as `emit` does. Rejects with `LimitError` when `maxFacts` is reached, and as `emit` does.
   */
  async setFact (key: string, value: unknown): Promise<Fact> {
    return this.#running().triggers.dispatchFact(key, value)
  }

  /** Returns the value of a fact; `undefined` when there is none. */
  getFact (key: string): unknown {
    return this.#core.facts.get(key)?.value
  }

  getFactFull (key: string): Fact | undefined {
    return this.#core.facts.get(key)
  }

  /** Deletes a fact. Returns false when there was none. Triggers no rules. */
  deleteFact (key: string): boolean {
    return this.#running().facts.delete(key)
  }

  /**
   * Returns the facts whose keys match a pattern, in the order in which they were first set. Throws
   * `PatternError`.
   *
   * @example
   * ```js
   * engine.queryFacts('user:*:tier')
   * ```
   */
  queryFacts (pattern: string): Fact[] {
    return pattern === '' ? [] : [...this.#core.facts.matching(compileKeyPattern(pattern))]
  }

  /** Returns all facts, in the order in which they were first set. */
  getAllFacts (): Fact[] {
    return this.#core.facts.all()
  }

  /**
   * Calls a handler with each event whose topic matches a pattern, before any rule runs on the event. Returns
   * the function that ends the subscription. Throws `PatternError`, `TypeError` and `LimitError`.
   *
   * @example
   * ```js
   * const unsubscribe = engine.subscribe('stock.*', event => console.log(event.topic, event.data))
   * ```
   */
  subscribe (pattern: string, handler: EventHandler, options?: SubscribeOptions): () => void {
    return this.#core.subscribe(pattern, handler, options)
  }

  /** Registers a rule, in place of one of the same id. Throws `RuleValidationError` and `LimitError`. */
  registerRule (
    input: RuleInput,
    { skipValidation = false }: { skipValidation?: boolean | undefined } = {}
  ): Rule {
    return this.#running().rules.register(input, skipValidation)
  }

  /** Removes a rule. Returns false when there was none. */
  unregisterRule (id: string): boolean {
    return this.#running().rules.unregister(id)
  }

  /**
   * Changes properties of a rule. Throws `RuleNotFoundError` and `RuleValidationError`; then the rule is
   * unchanged.
   */
  updateRule (id: string, updates: Partial<RuleInput>): Rule {
    return this.#running().rules.update(id, updates)
  }

  /** Enables a rule. Returns false when there is none of this id. */
  enableRule (id: string): boolean {
    return this.#running().rules.setEnabled(id, true)
  }

  /** Disables a rule. Returns false when there is none of this id. */
  disableRule (id: string): boolean {
    return this.#running().rules.setEnabled(id, false)
  }

  getRule (id: string): Rule | undefined {
    return this.#core.rules.registry.get(id)
  }

  /** Returns all rules, in the order of their registration. */
  getRules (): Rule[] {
    return this.#core.rules.registry.all()
  }

  /** Returns the errors and warnings of a rule. Registers nothing, throws nothing. */
  validateRule (input: unknown): ValidationResult {
    return this.#core.rules.validate(input)
  }

  /**
   * Starts a timer, in place of one of the same name. Rejects with `TypeError`, `RangeError` and
   * `LimitError`.
   *
   * @example
   * ```js
   * await engine.setTimer({ name: 'pay:7', duration: '30m', onExpire: { topic: 'order.expired' } })
   * ```
   */
  async setTimer (config: TimerConfig): Promise<Timer> {
    return this.#running().timers.set(config)
  }

  /** Cancels a timer. Resolves to false when there was none. */
  async cancelTimer (name: string): Promise<boolean> {
    return this.#running().timers.cancel(name)
  }

  getTimer (name: string): Timer | undefined {
    return this.#core.timers.get(name)
  }

  getTimers (): Timer[] {
    return this.#core.timers.all()
  }

  /** Creates a group. Throws `RuleValidationError`, also for an id that is taken, and `LimitError`. */
  createGroup (input: RuleGroupInput): RuleGroup {
    return this.#running().rules.createGroup(input)
  }

  /**
   * Changes properties of a group. Returns `undefined` when there is none of this id. Throws
   * `RuleValidationError`.
   */
  updateGroup (id: string, update: RuleGroupUpdate): RuleGroup | undefined {
    return this.#running().rules.updateGroup(id, update)
  }

  /** Deletes a group; its rules stay, in no group. Returns false when there was none. */
  deleteGroup (id: string): boolean {
    return this.#running().rules.deleteGroup(id)
  }

  /** Enables a group: its enabled rules run. Returns false when there is none of this id. */
  enableGroup (id: string): boolean {
    return this.updateGroup(id, { enabled: true }) !== undefined
  }

  /** Disables a group: none of its rules run. Returns false when there is none of this id. */
  disableGroup (id: string): boolean {
    return this.updateGroup(id, { enabled: false }) !== undefined
  }

  getGroup (id: string): RuleGroup | undefined {
    return this.#core.rules.group(id)
  }

  /** Returns all groups, in the order of their creation. */
  getGroups (): RuleGroup[] {
    return this.#core.rules.allGroups()
  }

  /** Returns the rules of a group. */
  getGroupRules (id: string): Rule[] {
    return this.getRules().filter(({ group }) => group === id)
  }

  /** Returns the cached results of lookups, to count and to remove them. */
  getLookupCache (): LookupCache {
    return this.#core.lookups.cache
  }

  getStats (): EngineStats {
    return this.#core.stats()
  }

  /**
   * Resolves when nothing runs and nothing waits. Resolves at once for a caller within a chain, which would
   * wait for itself.
   */
  waitForProcessingQueue (): Promise<void> {
    return this.#core.whenSettled()
  }

  #running (): EngineCore {
    if (!this.#core.isRunning) throw new EngineNotRunningError(this.#core.name)
    return this.#core
  }
}
