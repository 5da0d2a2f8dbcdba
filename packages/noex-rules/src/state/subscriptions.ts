import { LimitError } from '../errors.js'
import type { Event } from '../event.js'
import { PatternIndex } from '../patterns/pattern-index.js'
import { compileTopicPattern } from '../patterns/topic-pattern.js'

/** Hears of an event. What it returns may be a promise. */
export type EventHandler = (event: Event, topic: string) => unknown

/** How a handler is called. */
export interface SubscribeOptions {
  /**
   * What the handler sends to the engine is no part of what the event leads to, but a trigger from outside. For those who
   * pass events on and send nothing: it saves them the context in which the engine would find out.
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

/** Who wants to hear of which events. */
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

  /** Returns what ends it. Throws `PatternError`, `TypeError` and `LimitError`. */
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

  /** Whether what handlers of this topic do may belong to the chain of the event. */
  hasAttached (topic: string): boolean {
    return this.#index.find(topic).some(({ isDetached }) => !isDetached)
  }

  /** Hands an event to those who want it now, oldest first. What a handler returns or throws goes to `onReturn` and `onThrow`. */
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
