import type { Event } from '../event.js'
import type { Instance } from './instances.js'
import { SlidingWindow } from './sliding-window.js'
import { matchesEvent, MAX_SHOWN_EVENTS } from './temporal-occurrence.js'
import { type Fire, InstanceWatcher } from './watcher.js'
import type { WindowAggregation } from './window-aggregation.js'

interface Sample extends Instance {
  readonly event: Event
  readonly value: number
}

/** Aggregates the window that ends with each event, and fires each time the threshold is met. */
export class SlidingWindowWatcher extends InstanceWatcher<WindowAggregation, Sample, SlidingWindow<Sample>> {
  protected observeGroup (group: string, event: Event, fire: Fire): void {
    const { event: matcher, sampleOf, windowMs, occurrenceOf } = this.pattern
    if (!matchesEvent(matcher, event)) return
    const value = sampleOf(event)
    if (value === undefined) return

    this.#forgetOld(group, event.timestamp)
    // A sample exactly as old as the window belongs to it.
    const sample = { group, event, value, deadline: event.timestamp + windowMs + 1, queue: this.queue }
    const window = this.#windowOf(group)
    window.push(sample)
    this.queue.add(sample)
    const shown = (): Event[] => window.first(MAX_SHOWN_EVENTS).map(({ event }) => event)
    const occurrence = occurrenceOf(
      window.totals, shown, this.context.isGrouped ? group : undefined, event.timestamp
    )
    if (occurrence !== undefined) fire(occurrence)
  }

  #windowOf (group: string): SlidingWindow<Sample> {
    let window = this.byGroup.get(group)
    if (window === undefined) this.byGroup.set(group, window = new SlidingWindow())
    return window
  }

  #forgetOld (group: string, now: number): void {
    const window = this.byGroup.get(group)
    for (
      let oldest = window?.oldest;
      oldest !== undefined && oldest.deadline <= now;
      oldest = window?.oldest
    ) {
      this.queue.forget(oldest)
    }
  }

  /** Removes the oldest sample of a group: the sample that leaves, as it is the oldest of all. */
  protected override onForget ({ group }: Sample): void {
    const window = this.byGroup.get(group)
    window?.shift()
    if (window?.oldest === undefined) this.byGroup.delete(group)
  }
}
