import type { Event } from '../event.js'
import type { Occurrence } from '../state/occurrence.js'
import type { CompleteClock } from '../util/clock.js'
import type { InstancePool } from './instances.js'

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
