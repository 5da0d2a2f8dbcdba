import type { CompiledTemporalPattern } from '../compiler/compiled-rule.js'
import type { Event } from '../event.js'
import { isMeant, temporalOccurrence } from './temporal-occurrence.js'
import { type Instance, InstanceLine } from './instances.js'
import type { Fire, Watcher, WatcherContext } from './watcher.js'

/** So many sequences without groups go on side by side; one more drops the oldest. */
const MAX_UNGROUPED = 100

type Sequence = Extract<CompiledTemporalPattern, { type: 'sequence' }>

interface Progress extends Instance {
  readonly group: string
  readonly events: Event[]
}

/** Watches for events in their order. In a group one sequence goes on at a time; without groups each first event begins one. */
export class SequenceWatcher implements Watcher {
  readonly #pattern: Sequence
  readonly #context: WatcherContext
  readonly #line: InstanceLine<Progress>
  readonly #byGroup = new Map<string, Progress>()

  constructor (pattern: Sequence, context: WatcherContext) {
    this.#pattern = pattern
    this.#context = context
    this.#line = new InstanceLine<Progress>(context.pool, context.clock, ({ group }) => { this.#byGroup.delete(group) }, context.onDue)
  }

  feed (event: Event, fire: Fire): void {
    const group = this.#pattern.groupOf(event.data)
    if (group === undefined) return
    for (const progress of this.#progressOf(group)) this.#advance(progress, event, fire)
    if (isMeant(this.#pattern.events[0]!, event)) this.#begin(group, event)
  }

  expire (now: number): void {
    while (this.#line.takeDue(now) !== undefined);
    this.#line.disarm()
    this.#line.arm()
  }

  clear (): void {
    this.#line.clear()
  }

  #progressOf (group: string): Progress[] {
    if (!this.#context.isGrouped) return [...this.#line]
    const progress = this.#byGroup.get(group)
    return progress === undefined ? [] : [progress]
  }

  #begin (group: string, event: Event): void {
    if (this.#context.isGrouped) {
      if (this.#byGroup.has(group)) return
    } else if (this.#line.size >= MAX_UNGROUPED) {
      this.#context.pool.drop(this.#line.oldest!)
    }
    // An event at the very end of the time is still within it.
    const deadline = event.timestamp + this.#pattern.withinMs + 1
    const progress = { group, events: [event], deadline, line: this.#line }
    if (this.#context.isGrouped) this.#byGroup.set(group, progress)
    this.#line.add(progress)
  }

  #advance (progress: Progress, event: Event, fire: Fire): void {
    const { events, group, deadline } = progress
    if (event.timestamp >= deadline) {
      this.#line.forget(progress)
    } else if (isMeant(this.#pattern.events[events.length]!, event)) {
      events.push(event)
      if (events.length < this.#pattern.events.length) return
      this.#line.forget(progress)
      const data = {
        ...this.#context.isGrouped && { groupKey: group },
        count: events.length,
        events: events.map(({ data }) => data)
      }
      fire(temporalOccurrence(data, events, this.#pattern.events, event.timestamp))
    } else if (this.#pattern.strict) {
      this.#line.forget(progress)
    }
  }
}
