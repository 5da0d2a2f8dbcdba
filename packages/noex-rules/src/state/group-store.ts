import { RuleValidationError, type ValidationIssue } from '../errors.js'
import type { RuleGroup, RuleGroupInput, RuleGroupUpdate } from '../rule-group.js'
import type { CompleteClock } from '../util/clock.js'
import { assertData } from '../util/names.js'
import { KeyedStore } from './keyed-store.js'

/** The most characters of ids, names and descriptions of groups. */
const MAX_TEXT_LENGTH = 1024

/** The groups of an engine. A group is frozen, and replaced when it changes. */
export class GroupStore extends KeyedStore<RuleGroup> {
  constructor (max: number, clock: CompleteClock) {
    super('maxGroups', max, clock)
  }

  /**
   * Creates a group. Throws `RuleValidationError` for an invalid group and for an id that is taken, and
   * `LimitError`.
   */
  create (input: RuleGroupInput): RuleGroup {
    assertGroup(input)
    const now = this.clock.now()
    return this.#add({ id: input.id, ...membersOf(input, true), createdAt: now, updatedAt: now })
  }

  /** Adds a saved group. Throws as `create` does. */
  restore (saved: RuleGroup): void {
    assertGroup(saved)
    const { id, createdAt, updatedAt } = saved
    const times = Object.entries({ createdAt, updatedAt }).filter(([, time]) => !Number.isFinite(time))
    if (times.length > 0) throw invalid(times.map(([path]) => issue(path, 'must be a number')))
    this.#add({ id, ...membersOf(saved, true), createdAt, updatedAt })
  }

  /** Changes a group. Returns `undefined` when there is none of this id. Throws `RuleValidationError`. */
  update (id: string, update: RuleGroupUpdate): RuleGroup | undefined {
    const group = this.values.get(id)
    if (group === undefined) return undefined
    assertData(update, 'The update of a group')
    const given = Object.fromEntries(Object.entries(update).filter(([, value]) => value !== undefined))
    const merged = { ...group, ...given, id }
    assertGroup(merged)
    const { createdAt } = group
    return this.#set({ id, ...membersOf(merged, group.enabled), createdAt, updatedAt: this.clock.now() })
  }

  #add (group: RuleGroup): RuleGroup {
    if (this.values.has(group.id)) throw invalid([issue('id', 'is the id of another group')])
    this.assertRoom()
    return this.#set(group)
  }

  #set (group: RuleGroup): RuleGroup {
    Object.freeze(group)
    this.values.set(group.id, group)
    return group
  }
}

function membersOf (
  { name, description, enabled }: RuleGroupInput,
  isEnabled: boolean
): Pick<RuleGroup, 'name' | 'description' | 'enabled'> {
  return { name, ...description !== undefined && { description }, enabled: enabled ?? isEnabled }
}

function assertGroup (input: unknown): asserts input is RuleGroupInput {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    throw invalid([issue('(root)', 'must be an object')])
  }
  const { id, name, description, enabled } = input as Record<string, unknown>
  const issues: ValidationIssue[] = []
  for (const [path, text] of Object.entries({ id, name })) {
    if (typeof text !== 'string' || text.trim() === '') {
      issues.push(issue(path, 'must be a text that is not blank'))
    }
  }
  if (description !== undefined && typeof description !== 'string') {
    issues.push(issue('description', 'must be a text'))
  }
  for (const [path, text] of Object.entries({ id, name, description })) {
    if (typeof text === 'string' && text.length > MAX_TEXT_LENGTH) {
      issues.push(issue(path, `must have at most ${MAX_TEXT_LENGTH} characters`))
    }
  }
  if (enabled !== undefined && typeof enabled !== 'boolean') {
    issues.push(issue('enabled', 'must be true or false'))
  }
  if (issues.length > 0) throw invalid(issues)
}

function issue (path: string, message: string): ValidationIssue {
  return { path, message, severity: 'error' }
}

function invalid (issues: ValidationIssue[]): RuleValidationError {
  return new RuleValidationError('The group is not valid', issues)
}
