import { subscriptionId } from './live-query.js'
import { encodeEventPush } from '../protocol/encode.js'
import { textFrame } from '../protocol/frame.js'
import { compilePattern, hasWildcard, stemOf } from '../rules/topic-pattern.js'

/** Somebody who hears the events of a feed. */
export interface EventListener {
  /** `event`: its JSON; `undefined`: there was one that cannot be sent. */
  onEvent: (topic: string, event: string | undefined) => void
}

/** The events of one pattern, for all who subscribe to it. */
export class EventChannel {
  /** The subscription id that subscribers share, so that they can share the frame too. */
  readonly id = subscriptionId()
  /** Equal for equal feeds. */
  readonly key: string
  readonly pattern: string
  readonly #listeners = new Set<EventListener>()
  readonly #matches: ((segments: readonly string[]) => boolean) | undefined
  /** The one topic that the pattern would match and the feed does not. */
  readonly #excludedTopic: string | undefined
  #frame: Buffer | undefined

  constructor (key: string, pattern: string, withStem: boolean) {
    this.key = key
    this.pattern = pattern
    this.#matches = hasWildcard(pattern) ? compilePattern(pattern) : undefined
    this.#excludedTopic = withStem ? undefined : stemOf(pattern)
  }

  get size (): number {
    return this.#listeners.size
  }

  add (listener: EventListener): void {
    this.#listeners.add(listener)
  }

  remove (listener: EventListener): boolean {
    return this.#listeners.delete(listener)
  }

  /** Whether it has a topic, given whole and split on `.`. */
  matches (topic: string, segments: readonly string[]): boolean {
    return this.#matches === undefined
      ? topic === this.pattern
      : topic !== this.#excludedTopic && this.#matches(segments)
  }

  publish (topic: string, event: string | undefined): void {
    for (const listener of this.#listeners) listener.onEvent(topic, event)
    this.#frame = undefined
  }

  /**
   * The push of the event that is being published, under a subscription id; made once for those who share the
   * feed's id.
   */
  push (id: string, topic: string, event: string): string | Buffer {
    // What one client gets alone, its outbox puts together with the rest.
    if (id !== this.id || this.size === 1) return encodeEventPush(id, topic, event)
    this.#frame ??= textFrame(encodeEventPush(id, topic, event))
    return this.#frame
  }
}
