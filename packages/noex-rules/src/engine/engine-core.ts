import { ActionRunner } from './action-runner.js'
import { Chains } from './chain-scheduler.js'
import { createEffects } from './effects.js'
import { EngineNotRunningError } from '../errors.js'
import { Events } from '../state/event-factory.js'
import { FactBase } from '../state/fact-store.js'
import { createIds } from '../util/ids.js'
import { Lookups } from './lookups.js'
import { completeOptions, type EngineOptions } from '../options.js'
import { Pause } from './time-slice.js'
import { Processor } from './trigger-processor.js'
import { Reporter } from '../state/reporter.js'
import { RuleBook } from '../state/rule-repository.js'
import { RuleRunner } from './rule-runner.js'
import { Services } from './services.js'
import { createCounters, type EngineStats, statsOf } from '../state/stats.js'
import { type EventHandler, type SubscribeOptions, Subscriptions } from '../state/subscriptions.js'
import { InstancePool } from '../temporal/instances.js'
import { TemporalRules } from '../temporal/temporal-rules.js'
import { Timers } from '../state/timers.js'
import { Triggers } from './trigger-dispatcher.js'

/** The parts of an engine, put together, and their common life. */
export class EngineCore {
  readonly name: string
  readonly events: Events
  readonly facts: FactBase
  readonly timers: Timers
  readonly book: RuleBook
  readonly triggers: Triggers
  readonly lookups: Lookups
  readonly #options: EngineOptions
  readonly #counters = createCounters()
  readonly #reporter: Reporter
  readonly #chains: Chains
  readonly #subscriptions: Subscriptions
  readonly #temporal: TemporalRules
  #isRunning = true
  #stopping: Promise<void> | undefined

  private constructor (options: EngineOptions) {
    const { clock, ownClock, name, maxForwardDepth, maxActionsPerChain } = options
    const counters = this.#counters
    const pause = new Pause(ownClock)
    const createId = createIds()
    this.#options = options
    this.name = name
    const reporter = this.#reporter = new Reporter(counters, clock, options.logger, options.onError)
    const chains = this.#chains = new Chains(options, options.maxQueue, ownClock, pause, reporter)
    const subscriptions = this.#subscriptions = new Subscriptions(options.maxSubscriptions)
    const events = this.events = new Events(createId, clock)
    const facts = this.facts = new FactBase(options.maxFacts, clock)
    const timers = this.timers = new Timers(options.maxTimers, clock, createId, name, expiry => { this.triggers.timer(expiry) })
    const temporal = this.#temporal = new TemporalRules(new InstancePool(options.maxTemporalInstances, counters), clock, expire => { this.triggers.due(expire) })
    this.book = new RuleBook(options, clock, reporter, temporal)
    const { rules } = this.book

    const services = new Services(options.services, chains, ownClock, counters)
    const lookups = this.lookups = new Lookups(services, clock, options.maxCachedLookups)
    const effects = createEffects({ events, facts, timers, services, counters, reporter, maxActionsPerChain, processor: () => processor })
    const actions = new ActionRunner(effects, pause)
    const runner = new RuleRunner(rules, facts, lookups, actions, counters, reporter, clock)
    const processor = new Processor({ chains, subscriptions, rules, temporal, runner, counters, reporter, pause, maxForwardDepth, now: clock.now })
    this.triggers = new Triggers({ chains, processor, events, facts, rules, counters, reporter, limits: options })
  }

  static async start (config: unknown): Promise<EngineCore> {
    const core = new EngineCore(completeOptions(config))
    await core.book.load()
    return core
  }

  get isRunning (): boolean {
    return this.#isRunning
  }

  subscribe (pattern: string, handler: EventHandler, options?: SubscribeOptions): () => void {
    const unsubscribe = this.#subscriptions.add(pattern, handler, options)
    if (!this.#isRunning) unsubscribe()
    return unsubscribe
  }

  stats (): EngineStats {
    return statsOf(this.#counters, {
      rulesCount: this.book.rules.size,
      factsCount: this.facts.size,
      timersCount: this.timers.size,
      subscriptionsCount: this.#subscriptions.size,
      queueLength: this.#chains.queue.length,
      temporalInstances: this.#temporal.size
    })
  }

  whenSettled (): Promise<void> {
    return this.#chains.whenSettled()
  }

  stop (): Promise<void> {
    if (this.#stopping === undefined) {
      this.#isRunning = false
      this.timers.close()
      this.#temporal.clear()
      this.#counters.queueDropped += this.#chains.queue.drop(new EngineNotRunningError(this.name))
      this.#chains.outside(() => { this.#stopping = this.#end() })
    }
    // A service that waits for the end must not be waited for.
    this.#chains.frame?.leave()
    return this.#stopping!
  }

  async #end (): Promise<void> {
    const isIdle = await this.#inTime(this.#chains.queue.whenIdle())
    if (!isIdle) this.#chains.abandon()
    this.#chains.releaseHandlers()
    this.#subscriptions.clear()
    this.#temporal.clear()
    const isSaved = await this.#inTime(this.book.save())
    if (!isSaved) this.#reporter.fail(new Error('The rules were not saved in time'), {}, 'a rule engine stopped without waiting for its rules to be saved')
  }

  /** Whether something is done within the service timeout. */
  #inTime (doing: Promise<void>): Promise<boolean> {
    return new Promise(resolve => {
      const cancel = this.#options.ownClock.after(this.#options.serviceTimeoutMs, () => { resolve(false) })
      doing.then(() => {
        cancel()
        resolve(true)
      }, () => {})
    })
  }
}
