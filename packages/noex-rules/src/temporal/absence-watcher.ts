import type { CompiledTemporalPattern } from '../compiler/compiled-rule.js'
import type { Event } from '../event.js'
import { type Instance, InstanceQueue } from './instances.js'
import { matchesEvent, temporalOccurrence } from './temporal-occurrence.js'
import type { Fire, Watcher, WatcherContext } from './watcher.js'

type Absence = Extract<CompiledTemporalPattern, { type: 'absence' }>

interface Expectation extends Instance {
  readonly group: string
  readonly event: Event
}

/**
 * Watches for an event that does not come. One is awaited at a time per group, or one in all without groups.
 */
export class AbsenceWatcher implements Watcher {
  readonly #pattern: Absence
  readonly #context: WatcherContext
  readonly #queue: InstanceQueue<Expectation>
  readonly #byGroup = new Map<string, Expectation>()

  constructor (pattern: Absence, context: WatcherContext) {
    this.#pattern = pattern
    this.#context = context
    this.#queue = new InstanceQueue<Expectation>(
      context.pool, context.clock, ({ group }) => { this.#byGroup.delete(group) }, context.onDue
    )
  }

  observe (event: Event, fire: Fire): void {
    const { after, expected, groupOf, withinMs } = this.#pattern
    const group = groupOf(event.data)
    if (group === undefined) return
    const waiting = this.#byGroup.get(group)
    if (waiting !== undefined && event.timestamp > waiting.deadline) {
      this.#queue.forget(waiting)
      this.#fire(waiting, event.timestamp, fire)
    } else if (waiting !== undefined && matchesEvent(expected, event)) {
      this.#queue.forget(waiting)
    }
    if (this.#byGroup.has(group) || !matchesEvent(after, event)) return
    const expectation = { group, event, deadline: event.timestamp + withinMs, queue: this.#queue }
    this.#byGroup.set(group, expectation)
    this.#queue.add(expectation)
  }

  expire (now: number, fire: Fire): void {
    for (let due = this.#queue.takeDue(now); due !== undefined; due = this.#queue.takeDue(now)) {
      this.#fire(due, now, fire)
    }
    this.#queue.disarm()
    this.#queue.arm()
  }

  clear (): void {
    this.#queue.clear()
  }

  #fire ({ group, event }: Expectation, now: number, fire: Fire): void {
    const data = {
      ...this.#context.isGrouped && { groupKey: group },
      after: event.data,
      events: [
        event.data
      ]
    }
    fire(temporalOccurrence(data, [event], [this.#pattern.after], now))
  }
}
