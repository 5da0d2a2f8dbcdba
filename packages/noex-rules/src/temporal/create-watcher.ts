import type { CompiledMatcher, CompiledTemporalPattern } from '../compiler/compiled-rule.js'
import { AbsenceWatcher } from './absence-watcher.js'
import { SequenceWatcher } from './sequence-watcher.js'
import { SlidingWindowWatcher } from './sliding-window-watcher.js'
import { TumblingWindowWatcher } from './tumbling-window-watcher.js'
import type { Watcher, WatcherContext } from './watcher.js'
import { createAggregation } from './window-aggregation.js'

export function createWatcher (pattern: CompiledTemporalPattern, context: WatcherContext): Watcher {
  switch (pattern.type) {
    case 'sequence': return new SequenceWatcher(pattern, context)
    case 'absence': return new AbsenceWatcher(pattern, context)
    default: {
      const aggregation = createAggregation(pattern)
      return pattern.sliding
        ? new SlidingWindowWatcher(aggregation, context)
        : new TumblingWindowWatcher(aggregation, context)
    }
  }
}

/** Returns the matchers of a pattern. */
export function matchersOf (pattern: CompiledTemporalPattern): readonly CompiledMatcher[] {
  switch (pattern.type) {
    case 'sequence': return pattern.events
    case 'absence': return [pattern.after, pattern.expected]
    default: return [pattern.event]
  }
}
