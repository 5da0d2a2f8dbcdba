import { subscriptionId } from './subscriber.js'
import { encodeEventPush } from '../protocol/encode.js'
import { textFrame } from '../protocol/frame.js'
import { compilePattern, hasWildcard, stemOf } from '../rules/topic-pattern.js'

/** One subscription to an event channel. */
export interface EventListener {
  /** Called for each event; `event` is its JSON, `undefined` for one that cannot be encoded. */
  onEvent: (topic: string, event: string | undefined) => void
}

/** The events of one pattern, for all its subscribers. */
export class EventChannel {
  /** The subscription id that subscribers share, so that they can share the frame too. */
  readonly id = subscriptionId()
  /** Equal for equal channels. */
  readonly key: string
  readonly pattern: string
  readonly #listeners = new Set<EventListener>()
  readonly #matches: ((segments: readonly string[]) => boolean) | undefined
  /** The one topic that the pattern matches and the channel does not carry. */
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

  /** Whether the channel carries a topic, given whole and split on `.`. */
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
   * Returns the push of the event that is being published, under a subscription id; the frame is shared by
   * all that use the channel's id.
   */
  push (id: string, topic: string, event: string): string | Buffer {
    // The outbox of a single client joins a text with its other messages.
    if (id !== this.id || this.size === 1) return encodeEventPush(id, topic, event)
    this.#frame ??= textFrame(encodeEventPush(id, topic, event))
    return this.#frame
  }
}
