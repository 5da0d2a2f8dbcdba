import type { Event } from '../event.js'
import { InstanceWatcher } from './instance-watcher.js'
import type { Instance } from './instances.js'
import { matchesEvent, MAX_SHOWN_EVENTS } from './temporal-occurrence.js'
import type { Fire, WatcherContext } from './watcher.js'
import { addSample, NO_TOTALS, type Totals, type WindowAggregation } from './window-aggregation.js'

interface Window extends Instance {
  readonly events: Event[]
  totals: Totals
}

/** Aggregates consecutive windows, each at its end. They begin at multiples of their length since 1970. */
export class TumblingWindowWatcher extends InstanceWatcher<Window> {
  readonly #aggregation: WindowAggregation

  constructor (aggregation: WindowAggregation, context: WatcherContext) {
    super(context)
    this.#aggregation = aggregation
  }

  observe (event: Event, fire: Fire): void {
    const group = this.#aggregation.groupOf(event.data)
    if (group === undefined || !matchesEvent(this.#aggregation.event, event)) return
    const value = this.#aggregation.sampleOf(event)
    if (value === undefined) return

    const window = this.#windowAt(event.timestamp, group, fire)
    window.totals = addSample(window.totals, value)
    if (window.events.length < MAX_SHOWN_EVENTS) window.events.push(event)
  }

  #windowAt (now: number, group: string, fire: Fire): Window {
    const open = this.byGroup.get(group)
    if (open !== undefined && now < open.deadline) return open
    if (open !== undefined) {
      this.queue.forget(open)
      this.onExpired(open, fire)
    }
    const { windowMs } = this.#aggregation
    const deadline = (Math.floor(now / windowMs) + 1) * windowMs
    const window: Window = { group, events: [], totals: NO_TOTALS, deadline, queue: this.queue }
    this.byGroup.set(group, window)
    this.queue.add(window)
    return window
  }

  protected override onExpired ({ totals, events, group, deadline }: Window, fire: Fire): void {
    const occurrence = this.#aggregation.occurrenceOf(
      totals, () => events, this.context.isGrouped ? group : undefined, deadline
    )
    if (occurrence !== undefined) fire(occurrence)
  }
}
