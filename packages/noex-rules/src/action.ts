import type { Condition, Reference } from './condition.js'
import type { Duration } from './util/duration.js'

/** One action of a rule. Texts may contain `${path}`; values may contain references, at any depth. */
export type Action =
  | { type: 'set_fact', key: string, value: unknown }
  | { type: 'delete_fact', key: string }
  | { type: 'emit_event', topic: string, data: Record<string, unknown> }
  | { type: 'set_timer', timer: TimerSetting }
  | { type: 'cancel_timer', name: string }
  | { type: 'call_service', service: string, method: string, args?: unknown[] }
  | { type: 'log', level: 'debug' | 'info' | 'warn' | 'error', message: string }
  | { type: 'conditional', conditions: Condition[], then: Action[], else?: Action[] }
  | {
    type: 'for_each',
    collection: unknown[] | Reference,
    as: string,
    actions: Action[],
    maxIterations?: number
  }
  | { type: 'try_catch', try: Action[], catch?: { as?: string, actions: Action[] }, finally?: Action[] }

/** The timer that a `set_timer` starts. */
export interface TimerSetting {
  name: string
  duration: Duration
  onExpire: { topic: string, data: Record<string, unknown> }
  repeat?: { interval: Duration, maxCount?: number }
}

/** Every type of an action. */
export const ACTION_TYPES = [
  'set_fact', 'delete_fact', 'emit_event', 'set_timer', 'cancel_timer', 'call_service', 'log',
  'conditional', 'for_each', 'try_catch'
] as const satisfies ReadonlyArray<Action['type']>

/** Every level of a `log`. */
export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const
