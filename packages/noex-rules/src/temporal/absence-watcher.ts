import type { CompiledTemporalPattern } from '../compiler/compiled-rule.js'
import type { Event } from '../event.js'
import { isMeant, temporalOccurrence } from './temporal-occurrence.js'
import { type Instance, InstanceLine } from './instances.js'
import type { Fire, Watcher, WatcherContext } from './watcher.js'

type Absence = Extract<CompiledTemporalPattern, { type: 'absence' }>

interface Expectation extends Instance {
  readonly group: string
  readonly event: Event
}

/** Watches for an event that does not come. One is awaited at a time in a group; without groups, one at all. */
export class AbsenceWatcher implements Watcher {
  readonly #pattern: Absence
  readonly #context: WatcherContext
  readonly #line: InstanceLine<Expectation>
  readonly #byGroup = new Map<string, Expectation>()

  constructor (pattern: Absence, context: WatcherContext) {
    this.#pattern = pattern
    this.#context = context
    this.#line = new InstanceLine<Expectation>(context.pool, context.clock, ({ group }) => { this.#byGroup.delete(group) }, context.onDue)
  }

  feed (event: Event, fire: Fire): void {
    const { after, expected, groupOf, withinMs } = this.#pattern
    const group = groupOf(event.data)
    if (group === undefined) return
    const waiting = this.#byGroup.get(group)
    if (waiting !== undefined && event.timestamp > waiting.deadline) {
      this.#line.forget(waiting)
      this.#fire(waiting, event.timestamp, fire)
    } else if (waiting !== undefined && isMeant(expected, event)) {
      this.#line.forget(waiting)
    }
    if (this.#byGroup.has(group) || !isMeant(after, event)) return
    const expectation = { group, event, deadline: event.timestamp + withinMs, line: this.#line }
    this.#byGroup.set(group, expectation)
    this.#line.add(expectation)
  }

  expire (now: number, fire: Fire): void {
    for (let due = this.#line.takeDue(now); due !== undefined; due = this.#line.takeDue(now)) this.#fire(due, now, fire)
    this.#line.disarm()
    this.#line.arm()
  }

  clear (): void {
    this.#line.clear()
  }

  #fire ({ group, event }: Expectation, now: number, fire: Fire): void {
    const data = { ...this.#context.isGrouped && { groupKey: group }, after: event.data, events: [event.data] }
    fire(temporalOccurrence(data, [event], [this.#pattern.after], now))
  }
}
