import { LimitError } from '../errors.js'
import type { Event } from '../event.js'
import { PatternIndex } from '../patterns/pattern-index.js'
import { compileTopicPattern } from '../patterns/topic-pattern.js'

/** Called with an event. May return a promise. */
export type EventHandler = (event: Event, topic: string) => unknown

/** The options of a subscription. */
export interface SubscribeOptions {
  /**
   * True: events that the handler sends are triggers from outside, and do not belong to the chain of its
   * event. Saves the cost of tracking the chain for handlers that only pass events on.
   * @default false
   */
  detached?: boolean | undefined
}

interface Subscription {
  readonly order: number
  readonly handler: EventHandler
  readonly isDetached: boolean
  isActive: boolean
}

/** The subscriptions of an engine. */
export class Subscriptions {
  readonly #index = new PatternIndex<Subscription>((a, b) => a.order - b.order)
  readonly #active = new Set<Subscription>()
  readonly #max: number
  #count = 0

  constructor (max: number) {
    this.#max = max
  }

  get size (): number {
    return this.#active.size
  }

  /**
   * Adds a subscription. Returns the function that ends it. Throws `PatternError`, `TypeError` and
   * `LimitError`.
   */
  add (pattern: string, handler: EventHandler, { detached = false }: SubscribeOptions = {}): () => void {
    const matcher = compileTopicPattern(pattern)
    if (typeof handler !== 'function') throw new TypeError('The handler of a subscription must be a function')
    if (this.#active.size >= this.#max) throw new LimitError('maxSubscriptions', this.#max)
    const subscription = { order: this.#count++, handler, isDetached: detached, isActive: true }
    this.#active.add(subscription)
    this.#index.add(matcher, subscription)
    return () => {
      if (!subscription.isActive) return
      subscription.isActive = false
      this.#active.delete(subscription)
      this.#index.delete([matcher], subscription)
    }
  }

  has (topic: string): boolean {
    return this.#index.find(topic).length > 0
  }

  /**
   * Returns whether a subscription to this topic is attached: events that its handler sends belong to the
   * chain.
   */
  hasAttached (topic: string): boolean {
    return this.#index.find(topic).some(({ isDetached }) => !isDetached)
  }

  /**
   * Calls the handlers of an event, oldest subscription first. Their results and errors go to `onReturn` and
   * `onThrow`.
   */
  deliver (event: Event, onReturn: (returned: unknown) => void, onThrow: (error: unknown) => void): void {
    for (const subscription of this.#index.find(event.topic)) {
      if (!subscription.isActive) continue
      try {
        onReturn(subscription.handler(event, event.topic))
      } catch (error) {
        onThrow(error)
      }
    }
  }

  clear (): void {
    for (const subscription of this.#active) subscription.isActive = false
    this.#active.clear()
    this.#index.clear()
  }
}
