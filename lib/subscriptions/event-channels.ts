import type { Log } from '../util/log.js'
import { EngineListener } from '../rules/engine-listener.js'
import { EventChannel, type EventListener } from './event-channel.js'
import { encodeEvent, type RuleEngine, type RuleEvent } from '../rules/rule-engine.js'
import { hasWildcard } from '../rules/topic-pattern.js'

/** Hides events from all clients. */
export interface EventVisibility {
  /** Whether events that carry records of this bucket are hidden. */
  readonly isHidden: (bucket: string) => boolean
}

/**
 * The event channels of a service: one subscription of the engine serves them all, and an event is encoded
 * once for all its receivers. An event is matched against each pattern with wildcards; the others are found
 * by topic.
 */
export class EventChannels {
  readonly #listener: EngineListener
  readonly #visibility: EventVisibility
  readonly #log: Log
  readonly #channels = new Map<string, EventChannel>()
  /** By topic. */
  readonly #byTopic = new Map<string, EventChannel>()
  readonly #withWildcard = new Set<EventChannel>()

  constructor (engine: RuleEngine, visibility: EventVisibility, log: Log) {
    this.#listener = new EngineListener(engine, log, event => { this.#publish(event) })
    this.#visibility = visibility
    this.#log = log
  }

  /** The number of distinct channels. */
  get size (): number {
    return this.#channels.size
  }

  /**
   * Adds a listener to the channel of a pattern, until `leave`. Throws the error of the engine.
   * @param withStem whether a pattern `stem.*` is to match the topic `stem` too
   */
  join (pattern: string, withStem: boolean, listener: EventListener): EventChannel {
    this.#listener.start()
    const channel = this.#channelOf(pattern, withStem)
    channel.add(listener)
    return channel
  }

  /** Logs the error for which a subscription ends. */
  logFailure (error: unknown, pattern: string): void {
    this.#log.error({ err: error, pattern }, 'a subscription to rule events has ended: the engine refused')
  }

  leave (channel: EventChannel, listener: EventListener): void {
    if (!channel.remove(listener) || channel.size > 0) return
    this.#channels.delete(channel.key)
    this.#withWildcard.delete(channel)
    if (this.#byTopic.get(channel.pattern) === channel) this.#byTopic.delete(channel.pattern)
    if (this.#channels.size === 0) this.stop()
  }

  /** Ends the subscription of the engine. */
  stop (): void {
    this.#listener.stop()
  }

  #channelOf (pattern: string, withStem: boolean): EventChannel {
    const key = `${withStem ? '+' : '-'}${pattern}`
    let channel = this.#channels.get(key)
    if (channel !== undefined) return channel
    channel = new EventChannel(key, pattern, withStem)
    this.#channels.set(key, channel)
    if (hasWildcard(pattern)) this.#withWildcard.add(channel)
    else this.#byTopic.set(pattern, channel)
    return channel
  }

  #publish (event: RuleEvent): void {
    const channels = this.#channelsOf(event.topic)
    if (channels.length === 0 || hidesRecord(event.data, this.#visibility)) return
    let text: string | undefined
    try {
      text = encodeEvent(event)
    } catch (error) {
      this.#log.error({ err: error, topic: event.topic }, 'a rule event cannot be sent: its data is no JSON')
    }
    for (const channel of channels) channel.publish(event.topic, text)
  }

  #channelsOf (topic: string): EventChannel[] {
    const exact = this.#byTopic.get(topic)
    const matching = exact === undefined ? [] : [exact]
    if (this.#withWildcard.size === 0) return matching
    const segments = topic.split('.')
    for (const channel of this.#withWildcard) if (channel.matches(topic, segments)) matching.push(channel)
    return matching
  }
}

/** Whether the data of an event is from the bridge of a store, with records of a hidden bucket. */
export function hidesRecord (
  data: Readonly<Record<string, unknown>> | undefined,
  { isHidden }: EventVisibility
): boolean {
  const bucket =
    data !== undefined && data !== null && Object.hasOwn(data, 'bucket') ? data['bucket'] : undefined
  return typeof bucket === 'string' && isHidden(bucket)
}
