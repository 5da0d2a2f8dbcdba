import type { CompiledSequence } from '../compiler/compiled-rule.js'
import type { Event } from '../event.js'
import type { Instance } from './instances.js'
import { matchesEvent, temporalOccurrence } from './temporal-occurrence.js'
import { type Fire, InstanceWatcher } from './watcher.js'

/** The most concurrent sequences without groups; one more drops the oldest. */
const MAX_UNGROUPED = 100

interface Progress extends Instance {
  readonly events: Event[]
}

/**
 * Watches for events in order. A group has one sequence at a time; without groups each first event begins
 * one.
 */
export class SequenceWatcher extends InstanceWatcher<CompiledSequence, Progress> {
  protected observeGroup (group: string, event: Event, fire: Fire): void {
    for (const progress of this.#progressOf(group)) this.#advance(progress, event, fire)
    if (matchesEvent(this.pattern.events[0]!, event)) this.#begin(group, event)
  }

  #progressOf (group: string): Progress[] {
    if (!this.context.isGrouped) return [...this.queue]
    const progress = this.byGroup.get(group)
    return progress === undefined ? [] : [progress]
  }

  #begin (group: string, event: Event): void {
    if (this.context.isGrouped) {
      if (this.byGroup.has(group)) return
    } else if (this.queue.size >= MAX_UNGROUPED) {
      this.context.pool.drop(this.queue.oldest!)
    }
    // An event at exactly the end of the time belongs to it.
    const deadline = event.timestamp + this.pattern.withinMs + 1
    const progress = { group, events: [event], deadline, queue: this.queue }
    if (this.context.isGrouped) this.byGroup.set(group, progress)
    this.queue.add(progress)
  }

  #advance (progress: Progress, event: Event, fire: Fire): void {
    const { events, group, deadline } = progress
    if (event.timestamp >= deadline) {
      this.queue.forget(progress)
    } else if (matchesEvent(this.pattern.events[events.length]!, event)) {
      events.push(event)
      if (events.length < this.pattern.events.length) return
      this.queue.forget(progress)
      const data = {
        ...this.context.isGrouped && { groupKey: group },
        count: events.length,
        events: events.map(({ data }) => data)
      }
      fire(temporalOccurrence(data, events, this.pattern.events, event.timestamp))
    } else if (this.pattern.strict) {
      this.queue.forget(progress)
    }
  }
}
