import type { CompiledTemporalPattern } from '../compiler/compiled-rule.js'
import type { Event } from '../event.js'
import type { Occurrence } from '../state/occurrence.js'
import type { CompleteClock } from '../util/clock.js'
import { type Instance, type InstancePool, InstanceQueue } from './instances.js'

/** Called when a pattern is fulfilled. */
export type Fire = (occurrence: Occurrence) => void

/** Watches events for one temporal trigger. */
export interface Watcher {
  /** Observes an event of one of the pattern's topics. */
  observe: (event: Event, fire: Fire) => void
  /** Handles the instances that are due at a time, in epoch milliseconds. */
  expire: (now: number, fire: Fire) => void
  /** Removes all instances. */
  clear: () => void
}

/** The context of a watcher. */
export interface WatcherContext {
  readonly pool: InstancePool
  readonly clock: CompleteClock
  /** Whether the pattern has groups, each watched on its own. */
  readonly isGrouped: boolean
  /** Queues a call of `expire`. */
  readonly onDue: (now: number) => void
}

/**
 * Watches events for a pattern of type `P` by instances of type `T`, and holds a value of type `G` for each
 * group that has any.
 */
export abstract class InstanceWatcher<
  P extends Pick<CompiledTemporalPattern, 'groupOf'>, T extends Instance, G = T
> implements Watcher {
  protected readonly pattern: P
  protected readonly context: WatcherContext
  protected readonly queue: InstanceQueue<T>
  protected readonly byGroup = new Map<string, G>()

  constructor (pattern: P, context: WatcherContext) {
    this.pattern = pattern
    this.context = context
    this.queue = new InstanceQueue<T>(
      context.pool, context.clock, instance => { this.onForget(instance) }, context.onDue
    )
  }

  observe (event: Event, fire: Fire): void {
    const group = this.pattern.groupOf(event.data)
    if (group !== undefined) this.observeGroup(group, event, fire)
  }

  expire (now: number, fire: Fire): void {
    for (let due = this.queue.takeDue(now); due !== undefined; due = this.queue.takeDue(now)) {
      this.onExpired(due, fire, now)
    }
    this.queue.disarm()
    this.queue.arm()
  }

  clear (): void {
    this.queue.clear()
  }

  /** Observes an event of a group. */
  protected abstract observeGroup (group: string, event: Event, fire: Fire): void

  /** Called for each instance that leaves the queue. */
  protected onForget ({ group }: T): void {
    this.byGroup.delete(group)
  }

  /** Called for each instance that is due, after `onForget`. */
  protected onExpired (_instance: T, _fire: Fire, _now: number): void {}
}
