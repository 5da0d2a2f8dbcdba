import type { CompiledAction } from '../compiler/compiled-rule.js'
import { LimitError } from '../errors.js'
import type { Scope } from '../expressions/scope.js'
import type { Rule } from '../rule.js'
import type { Cause } from '../state/occurrence.js'
import type { TimerConfig } from '../timer.js'
import { toError } from '../util/to-error.js'
import type { Chain } from './chain.js'
import type { TimeSlice } from './time-slice.js'

/** A running rule. */
export interface RuleRun {
  readonly rule: Rule
  readonly scope: Scope
  /** The variables of the scope. */
  readonly variables: Map<string, unknown>
  readonly chain: Chain
  /** The level of the rule, and of the events that it sends. */
  readonly level: number
  readonly cause: Cause
}

/** The effects of actions on the engine. Failures throw, or reject. */
export interface ActionEffects {
  setFact: (key: string, value: unknown, run: RuleRun) => Promise<void> | undefined
  deleteFact: (key: string) => void
  emit: (topic: string, data: Record<string, unknown>, run: RuleRun) => Promise<void> | undefined
  setTimer: (config: TimerConfig) => void
  cancelTimer: (name: string) => void
  callService: (
    service: string,
    method: string,
    args: (scope: Scope) => readonly unknown[],
    run: RuleRun
  ) => Promise<void>
  log: (level: 'debug' | 'info' | 'warn' | 'error', message: string, run: RuleRun) => void
  /** Called for an action that failed. */
  onActionFailed: (error: unknown, action: string, run: RuleRun) => void
  /** Called once per chain, when its budget of actions is exhausted. */
  onActionsExhausted: (run: RuleRun) => void
  /** Called for a loop that was cut to `maxIterations`. */
  onLoopCut: (error: LimitError, run: RuleRun) => void
}

/**
 * Runs the actions of rules, one after the other. A failure does not stop the next action, except within
 * `try`.
 */
export class ActionRunner {
  readonly #effects: ActionEffects
  readonly #timeSlice: TimeSlice

  constructor (effects: ActionEffects, timeSlice: TimeSlice) {
    this.#effects = effects
    this.#timeSlice = timeSlice
  }

  /** Runs the actions of a rule. Does not fail. */
  run (actions: readonly CompiledAction[], run: RuleRun): Promise<void> {
    return this.#runAll(actions, run, false)
  }

  /** With `stops`, throws the first failure; without, reports each. */
  async #runAll (actions: readonly CompiledAction[], run: RuleRun, stops: boolean): Promise<void> {
    for (const action of actions) {
      if (!this.#mayRun(run)) return
      try {
        const running = this.#runOne(action, run, stops)
        if (running !== undefined) await running
      } catch (error) {
        if (stops) throw error
        this.#effects.onActionFailed(error, action.type, run)
      }
      const yielding = this.#timeSlice.yieldIfOver()
      if (yielding !== undefined) await yielding
    }
  }

  #mayRun (run: RuleRun): boolean {
    const outcome = run.chain.takeAction()
    if (outcome === 'exceeded') this.#effects.onActionsExhausted(run)
    return outcome === 'granted'
  }

  #runOne (action: CompiledAction, run: RuleRun, stops: boolean): Promise<void> | undefined | void {
    const { scope } = run
    switch (action.type) {
      case 'set_fact': return this.#effects.setFact(action.key(scope), action.value(scope), run)
      case 'delete_fact': return this.#effects.deleteFact(action.key(scope))
      case 'emit_event': return this.#effects.emit(action.topic(scope), action.data(scope), run)
      case 'set_timer': return this.#setTimer(action, run)
      case 'cancel_timer': return this.#effects.cancelTimer(action.name(scope))
      case 'call_service': return this.#effects.callService(action.service, action.method, action.args, run)
      case 'log': return this.#effects.log(action.level, action.message(scope), run)
      case 'conditional':
        return this.#runAll(action.conditions(scope) ? action.then : action.else, run, stops)
      case 'for_each': return this.#forEach(action, run, stops)
      case 'try_catch': return this.#tryCatch(action, run, stops)
    }
  }

  #setTimer (
    { name, durationMs, topic, data, repeat }: Extract<CompiledAction, { type: 'set_timer' }>,
    { scope, cause }: RuleRun
  ): void {
    this.#effects.setTimer({
      name: name(scope),
      duration: durationMs,
      onExpire: { topic: topic(scope), data: data(scope) },
      ...repeat !== undefined && { repeat },
      ...cause.correlationId !== undefined && { correlationId: cause.correlationId }
    })
  }

  async #forEach (
    { collection, as, actions, maxIterations }: Extract<CompiledAction, { type: 'for_each' }>,
    run: RuleRun,
    stops: boolean
  ): Promise<void> {
    const items = collection(run.scope)
    if (!Array.isArray(items)) {
      throw new TypeError(
        `The collection of a for_each is no array but ${items === null ? 'null' : typeof items}`
      )
    }
    const length = Math.min(items.length, maxIterations)
    if (length < items.length) this.#effects.onLoopCut(new LimitError('maxIterations', maxIterations), run)
    if (actions.length === 0) return

    await this.#withVariables([as, `${as}_index`], run, async () => {
      for (let index = 0; index < length && !run.chain.isExhausted; index++) {
        run.variables.set(as, items[index])
        run.variables.set(`${as}_index`, index)
        await this.#runAll(actions, run, stops)
      }
    })
  }

  /** Handles a failure in `catch`; without a `catch`, reports it. */
  async #tryCatch (
    action: Extract<CompiledAction, { type: 'try_catch' }>,
    run: RuleRun,
    stops: boolean
  ): Promise<void> {
    try {
      await this.#runAll(action.try, run, true)
    } catch (error) {
      if (action.catch === undefined) this.#effects.onActionFailed(error, action.type, run)
      else await this.#catch(action.catch, error, run, stops)
    } finally {
      await this.#runAll(action.finally, run, stops)
    }
  }

  async #catch (
    { as, actions }: NonNullable<Extract<CompiledAction, { type: 'try_catch' }>['catch']>,
    error: unknown,
    run: RuleRun,
    stops: boolean
  ): Promise<void> {
    if (as === undefined) return this.#runAll(actions, run, stops)
    await this.#withVariables([as], run, async () => {
      run.variables.set(as, { message: toError(error).message })
      await this.#runAll(actions, run, stops)
    })
  }

  /** Restores variables to the values that they had before. */
  async #withVariables (
    names: readonly string[],
    { variables }: RuleRun,
    work: () => Promise<void>
  ): Promise<void> {
    const before = names.map(name => [name, variables.has(name), variables.get(name)] as const)
    try {
      await work()
    } finally {
      for (const [name, existed, value] of before) {
        if (existed) variables.set(name, value)
        else variables.delete(name)
      }
    }
  }
}
