import type { CompleteClock } from '../util/clock.js'
import type { Event } from '../event.js'
import type { Occurrence } from '../state/occurrence.js'
import type { InstancePool } from './instances.js'

/** Says that a pattern has come true. */
export type Fire = (occurrence: Occurrence) => void

/** Watches events for one temporal trigger. */
export interface Watcher {
  /** Looks at an event of one of the pattern's topics. */
  observe: (event: Event, fire: Fire) => void
  /** Looks at what is due at a time, in epoch milliseconds. */
  expire: (now: number, fire: Fire) => void
  /** Forgets everything. */
  clear: () => void
}

/** What a watcher works with. */
export interface WatcherContext {
  readonly pool: InstancePool
  readonly clock: CompleteClock
  /** Whether each group is watched for itself. */
  readonly isGrouped: boolean
  /** Has `expire` called when its turn has come. */
  readonly onDue: (now: number) => void
}
