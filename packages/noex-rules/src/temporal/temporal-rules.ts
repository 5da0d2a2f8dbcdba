import type { Event } from '../event.js'
import { PatternIndex } from '../patterns/pattern-index.js'
import type { PatternMatcher } from '../patterns/pattern.js'
import type { Occurrence } from '../state/occurrence.js'
import type { RegisteredRule, RuleListener } from '../state/rule-registry.js'
import type { CompleteClock } from '../util/clock.js'
import { createWatcher, matchersOf } from './create-watcher.js'
import type { InstancePool } from './instances.js'
import { type Watcher } from './watcher.js'

/** A rule that is triggered, and its trigger. */
export interface Firing {
  readonly registered: RegisteredRule
  readonly occurrence: Occurrence
}

interface WatchedRule {
  readonly registered: RegisteredRule
  readonly watcher: Watcher
  readonly topics: readonly PatternMatcher[]
}

/** Watches events for all rules with temporal triggers. Events of other topics cost nothing. */
export class TemporalRules implements RuleListener {
  readonly #index = new PatternIndex<WatchedRule>((a, b) => a.registered.order - b.registered.order)
  readonly #watches = new Map<RegisteredRule, WatchedRule>()
  readonly #pool: InstancePool
  readonly #clock: CompleteClock
  readonly #onDue: (expire: () => Firing[]) => void

  /** `onDue` is called with a function that collects the due firings. */
  constructor (pool: InstancePool, clock: CompleteClock, onDue: (expire: () => Firing[]) => void) {
    this.#pool = pool
    this.#clock = clock
    this.#onDue = onDue
  }

  /** Returns the number of instances. */
  get size (): number {
    return this.#pool.size
  }

  onRuleAdded (registered: RegisteredRule): void {
    const { rule, trigger } = registered.compiled
    if (trigger.type !== 'temporal' || rule.trigger.type !== 'temporal') return
    const topics = matchersOf(trigger.pattern).map(({ topic }) => topic)
    const watcher = createWatcher(trigger.pattern, {
      pool: this.#pool,
      clock: this.#clock,
      isGrouped: rule.trigger.pattern.groupBy !== undefined,
      onDue: now => { this.#onDue(() => this.#firings(registered, fire => { watcher.expire(now, fire) })) }
    })
    const watch = { registered, watcher, topics }
    this.#watches.set(registered, watch)
    for (const topic of topics) this.#index.add(topic, watch)
  }

  onRuleRemoved (registered: RegisteredRule): void {
    const watch = this.#watches.get(registered)
    if (watch === undefined) return
    this.#watches.delete(registered)
    this.#index.delete(watch.topics, watch)
    watch.watcher.clear()
  }

  /** Returns whether a rule watches events of a topic. */
  has (topic: string): boolean {
    return this.#index.find(topic).length > 0
  }

  /** Passes an event to the rules that watch its topic, and returns those that it fires. */
  observe (event: Event): Firing[] {
    return this.#index.find(event.topic).flatMap(({ registered, watcher }) => {
      return this.#firings(registered, fire => { watcher.observe(event, fire) })
    })
  }

  /** Removes all instances. */
  clear (): void {
    for (const { watcher } of this.#watches.values()) watcher.clear()
  }

  #firings (registered: RegisteredRule, watch: (fire: (occurrence: Occurrence) => void) => void): Firing[] {
    const firings: Firing[] = []
    if (registered.isRegistered) watch(occurrence => { firings.push({ registered, occurrence }) })
    return firings
  }
}
