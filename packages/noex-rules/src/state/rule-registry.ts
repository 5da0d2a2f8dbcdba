import type { CompiledRule, CompileRule } from '../compiler/compiled-rule.js'
import { LimitError, RuleNotFoundError, RuleValidationError } from '../errors.js'
import { PatternIndex } from '../patterns/pattern-index.js'
import type { PatternMatcher } from '../patterns/pattern.js'
import type { Rule } from '../rule.js'
import type { CompleteClock } from '../util/clock.js'
import type { GroupStore } from './group-store.js'

/** A registered rule. Enabling and disabling changes it; an update replaces it. */
export interface RegisteredRule {
  compiled: CompiledRule
  /** Its position among rules of one priority. */
  readonly order: number
  isRegistered: boolean
}

/** Called for registered and removed rules. */
export interface RuleListener {
  onRuleAdded: (registered: RegisteredRule) => void
  onRuleRemoved: (registered: RegisteredRule) => void
}

/** The properties of a rule without those that the engine sets. */
export type RuleContent = Omit<Rule, 'version' | 'createdAt' | 'updatedAt'>

/** The rules of an engine. A rule is frozen, and replaced when it changes. */
export class RuleRegistry {
  readonly #rules = new Map<string, RegisteredRule>()
  readonly #indexes = {
    event: new PatternIndex<RegisteredRule>(byPriority),
    fact: new PatternIndex<RegisteredRule>(byPriority),
    timer: new PatternIndex<RegisteredRule>(byPriority)
  }

  readonly #compile: CompileRule
  readonly #groups: GroupStore
  readonly #listener: RuleListener
  readonly #max: number
  readonly #clock: CompleteClock
  #version = 0
  #order = 0

  constructor (
    compile: CompileRule,
    groups: GroupStore,
    listener: RuleListener,
    max: number,
    clock: CompleteClock
  ) {
    this.#compile = compile
    this.#groups = groups
    this.#listener = listener
    this.#max = max
    this.#clock = clock
  }

  get size (): number {
    return this.#rules.size
  }

  get (id: string): Rule | undefined {
    return this.#rules.get(id)?.compiled.rule
  }

  /** In the order of registration. */
  all (): Rule[] {
    return [...this.#rules.values()].map(({ compiled }) => compiled.rule)
  }

  /**
   * Returns the rules that a topic, a key or the name of a timer triggers, in the order in which they run,
   * disabled ones included.
   */
  triggeredBy (type: 'event' | 'fact' | 'timer', text: string): readonly RegisteredRule[] {
    return this.#indexes[type].find(text)
  }

  /** Returns whether a rule may run: it is registered and enabled, and so is its group, if that exists. */
  isActive ({ compiled: { rule }, isRegistered }: RegisteredRule): boolean {
    return isRegistered && rule.enabled &&
      (rule.group === undefined || this.#groups.get(rule.group)?.enabled !== false)
  }

  /**
   * Registers a rule, in place of one of the same id. Throws `LimitError`, `RuleValidationError` for an
   * unknown group, and errors of the compiler; then nothing has changed.
   */
  register (content: RuleContent): Rule {
    const replaced = this.#rules.get(content.id)
    if (replaced === undefined && this.#rules.size >= this.#max) throw new LimitError('maxRules', this.#max)
    const now = this.#clock.now()
    const compiled = this.#prepare(content, this.#version + 1, now, now)
    if (replaced !== undefined) this.#remove(replaced)
    this.#version++
    this.#add({ compiled, order: this.#order++, isRegistered: true })
    return compiled.rule
  }

  /** Changes a rule, which keeps its position. Throws as `register` does, and `RuleNotFoundError`. */
  update (content: RuleContent): Rule {
    const replaced = this.#rules.get(content.id)
    if (replaced === undefined) throw new RuleNotFoundError(content.id)
    const compiled = this.#prepare(
      content, this.#version + 1, replaced.compiled.rule.createdAt, this.#clock.now()
    )
    this.#removeFromIndexes(replaced)
    this.#version++
    this.#add({ compiled, order: replaced.order, isRegistered: true })
    return compiled.rule
  }

  /**
   * Adds a saved rule, with its version and times. Throws as `register` does, and for an id that is taken.
   */
  restore (rule: Rule): void {
    if (this.#rules.has(rule.id)) throw invalid('id', `There is a rule "${rule.id}" already`)
    if (this.#rules.size >= this.#max) throw new LimitError('maxRules', this.#max)
    const compiled = this.#prepare(rule, rule.version, rule.createdAt, rule.updatedAt)
    this.#version = Math.max(this.#version, rule.version)
    this.#add({ compiled, order: this.#order++, isRegistered: true })
  }

  /** Returns false when there was none. */
  unregister (id: string): boolean {
    const registered = this.#rules.get(id)
    if (registered !== undefined) this.#remove(registered)
    return registered !== undefined
  }

  /** Enables or disables a rule. Returns whether it changed; `undefined` when there is none of this id. */
  setEnabled (id: string, enabled: boolean): boolean | undefined {
    const registered = this.#rules.get(id)
    if (registered === undefined) return undefined
    if (registered.compiled.rule.enabled === enabled) return false
    this.#replaceRule(registered, { ...registered.compiled.rule, enabled, updatedAt: this.#clock.now() })
    return true
  }

  /** Removes all rules from a group. */
  ungroup (group: string): void {
    for (const registered of this.#rules.values()) {
      const { group: current, ...rest } = registered.compiled.rule
      if (current === group) this.#replaceRule(registered, { ...rest, updatedAt: this.#clock.now() })
    }
  }

  #prepare (content: RuleContent, version: number, createdAt: number, updatedAt: number): CompiledRule {
    if (content.group !== undefined && this.#groups.get(content.group) === undefined) {
      throw invalid('group', `There is no group "${content.group}"`)
    }
    return this.#compile(Object.freeze(orderMembers({ ...content, version, createdAt, updatedAt })))
  }

  #add (registered: RegisteredRule): void {
    const { rule, trigger } = registered.compiled
    this.#rules.set(rule.id, registered)
    if (trigger.type !== 'temporal') this.#indexes[trigger.type].add(trigger.pattern, registered)
    this.#listener.onRuleAdded(registered)
  }

  #remove (registered: RegisteredRule): void {
    this.#removeFromIndexes(registered)
    this.#rules.delete(registered.compiled.rule.id)
  }

  #removeFromIndexes (registered: RegisteredRule): void {
    const { trigger } = registered.compiled
    registered.isRegistered = false
    if (trigger.type !== 'temporal') {
      this.#indexes[trigger.type].delete([trigger.pattern as PatternMatcher], registered)
    }
    this.#listener.onRuleRemoved(registered)
  }

  /** Replaces a rule without compiling it again: nothing compiled depends on the change. */
  #replaceRule (registered: RegisteredRule, rule: Rule): void {
    registered.compiled = { ...registered.compiled, rule: Object.freeze(orderMembers(rule)) }
  }
}

/** Compares two rules in the order in which they run. */
export function byPriority (a: RegisteredRule, b: RegisteredRule): number {
  return b.compiled.rule.priority - a.compiled.rule.priority || a.order - b.order
}

function invalid (path: string, message: string): RuleValidationError {
  return new RuleValidationError(`The rule is not valid: ${message}`, [{ path, message, severity: 'error' }])
}

/** Returns a rule with its properties in a fixed order. */
function orderMembers (
  {
    id, name, description, priority, enabled, version, tags, group, trigger, conditions, actions, lookups,
    createdAt, updatedAt
  }: Rule
): Rule {
  return {
    id,
    name,
    ...description !== undefined && { description },
    priority,
    enabled,
    version,
    tags,
    ...group !== undefined && { group },
    trigger,
    conditions,
    actions,
    ...lookups !== undefined && { lookups },
    createdAt,
    updatedAt
  }
}
