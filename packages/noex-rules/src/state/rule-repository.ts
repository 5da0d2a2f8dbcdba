import { compileRule } from '../compiler/compile-rule.js'
import type { CompiledRule } from '../compiler/compiled-rule.js'
import { RuleNotFoundError, RuleValidationError } from '../errors.js'
import type { EngineOptions } from '../options.js'
import type { RuleGroup, RuleGroupInput, RuleGroupUpdate } from '../rule-group.js'
import type { Rule, RuleInput } from '../rule.js'
import type { CompleteClock } from '../util/clock.js'
import { completeRule } from '../validation/complete-rule.js'
import type { ValidationResult } from '../validation/issues.js'
import { RuleInputValidator } from '../validation/rule-input-validator.js'
import type { FailureReporter } from './failure-reporter.js'
import { GroupStore } from './group-store.js'
import { type RuleContent, type RuleListener, RuleRegistry } from './rule-registry.js'
import { RuleStorage } from './rule-storage.js'

/** The rules and groups of an engine: validates them and, with persistence, saves changes. */
export class RuleRepository {
  readonly registry: RuleRegistry
  readonly #groups: GroupStore
  readonly #validator: RuleInputValidator
  readonly #storage: RuleStorage | undefined

  constructor (
    options: EngineOptions,
    clock: CompleteClock,
    reporter: FailureReporter,
    listener: RuleListener
  ) {
    this.#groups = new GroupStore(options.maxGroups, clock)
    this.registry = new RuleRegistry(compile, this.#groups, listener, options.maxRules, clock)
    this.#validator = new RuleInputValidator({ regex: options.regex })
    const { persistence, ownClock } = options
    this.#storage = persistence && new RuleStorage(persistence, clock, ownClock, reporter, () => ({
      rules: this.registry.all(),
      groups: this.#groups.all()
    }))
  }

  /** Loads the saved rules and groups. Rejects with `RuleStorageError` when one of them cannot be used. */
  async load (): Promise<void> {
    const saved = await this.#storage?.load()
    for (const group of saved?.groups ?? []) {
      this.#restore(group, 'group', () => { this.#groups.restore(group) })
    }
    for (const rule of saved?.rules ?? []) this.#restore(rule, 'rule', () => { this.#restoreRule(rule) })
  }

  /** Saves changes that have not been saved. Does not reject. */
  async save (): Promise<void> {
    await this.#storage?.flush()
  }

  validate (input: unknown): ValidationResult {
    return this.#validator.validate(input)
  }

  /** Registers a rule. Throws `RuleValidationError` and `LimitError`; then nothing has changed. */
  register (input: RuleInput, skipValidation: boolean): Rule {
    return this.#saveAfter(this.registry.register(this.#complete(input, skipValidation)))
  }

  /** Changes properties of a rule. Throws as `register` does, and `RuleNotFoundError`. */
  update (id: string, updates: Partial<RuleInput>): Rule {
    const rule = this.registry.get(id)
    if (rule === undefined) throw new RuleNotFoundError(id)
    if (typeof updates !== 'object' || updates === null || Array.isArray(updates)) {
      throw invalid('(root)', 'must be an object')
    }
    return this.#saveAfter(this.registry.update(this.#complete({ ...rule, ...updates, id }, false)))
  }

  unregister (id: string): boolean {
    return this.#saveIf(this.registry.unregister(id))
  }

  setEnabled (id: string, enabled: boolean): boolean {
    const changed = this.registry.setEnabled(id, enabled)
    this.#saveIf(changed === true)
    return changed !== undefined
  }

  group (id: string): RuleGroup | undefined {
    return this.#groups.get(id)
  }

  allGroups (): RuleGroup[] {
    return this.#groups.all()
  }

  createGroup (input: RuleGroupInput): RuleGroup {
    return this.#saveAfter(this.#groups.create(input))
  }

  updateGroup (id: string, update: RuleGroupUpdate): RuleGroup | undefined {
    const group = this.#groups.update(id, update)
    this.#saveIf(group !== undefined)
    return group
  }

  /** Deletes a group; its rules stay, in no group. Returns false when there was none. */
  deleteGroup (id: string): boolean {
    if (!this.#groups.delete(id)) return false
    this.registry.ungroup(id)
    return this.#saveIf(true)
  }

  #complete (input: RuleInput, skipValidation: boolean): RuleContent {
    if (skipValidation) return completeRule(input)
    const { result, input: checked } = this.#validator.inspect(input)
    if (checked === undefined) throw new RuleValidationError(messageOf(result), result.errors)
    return completeRule(checked)
  }

  #restoreRule (rule: Rule): void {
    const { version, createdAt, updatedAt } = rule
    if (![version, createdAt, updatedAt].every(Number.isSafeInteger)) {
      throw new TypeError('its version or times are no whole numbers')
    }
    this.registry.restore({ ...this.#complete(rule, false), version, createdAt, updatedAt })
  }

  #restore (saved: unknown, kind: string, restore: () => void): void {
    try {
      restore()
    } catch (error) {
      throw this.#storage!.failure(`the ${kind} ${idOf(saved)} is not valid`, error)
    }
  }

  #saveAfter<T> (result: T): T {
    this.#storage?.scheduleSave()
    return result
  }

  #saveIf (changed: boolean): boolean {
    if (changed) this.#storage?.scheduleSave()
    return changed
  }
}

/** Returns the id of a saved rule or group for messages. */
function idOf (saved: unknown): string {
  try {
    return String(JSON.stringify((saved as { id?: unknown } | null)?.id))
  } catch {
    return 'without an id that can be read'
  }
}

/** Compiles a rule. Throws `RuleValidationError` for a rule that was not validated and cannot be compiled. */
function compile (rule: Rule): CompiledRule {
  if (typeof rule.id !== 'string') throw invalid('id', 'must be a text')
  try {
    return compileRule(rule)
  } catch (error) {
    throw invalid('(root)', `cannot be compiled: ${error instanceof Error ? error.message : String(error)}`)
  }
}

function invalid (path: string, message: string): RuleValidationError {
  return new RuleValidationError(
    `The rule is not valid: ${path} ${message}`, [{ path, message, severity: 'error' }]
  )
}

function messageOf ({ errors }: ValidationResult): string {
  const [first] = errors
  return first === undefined
    ? 'The rule is not valid'
    : `The rule is not valid: ${first.path} ${first.message}`
}
