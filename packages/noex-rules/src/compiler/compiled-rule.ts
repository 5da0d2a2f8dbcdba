import type { Resolve } from '../expressions/scope.js'
import type { PatternMatcher } from '../patterns/pattern.js'
import type { Rule, RuleLookup } from '../rule.js'

/** A compiled rule: its patterns, references and templates are compiled once. */
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

/** A compiled `EventMatcher`. */
export interface CompiledMatcher {
  readonly topic: PatternMatcher
  readonly as: string | undefined
  /** Returns whether data passes the filter; the topic is not checked. */
  accepts: (data: Readonly<Record<string, unknown>>) => boolean
}

export type CompiledTemporalPattern = {
  /**
   * Returns the group of an event: `''` when the pattern has none, `undefined` for an event that the pattern
   * ignores.
   */
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
    /** Returns the number at the field; `undefined` when there is none. */
    valueOf: (data: Readonly<Record<string, unknown>>) => number | undefined
    holds: (value: number) => boolean
  }
)

export type CompiledSequence = Extract<CompiledTemporalPattern, { type: 'sequence' }>
export type CompiledAbsence = Extract<CompiledTemporalPattern, { type: 'absence' }>

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
