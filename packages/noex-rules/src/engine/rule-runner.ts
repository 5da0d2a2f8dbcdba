import { DataResolutionError } from '../errors.js'
import type { FactReader, Scope } from '../expressions/scope.js'
import type { FailureReporter } from '../state/failure-reporter.js'
import type { Occurrence } from '../state/occurrence.js'
import type { RegisteredRule, RuleRegistry } from '../state/rule-registry.js'
import type { Counters } from '../state/stats.js'
import type { CompleteClock } from '../util/clock.js'
import type { ActionRunner } from './action-runner.js'
import type { Chain } from './chain.js'
import type { Lookups } from './lookups.js'

const NO_RESULTS: ReadonlyMap<string, unknown> = new Map()

/** Runs a rule: its lookups, its conditions, its actions. Never fails. */
export class RuleRunner {
  readonly #rules: RuleRegistry
  readonly #facts: FactReader
  readonly #lookups: Lookups
  readonly #actions: ActionRunner
  readonly #counters: Counters
  readonly #reporter: FailureReporter
  readonly #clock: CompleteClock
  readonly #onMissing = (): void => { this.#counters.conditionsMissing++ }

  constructor (
    rules: RuleRegistry,
    facts: FactReader,
    lookups: Lookups,
    actions: ActionRunner,
    counters: Counters,
    reporter: FailureReporter,
    clock: CompleteClock
  ) {
    this.#rules = rules
    this.#facts = facts
    this.#lookups = lookups
    this.#actions = actions
    this.#counters = counters
    this.#reporter = reporter
    this.#clock = clock
  }

  /** Runs a rule at a level of a chain, from 1 on. Returns no promise when there is nothing to do. */
  run (
    registered: RegisteredRule,
    occurrence: Occurrence,
    chain: Chain,
    level: number
  ): Promise<void> | undefined {
    if (!this.#rules.isActive(registered)) return undefined
    if (registered.compiled.lookups.length > 0) {
      return this.#runWithLookups(registered, occurrence, chain, level)
    }
    const variables = new Map<string, unknown>()
    const scope = this.#scope(occurrence, NO_RESULTS, variables)
    return this.#holds(registered, scope)
      ? this.#act(registered, occurrence, scope, variables, chain, level)
      : undefined
  }

  async #runWithLookups (
    registered: RegisteredRule,
    occurrence: Occurrence,
    chain: Chain,
    level: number
  ): Promise<void> {
    const variables = new Map<string, unknown>()
    try {
      const results = await this.#lookups.resolve(
        registered.compiled.lookups, this.#scope(occurrence, NO_RESULTS, variables), chain, level
      )
      if (results instanceof DataResolutionError) {
        this.#reporter.log(
          'debug',
          { err: results, ruleId: registered.compiled.rule.id },
          'a rule was skipped: a lookup failed'
        )
        return
      }
      // A service may have removed or disabled the rule.
      if (!this.#rules.isActive(registered)) return
      const scope = this.#scope(occurrence, results, variables)
      if (this.#holds(registered, scope)) {
        await this.#act(registered, occurrence, scope, variables, chain, level)
      }
    } catch (error) {
      this.#fail(registered, error, 'a lookup of a rule failed')
    }
  }

  #scope (
    { data, meta, matched }: Occurrence,
    lookups: ReadonlyMap<string, unknown>,
    variables: ReadonlyMap<string, unknown>
  ): Scope {
    return { data, meta, matched, facts: this.#facts, lookups, variables, onMissing: this.#onMissing }
  }

  #holds (registered: RegisteredRule, scope: Scope): boolean {
    try {
      return registered.compiled.conditions(scope)
    } catch (error) {
      this.#fail(registered, error, 'the conditions of a rule failed')
      return false
    }
  }

  async #act (
    { compiled: { rule, actions } }: RegisteredRule,
    { cause }: Occurrence,
    scope: Scope,
    variables: Map<string, unknown>,
    chain: Chain,
    level: number
  ): Promise<void> {
    const start = this.#clock.ticks()
    await this.#actions.run(actions, { rule, scope, variables, chain, level, cause })
    this.#counters.rulesExecuted++
    this.#counters.executionTime += this.#clock.ticks() - start
  }

  #fail ({ compiled: { rule } }: RegisteredRule, error: unknown, message: string): void {
    this.#counters.conditionsFailed++
    this.#reporter.reportFailure(error, { ruleId: rule.id }, message)
  }
}
