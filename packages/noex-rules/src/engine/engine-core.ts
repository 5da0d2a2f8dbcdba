import { EngineNotRunningError } from '../errors.js'
import { completeOptions, type EngineOptions } from '../options.js'
import { EventFactory } from '../state/event-factory.js'
import { FactStore } from '../state/fact-store.js'
import { FailureReporter } from '../state/failure-reporter.js'
import { RuleRepository } from '../state/rule-repository.js'
import { createCounters, createStats, type EngineStats } from '../state/stats.js'
import { type EventHandler, type SubscribeOptions, Subscriptions } from '../state/subscriptions.js'
import { Timers } from '../state/timers.js'
import { InstancePool } from '../temporal/instances.js'
import { TemporalRules } from '../temporal/temporal-rules.js'
import { createIds } from '../util/ids.js'
import { ActionRunner } from './action-runner.js'
import { ChainScheduler } from './chain-scheduler.js'
import { createEffects } from './effects.js'
import { Lookups } from './lookups.js'
import { RuleRunner } from './rule-runner.js'
import { Services } from './services.js'
import { TimeSlice } from './time-slice.js'
import { TriggerDispatcher } from './trigger-dispatcher.js'
import { TriggerProcessor } from './trigger-processor.js'

/** Creates the parts of an engine, and starts and stops them. */
export class EngineCore {
  readonly name: string
  readonly eventFactory: EventFactory
  readonly facts: FactStore
  readonly timers: Timers
  readonly rules: RuleRepository
  readonly triggers: TriggerDispatcher
  readonly lookups: Lookups
  readonly #options: EngineOptions
  readonly #counters = createCounters()
  readonly #reporter: FailureReporter
  readonly #chains: ChainScheduler
  readonly #subscriptions: Subscriptions
  readonly #temporal: TemporalRules
  #isRunning = true
  #stopping: Promise<void> | undefined

  private constructor (options: EngineOptions) {
    const { clock, ownClock, name, maxForwardDepth, maxActionsPerChain } = options
    const counters = this.#counters
    const timeSlice = new TimeSlice(ownClock)
    const createId = createIds()
    this.#options = options
    this.name = name
    const reporter = this.#reporter = new FailureReporter(counters, clock, options.logger, options.onError)
    const chains = this.#chains = new ChainScheduler(options, options.maxQueue, ownClock, timeSlice, reporter)
    const subscriptions = this.#subscriptions = new Subscriptions(options.maxSubscriptions)
    const events = this.eventFactory = new EventFactory(createId, clock)
    const facts = this.facts = new FactStore(options.maxFacts, clock)
    const timers = this.timers = new Timers(
      options.maxTimers, clock, createId, name, expiry => { this.triggers.dispatchTimer(expiry) }
    )
    const temporal = this.#temporal = new TemporalRules(
      new InstancePool(options.maxTemporalInstances, counters),
      clock,
      expire => { this.triggers.dispatchDue(expire) }
    )
    this.rules = new RuleRepository(options, clock, reporter, temporal)
    const rules = this.rules.registry

    const services = new Services(options.services, chains, ownClock, counters)
    const lookups = this.lookups = new Lookups(services, clock, options.maxCachedLookups)
    const effects = createEffects({
      events,
      facts,
      timers,
      services,
      counters,
      reporter,
      maxActionsPerChain,
      processor: () => processor
    })
    const actions = new ActionRunner(effects, timeSlice)
    const runner = new RuleRunner(rules, facts, lookups, actions, counters, reporter, clock)
    const processor = new TriggerProcessor({
      chains,
      subscriptions,
      rules,
      temporal,
      runner,
      counters,
      reporter,
      timeSlice,
      maxForwardDepth,
      now: clock.now
    })
    this.triggers = new TriggerDispatcher({
      chains,
      processor,
      events,
      facts,
      rules,
      counters,
      reporter,
      limits: options
    })
  }

  static async start (config: unknown): Promise<EngineCore> {
    const core = new EngineCore(completeOptions(config))
    await core.rules.load()
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
    return createStats(this.#counters, {
      rulesCount: this.rules.registry.size,
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
      this.#chains.runOutside(() => { this.#stopping = this.#end() })
    }
    // Waiting for a service that waits for `stop` would be a deadlock.
    this.#chains.callContext?.detach()
    return this.#stopping!
  }

  async #end (): Promise<void> {
    const isIdle = await this.#inTime(this.#chains.queue.whenIdle())
    if (!isIdle) this.#chains.abandonRunning()
    this.#chains.releaseHandlers()
    this.#subscriptions.clear()
    this.#temporal.clear()
    const isSaved = await this.#inTime(this.rules.save())
    if (!isSaved) {
      this.#reporter.reportFailure(
        new Error('The rules were not saved in time'),
        {},
        'a rule engine stopped without waiting for its rules to be saved'
      )
    }
  }

  /** Resolves to whether a promise resolved within `serviceTimeoutMs`. */
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
