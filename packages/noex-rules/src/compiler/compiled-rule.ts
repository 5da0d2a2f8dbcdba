import type { PatternMatcher } from '../patterns/pattern.js'
import type { Resolve } from '../expressions/scope.js'
import type { Rule, RuleLookup } from '../rule.js'

/** A rule ready to run: each pattern, reference and template in it is compiled once, here. */
export interface CompiledRule {
  readonly rule: Rule
  readonly trigger: CompiledTrigger
  readonly lookups: readonly CompiledLookup[]
  readonly conditions: Resolve<boolean>
  readonly actions: readonly CompiledAction[]
}

export type CompiledTrigger =
  | { readonly type: 'event' | 'fact' | 'timer', readonly pattern: PatternMatcher }
  | { readonly type: 'temporal', readonly pattern: CompiledTemporalPattern }

/** Topics are matched by `matches`; `groupOf` gives `undefined` for an event that the pattern ignores. */
export interface CompiledMatcher {
  readonly topic: PatternMatcher
  readonly as: string | undefined
  /** Whether data passes the filter; the topic is not looked at. */
  accepts: (data: Readonly<Record<string, unknown>>) => boolean
}

export type CompiledTemporalPattern = {
  /** The group of an event: `''` when the pattern has none, `undefined` when the event lacks the field. */
  groupOf: (data: Readonly<Record<string, unknown>>) => string | undefined
} & (
  | {
    readonly type: 'sequence',
    readonly events: readonly CompiledMatcher[],
    readonly withinMs: number,
    readonly strict: boolean
  }
  | {
    readonly type: 'absence',
    readonly after: CompiledMatcher,
    readonly expected: CompiledMatcher,
    readonly withinMs: number
  }
  | {
    readonly type: 'count',
    readonly event: CompiledMatcher,
    readonly windowMs: number,
    readonly sliding: boolean,
    holds: (count: number) => boolean
  }
  | {
    readonly type: 'aggregate',
    readonly event: CompiledMatcher,
    readonly windowMs: number,
    readonly sliding: boolean
    readonly function: 'sum' | 'avg' | 'min' | 'max' | 'count'
    /** `undefined` when the event has no number at the field. */
    valueOf: (data: Readonly<Record<string, unknown>>) => number | undefined
    holds: (value: number) => boolean
  }
)

export interface CompiledLookup {
  readonly lookup: RuleLookup
  readonly args: Resolve<unknown[]>
  readonly ttlMs: number | undefined
}

export type CompiledAction =
  | { readonly type: 'set_fact', readonly key: Resolve<string>, readonly value: Resolve }
  | { readonly type: 'delete_fact', readonly key: Resolve<string> }
  | {
    readonly type: 'emit_event',
    readonly topic: Resolve<string>,
    readonly data: Resolve<Record<string, unknown>>
  }
  | {
    readonly type: 'set_timer',
    readonly name: Resolve<string>,
    readonly durationMs: number
    readonly topic: Resolve<string>,
    readonly data: Resolve<Record<string, unknown>>
    readonly repeat: { readonly interval: number, readonly maxCount?: number } | undefined
  }
  | { readonly type: 'cancel_timer', readonly name: Resolve<string> }
  | {
    readonly type: 'call_service',
    readonly service: string,
    readonly method: string,
    readonly args: Resolve<unknown[]>
  }
  | {
    readonly type: 'log',
    readonly level: 'debug' | 'info' | 'warn' | 'error',
    readonly message: Resolve<string>
  }
  | {
    readonly type: 'conditional',
    readonly conditions: Resolve<boolean>,
    readonly then: readonly CompiledAction[],
    readonly else: readonly CompiledAction[]
  }
  | {
    readonly type: 'for_each',
    readonly collection: Resolve,
    readonly as: string,
    readonly actions: readonly CompiledAction[],
    readonly maxIterations: number
  }
  | {
    readonly type: 'try_catch',
    readonly try: readonly CompiledAction[]
    readonly catch: {
      readonly as: string | undefined,
      readonly actions: readonly CompiledAction[]
    } | undefined
    readonly finally: readonly CompiledAction[]
  }

export type CompileRule = (rule: Rule) => CompiledRule
