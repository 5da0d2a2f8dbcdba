import type { Log } from '../log.js'
import { encodeEvent } from '../protocol/encode.js'
import { EngineListener } from './engine-listener.js'
import { EventFeed, type EventListener } from './event-feed.js'
import type { RuleEngine, RuleEvent } from './rule-engine.js'
import { hasWildcard } from './topic-pattern.js'

/** What may be heard. */
export interface HearingRules {
  /** Whether events that carry records of this bucket are for no client. */
  readonly isHidden: (bucket: string) => boolean
}

/**
 * All subscriptions of a service to rule events: one subscription of the engine serves them all, and an event is encoded
 * once, however many hear it. An event costs what its listeners cost, and a look at each pattern with wildcards.
 */
export class EventFeeds {
  readonly #listener: EngineListener
  readonly #rules: HearingRules
  readonly #log: Log
  readonly #feeds = new Map<string, EventFeed>()
  /** By topic. */
  readonly #exact = new Map<string, EventFeed>()
  readonly #open = new Set<EventFeed>()

  constructor (engine: RuleEngine, rules: HearingRules, log: Log) {
    this.#listener = new EngineListener(engine, log, event => { this.#publish(event) })
    this.#rules = rules
    this.#log = log
  }

  /** Distinct patterns that are heard. */
  get size (): number {
    return this.#feeds.size
  }

  /**
   * Adds a listener and returns the feed that it hears until it leaves. Throws what the engine throws.
   * @param withStem whether a pattern `stem.*` is to match the topic `stem` too
   */
  join (pattern: string, withStem: boolean, listener: EventListener): EventFeed {
    this.#listener.start()
    const feed = this.#feedOf(pattern, withStem)
    feed.add(listener)
    return feed
  }

  /** Logs why a subscription cannot go on. */
  tellFailure (error: unknown, pattern: string): void {
    this.#log.error({ err: error, pattern }, 'a subscription to rule events has ended: the engine refused')
  }

  leave (feed: EventFeed, listener: EventListener): void {
    if (!feed.remove(listener) || feed.size > 0) return
    this.#feeds.delete(feed.key)
    this.#open.delete(feed)
    if (this.#exact.get(feed.pattern) === feed) this.#exact.delete(feed.pattern)
    if (this.#feeds.size === 0) this.stop()
  }

  /** Hears nothing any more. */
  stop (): void {
    this.#listener.stop()
  }

  #feedOf (pattern: string, withStem: boolean): EventFeed {
    const key = `${withStem ? '+' : '-'}${pattern}`
    let feed = this.#feeds.get(key)
    if (feed !== undefined) return feed
    feed = new EventFeed(key, pattern, withStem)
    this.#feeds.set(key, feed)
    if (hasWildcard(pattern)) this.#open.add(feed)
    else this.#exact.set(pattern, feed)
    return feed
  }

  #publish (event: RuleEvent): void {
    const heard = this.#hearing(event.topic)
    if (heard.length === 0 || hidesRecord(event.data, this.#rules)) return
    let text: string | undefined
    try {
      text = encodeEvent(event)
    } catch (error) {
      this.#log.error({ err: error, topic: event.topic }, 'a rule event cannot be sent: its data is no JSON')
    }
    for (const feed of heard) feed.publish(event.topic, text)
  }

  #hearing (topic: string): EventFeed[] {
    const exact = this.#exact.get(topic)
    const heard = exact === undefined ? [] : [exact]
    if (this.#open.size === 0) return heard
    const segments = topic.split('.')
    for (const feed of this.#open) if (feed.matches(topic, segments)) heard.push(feed)
    return heard
  }
}

/** Whether the data of an event is what the bridge from a store sends, whole records, of a bucket whose records are for nobody. */
export function hidesRecord (data: Readonly<Record<string, unknown>> | undefined, { isHidden }: HearingRules): boolean {
  const bucket = data !== undefined && data !== null && Object.hasOwn(data, 'bucket') ? data['bucket'] : undefined
  return typeof bucket === 'string' && isHidden(bucket)
}
