import type { CompiledAbsence } from '../compiler/compiled-rule.js'
import type { Event } from '../event.js'
import type { Instance } from './instances.js'
import { matchesEvent, temporalOccurrence } from './temporal-occurrence.js'
import { type Fire, InstanceWatcher } from './watcher.js'

interface Expectation extends Instance {
  readonly event: Event
}

/**
 * Watches for an event that does not come. One is awaited at a time per group, or one in all without groups.
 */
export class AbsenceWatcher extends InstanceWatcher<CompiledAbsence, Expectation> {
  protected observeGroup (group: string, event: Event, fire: Fire): void {
    const { after, expected, withinMs } = this.pattern
    const waiting = this.byGroup.get(group)
    if (waiting !== undefined && event.timestamp > waiting.deadline) {
      this.queue.forget(waiting)
      this.onExpired(waiting, fire, event.timestamp)
    } else if (waiting !== undefined && matchesEvent(expected, event)) {
      this.queue.forget(waiting)
    }
    if (this.byGroup.has(group) || !matchesEvent(after, event)) return
    const expectation = { group, event, deadline: event.timestamp + withinMs, queue: this.queue }
    this.byGroup.set(group, expectation)
    this.queue.add(expectation)
  }

  protected override onExpired ({ group, event }: Expectation, fire: Fire, now: number): void {
    const data = {
      ...this.context.isGrouped && { groupKey: group },
      after: event.data,
      events: [
        event.data
      ]
    }
    fire(temporalOccurrence(data, [event], [this.pattern.after], now))
  }
}
