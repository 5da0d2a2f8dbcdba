import type { Event } from '../event.js'
import { addSample, type Figures, NO_TOTALS, type Totals } from './window-aggregation.js'
import { isMeant, MAX_SHOWN_EVENTS } from './temporal-occurrence.js'
import { type Instance, InstanceLine } from './instances.js'
import type { Fire, Watcher, WatcherContext } from './watcher.js'

interface Window extends Instance {
  readonly group: string
  readonly events: Event[]
  totals: Totals
}

/** Looks at windows side by side, each at its end. They begin at multiples of their length since 1970. */
export class TumblingWatcher implements Watcher {
  readonly #figures: Figures
  readonly #context: WatcherContext
  readonly #line: InstanceLine<Window>
  readonly #byGroup = new Map<string, Window>()

  constructor (figures: Figures, context: WatcherContext) {
    this.#figures = figures
    this.#context = context
    this.#line = new InstanceLine<Window>(context.pool, context.clock, ({ group }) => { this.#byGroup.delete(group) }, context.onDue)
  }

  feed (event: Event, fire: Fire): void {
    const group = this.#figures.groupOf(event.data)
    if (group === undefined || !isMeant(this.#figures.event, event)) return
    const value = this.#figures.sampleOf(event)
    if (value === undefined) return

    const window = this.#windowAt(event.timestamp, group, fire)
    window.totals = addSample(window.totals, value)
    if (window.events.length < MAX_SHOWN_EVENTS) window.events.push(event)
  }

  expire (now: number, fire: Fire): void {
    for (let due = this.#line.takeDue(now); due !== undefined; due = this.#line.takeDue(now)) this.#end(due, fire)
    this.#line.disarm()
    this.#line.arm()
  }

  clear (): void {
    this.#line.clear()
  }

  #windowAt (now: number, group: string, fire: Fire): Window {
    const open = this.#byGroup.get(group)
    if (open !== undefined && now < open.deadline) return open
    if (open !== undefined) {
      this.#line.forget(open)
      this.#end(open, fire)
    }
    const { windowMs } = this.#figures
    const deadline = (Math.floor(now / windowMs) + 1) * windowMs
    const window: Window = { group, events: [], totals: NO_TOTALS, deadline, line: this.#line }
    this.#byGroup.set(group, window)
    this.#line.add(window)
    return window
  }

  #end ({ totals, events, group, deadline }: Window, fire: Fire): void {
    const occurrence = this.#figures.occurrenceOf(totals, () => events, this.#context.isGrouped ? group : undefined, deadline)
    if (occurrence !== undefined) fire(occurrence)
  }
}
