import type { CompiledMatcher, CompiledTemporalPattern } from '../compiled-rule.js'
import type { CompleteClock } from '../clock.js'
import type { Event } from '../event.js'
import type { Occurrence } from '../occurrence.js'
import { AbsenceWatcher } from './absence-watcher.js'
import { figuresOf } from './figures.js'
import type { InstancePool } from './instances.js'
import { SequenceWatcher } from './sequence-watcher.js'
import { SlidingWatcher } from './sliding-watcher.js'
import { TumblingWatcher } from './tumbling-watcher.js'

/** Says that a pattern has come true. */
export type Fire = (occurrence: Occurrence) => void

/** Watches events for one temporal trigger. */
export interface Watcher {
  /** Looks at an event of one of the pattern's topics. */
  feed: (event: Event, fire: Fire) => void
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

export function createWatcher (pattern: CompiledTemporalPattern, context: WatcherContext): Watcher {
  switch (pattern.type) {
    case 'sequence': return new SequenceWatcher(pattern, context)
    case 'absence': return new AbsenceWatcher(pattern, context)
    default: {
      const figures = figuresOf(pattern)
      return pattern.sliding ? new SlidingWatcher(figures, context) : new TumblingWatcher(figures, context)
    }
  }
}

/** The matchers of a pattern. */
export function matchersOf (pattern: CompiledTemporalPattern): readonly CompiledMatcher[] {
  switch (pattern.type) {
    case 'sequence': return pattern.events
    case 'absence': return [pattern.after, pattern.expected]
    default: return [pattern.event]
  }
}
