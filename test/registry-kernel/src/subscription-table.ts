import { compileTopicPattern, hasWildcard, type TopicMatcher } from './topic-pattern.js'

/** Is given each message that matches, with its topic. */
export type TopicHandler = (message: unknown, topic: string) => void

/** One handler under one pattern. */
export interface Subscription {
  /** Grows from one subscription to the next. */
  readonly id: number
  readonly pattern: string
  readonly handler: TopicHandler
}

interface WildcardSubscription extends Subscription {
  readonly matches: TopicMatcher
}

/** How many topics are remembered together with the subscriptions that match them. */
const MAX_KNOWN_TOPICS = 1024

const NONE: readonly Subscription[] = []

/**
 * The subscriptions of one bus.
 *
 * A pattern without wildcards is found by its topic; the others are compiled when they are added.
 * What matches a topic is remembered until a subscription comes or goes, because the same few topics
 * are published over and over.
 */
export class SubscriptionTable {
  readonly #all = new Map<number, Subscription>()
  readonly #exact = new Map<string, Map<number, Subscription>>()
  readonly #wildcard = new Map<number, WildcardSubscription>()
  readonly #known = new Map<string, readonly Subscription[]>()
  #lastId = 0

  /** How many subscriptions there are. */
  get size (): number {
    return this.#all.size
  }

  /** Adds a subscription and gives its id. The same handler may be added again. */
  add (pattern: string, handler: TopicHandler): number {
    const id = ++this.#lastId
    const subscription: Subscription = { id, pattern, handler }
    this.#all.set(id, subscription)
    if (hasWildcard(pattern)) {
      this.#wildcard.set(id, { ...subscription, matches: compileTopicPattern(pattern) })
    } else {
      const sameTopic = this.#exact.get(pattern) ?? new Map<number, Subscription>()
      this.#exact.set(pattern, sameTopic.set(id, subscription))
    }
    this.#known.clear()
    return id
  }

  /** Removes a subscription; one that is gone is fine. */
  remove (id: number): void {
    const subscription = this.#all.get(id)
    if (subscription === undefined) return
    this.#all.delete(id)
    this.#wildcard.delete(id)
    const sameTopic = this.#exact.get(subscription.pattern)
    sameTopic?.delete(id)
    if (sameTopic?.size === 0) this.#exact.delete(subscription.pattern)
    this.#known.clear()
  }

  /** Lists the distinct patterns in the order of their first subscription. */
  patterns (): string[] {
    return [...new Set(Array.from(this.#all.values(), subscription => subscription.pattern))]
  }

  /** Finds the subscriptions that match a topic, in the order in which they were added. */
  matching (topic: string): readonly Subscription[] {
    if (this.#all.size === 0) return NONE
    const known = this.#known.get(topic)
    if (known !== undefined) return known

    const found = this.#search(topic)
    if (this.#known.size === MAX_KNOWN_TOPICS) this.#known.clear()
    this.#known.set(topic, found)
    return found
  }

  #search (topic: string): readonly Subscription[] {
    const found: Subscription[] = [...this.#exact.get(topic)?.values() ?? NONE]
    if (this.#wildcard.size === 0) return found
    const segments = topic.split('.')
    for (const subscription of this.#wildcard.values()) {
      if (subscription.matches(topic, segments)) found.push(subscription)
    }
    return found.sort((a, b) => a.id - b.id)
  }
}
