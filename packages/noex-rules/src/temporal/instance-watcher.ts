import type { Event } from '../event.js'
import { type Instance, InstanceQueue } from './instances.js'
import type { Fire, Watcher, WatcherContext } from './watcher.js'

/** Watches events by instances of type `T`, and holds a value of type `G` for each group that has any. */
export abstract class InstanceWatcher<T extends Instance, G = T> implements Watcher {
  protected readonly context: WatcherContext
  protected readonly queue: InstanceQueue<T>
  protected readonly byGroup = new Map<string, G>()

  constructor (context: WatcherContext) {
    this.context = context
    this.queue = new InstanceQueue<T>(
      context.pool, context.clock, instance => { this.onForget(instance) }, context.onDue
    )
  }

  abstract observe (event: Event, fire: Fire): void

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

  /** Called for each instance that leaves the queue. */
  protected onForget ({ group }: T): void {
    this.byGroup.delete(group)
  }

  /** Called for each instance that is due, after `onForget`. */
  protected onExpired (_instance: T, _fire: Fire, _now: number): void {}
}
