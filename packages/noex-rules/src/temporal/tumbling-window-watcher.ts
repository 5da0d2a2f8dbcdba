import type { Event } from '../event.js'
import type { Instance } from './instances.js'
import { matchesEvent, MAX_SHOWN_EVENTS } from './temporal-occurrence.js'
import { type Fire, InstanceWatcher } from './watcher.js'
import { addSample, NO_TOTALS, type Totals, type WindowAggregation } from './window-aggregation.js'

interface Window extends Instance {
  readonly events: Event[]
  totals: Totals
}

/** Aggregates consecutive windows, each at its end. They begin at multiples of their length since 1970. */
export class TumblingWindowWatcher extends InstanceWatcher<WindowAggregation, Window> {
  protected observeGroup (group: string, event: Event, fire: Fire): void {
    if (!matchesEvent(this.pattern.event, event)) return
    const value = this.pattern.sampleOf(event)
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
    const { windowMs } = this.pattern
    const deadline = (Math.floor(now / windowMs) + 1) * windowMs
    const window: Window = { group, events: [], totals: NO_TOTALS, deadline, queue: this.queue }
    this.byGroup.set(group, window)
    this.queue.add(window)
    return window
  }

  protected override onExpired ({ totals, events, group, deadline }: Window, fire: Fire): void {
    const occurrence = this.pattern.occurrenceOf(
      totals, () => events, this.context.isGrouped ? group : undefined, deadline
    )
    if (occurrence !== undefined) fire(occurrence)
  }
}
