import type { Action, TimerSetting } from '../action.js'
import { ResolutionError } from '../errors.js'
import type { Resolve } from '../expressions/scope.js'
import { compileTemplate } from '../expressions/template.js'
import { compileValue } from '../expressions/value.js'
import { parseDuration } from '../util/duration.js'
import { isRecord } from '../util/record.js'
import { compileConditions } from './compile-condition.js'
import type { CompiledAction } from './compiled-rule.js'

/** The default of `maxIterations`. */
const DEFAULT_MAX_ITERATIONS = 1000

/**
 * Compiles actions, and those within them. Throws `ReferencePathError`, `PatternError`, `RangeError`, and
 * `TypeError` for an unknown type.
 */
export function compileActions (actions: readonly Action[]): CompiledAction[] {
  return actions.map(compileAction)
}

/** Compiles the arguments of a call. Throws `ReferencePathError`. */
export function compileArguments (args: readonly unknown[] = []): Resolve<unknown[]> {
  const compiled = args.map(compileValue)
  return scope => compiled.map(resolve => resolve(scope))
}

function compileAction (action: Action): CompiledAction {
  const { type } = action
  switch (type) {
    case 'set_fact': return { type, key: compileTemplate(action.key), value: compileValue(action.value) }
    case 'delete_fact': return { type, key: compileTemplate(action.key) }
    case 'emit_event': return { type, topic: compileTemplate(action.topic), data: compileData(action.data) }
    case 'set_timer': return compileSetTimer(action.timer)
    case 'cancel_timer': return { type, name: compileTemplate(action.name) }
    case 'call_service':
      return { type, service: action.service, method: action.method, args: compileArguments(action.args) }
    case 'log': return { type, level: action.level, message: compileTemplate(action.message) }
    case 'conditional': return {
      type,
      conditions: compileConditions(action.conditions),
      then: compileActions(action.then),
      else: compileActions(action.else ?? [])
    }
    case 'for_each': return {
      type,
      collection: compileValue(action.collection),
      as: action.as,
      actions: compileActions(action.actions),
      maxIterations: action.maxIterations ?? DEFAULT_MAX_ITERATIONS
    }
    case 'try_catch': return {
      type,
      try: compileActions(action.try),
      catch: action.catch && { as: action.catch.as, actions: compileActions(action.catch.actions) },
      finally: compileActions(action.finally ?? [])
    }
    default: throw new TypeError('An action has an unknown type')
  }
}

function compileSetTimer ({ name, duration, onExpire, repeat }: TimerSetting): CompiledAction {
  return {
    type: 'set_timer',
    name: compileTemplate(name),
    durationMs: parseDuration(duration),
    topic: compileTemplate(onExpire.topic),
    data: compileData(onExpire.data),
    repeat: repeat && {
      interval: parseDuration(repeat.interval),
      ...(repeat.maxCount === undefined ? {} : { maxCount: repeat.maxCount })
    }
  }
}

/**
 * Compiles the data of an event. The compiled data throws `ResolutionError` when a reference stands for the
 * whole and is no object.
 */
function compileData (data: Readonly<Record<string, unknown>> = {}): Resolve<Record<string, unknown>> {
  const compiled = compileValue(data)
  return scope => {
    const resolved = compiled(scope)
    if (isRecord(resolved)) return resolved
    throw new ResolutionError('The data of an event is an object')
  }
}
