import { EngineCore } from './engine/engine-core.js'
import { EngineNotRunningError } from './errors.js'
import type { Event } from './event.js'
import type { Fact } from './fact.js'
import { compileKeyPattern } from './patterns/key-pattern.js'
import type { LookupCache } from './engine/lookups.js'
import type { RuleEngineConfig } from './options.js'
import type { Rule, RuleInput } from './rule.js'
import type { RuleGroup, RuleGroupInput, RuleGroupUpdate } from './rule-group.js'
import type { EngineStats } from './state/stats.js'
import type { EventHandler, SubscribeOptions } from './state/subscriptions.js'
import type { Timer, TimerConfig } from './timer.js'
import type { ValidationResult } from './validation/issues.js'

/**
 * Runs rules on events, facts and timers, in memory, in this process.
 *
 * Reading works at any time. What changes something throws `EngineNotRunningError` on a stopped
 * engine, or rejects with it. What engines hand out is frozen; what they are given as data and values
 * is kept as it is, and never changed.
 */
export class RuleEngine {
  readonly #core: EngineCore

  private constructor (core: EngineCore) {
    this.#core = core
  }

  /**
   * Starts an engine, with the rules that it has saved. Rejects with `TypeError` for an option that is
   * wrong, and with `RuleStorageError` for saved rules that cannot be used.
   */
  static async start (config?: RuleEngineConfig): Promise<RuleEngine> {
    return new RuleEngine(await EngineCore.start(config))
  }

  get isRunning (): boolean {
    return this.#core.isRunning
  }

  /**
   * Stops it: what runs is finished, for at most `serviceTimeoutMs`, what waits is dropped and rejects,
   * timers and subscriptions end, and rules are saved. May be called again, and from within.
   */
  stop (): Promise<void> {
    return this.#core.stop()
  }

  /**
   * Sends an event. Resolves with it when all that follows from it is done, the handlers of
   * subscribers included, for which it waits at most `serviceTimeoutMs`. Never throws; rejects with
   * `TypeError` for a bad topic or data, and with `EngineBusyError` when too much waits.
   */
  async emit (topic: string, data: Record<string, unknown> = {}): Promise<Event> {
    return this.#running().triggers.dispatchEvent(this.#core.eventFactory.create(topic, data, 'api', {}))
  }

  /** As `emit`, with the id of the affair that the event belongs to, and the id of what caused it. */
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
   * Sets a fact, at once, and runs the rules that wait for it, also when the value is the same.
   * Resolves as `emit` does. Rejects with `LimitError` for one fact too many, and as `emit` does.
   */
  async setFact (key: string, value: unknown): Promise<Fact> {
    return this.#running().triggers.dispatchFact(key, value)
  }

  /** The value of a fact; `undefined` when there is none. */
  getFact (key: string): unknown {
    return this.#core.facts.get(key)?.value
  }

  getFactFull (key: string): Fact | undefined {
    return this.#core.facts.get(key)
  }

  /** Deletes a fact; false when there was none. Runs no rules. */
  deleteFact (key: string): boolean {
    return this.#running().facts.delete(key)
  }

  /** The facts whose keys match a pattern, in the order in which they were first set. Throws `PatternError`. */
  queryFacts (pattern: string): Fact[] {
    return pattern === '' ? [] : [...this.#core.facts.matching(compileKeyPattern(pattern))]
  }

  /** All facts, in the order in which they were first set. */
  getAllFacts (): Fact[] {
    return this.#core.facts.all()
  }

  /**
   * Calls a handler with each event whose topic matches a pattern, before any rule sees the event.
   * Returns what ends that. Throws `PatternError`, `TypeError` and `LimitError`.
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

  /** Removes a rule; false when there was none. */
  unregisterRule (id: string): boolean {
    return this.#running().rules.unregister(id)
  }

  /** Changes members of a rule. Throws `RuleNotFoundError` and `RuleValidationError`; the rule is as before then. */
  updateRule (id: string, updates: Partial<RuleInput>): Rule {
    return this.#running().rules.update(id, updates)
  }

  /** Lets a rule run; false when there is none of this id. */
  enableRule (id: string): boolean {
    return this.#running().rules.setEnabled(id, true)
  }

  /** Keeps a rule from running; false when there is none of this id. */
  disableRule (id: string): boolean {
    return this.#running().rules.setEnabled(id, false)
  }

  getRule (id: string): Rule | undefined {
    return this.#core.rules.registry.get(id)
  }

  /** All rules, in the order of their registration. */
  getRules (): Rule[] {
    return this.#core.rules.registry.all()
  }

  /** Says what is wrong with a rule. Registers nothing, throws nothing. */
  validateRule (input: unknown): ValidationResult {
    return this.#core.rules.validate(input)
  }

  /** Starts a timer, in place of one of the same name. Rejects with `TypeError`, `RangeError` and `LimitError`. */
  async setTimer (config: TimerConfig): Promise<Timer> {
    return this.#running().timers.set(config)
  }

  /** Ends a timer; false when there was none. */
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

  /** Changes members of a group; `undefined` when there is none of this id. Throws `RuleValidationError`. */
  updateGroup (id: string, update: RuleGroupUpdate): RuleGroup | undefined {
    return this.#running().rules.updateGroup(id, update)
  }

  /** Deletes a group; its rules stay, in none. False when there was none. */
  deleteGroup (id: string): boolean {
    return this.#running().rules.deleteGroup(id)
  }

  /** Lets the rules of a group run that are enabled themselves; false when there is none of this id. */
  enableGroup (id: string): boolean {
    return this.updateGroup(id, { enabled: true }) !== undefined
  }

  /** Keeps the rules of a group from running; false when there is none of this id. */
  disableGroup (id: string): boolean {
    return this.updateGroup(id, { enabled: false }) !== undefined
  }

  getGroup (id: string): RuleGroup | undefined {
    return this.#core.rules.group(id)
  }

  /** All groups, in the order of their creation. */
  getGroups (): RuleGroup[] {
    return this.#core.rules.allGroups()
  }

  /** The rules of a group. */
  getGroupRules (id: string): Rule[] {
    return this.getRules().filter(({ group }) => group === id)
  }

  /** Returns the results of lookups with `cache` that are remembered, to count and to forget them. */
  getLookupCache (): LookupCache {
    return this.#core.lookups.cache
  }

  getStats (): EngineStats {
    return this.#core.stats()
  }

  /** Resolves when nothing runs and nothing waits. At once when called from within what runs, which would wait for itself. */
  waitForProcessingQueue (): Promise<void> {
    return this.#core.whenSettled()
  }

  #running (): EngineCore {
    if (!this.#core.isRunning) throw new EngineNotRunningError(this.#core.name)
    return this.#core
  }
}
