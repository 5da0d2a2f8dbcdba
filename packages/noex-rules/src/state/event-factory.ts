import type { Event, EventSource } from '../event.js'
import type { CompleteClock } from '../util/clock.js'
import { assertData, assertName } from '../util/names.js'
import type { Cause } from './occurrence.js'

/** Creates events. An event is frozen; its data is kept as it was given. */
export class EventFactory {
  readonly #createId: () => string
  readonly #clock: CompleteClock

  constructor (createId: () => string, clock: CompleteClock) {
    this.#createId = createId
    this.#clock = clock
  }

  /** Creates an event. Throws `TypeError` for a bad topic, data, correlation id or causation id. */
  create (topic: unknown, data: unknown, source: EventSource, { correlationId, causationId }: Cause): Event {
    assertName(topic, 'The topic of an event')
    assertData(data, 'The data of an event')
    assertId(correlationId, 'correlationId')
    assertId(causationId, 'causationId')
    return Object.freeze({
      id: this.#createId(),
      topic,
      data,
      timestamp: this.#clock.now(),
      ...correlationId !== undefined && { correlationId },
      ...causationId !== undefined && { causationId },
      source
    })
  }
}

function assertId (id: unknown, name: string): void {
  if (id !== undefined && typeof id !== 'string') {
    throw new TypeError(`The ${name} of an event must be a text`)
  }
}
