import { didYouMean, nearestNames, quoted } from '../util/nearest.js'
import { aggregates } from './aggregate.js'
import { computations } from './compute.js'
import { operators } from './condition.js'
import type { Issues } from './issues.js'
import type { ProcedureStep } from './procedure.js'
import { piecesOf } from './reference.js'
import { transformations } from './transform.js'

/** Bounds of a procedure. */
export interface ProcedureLimits {
  /** The number of all steps, those within others included. */
  readonly maxSteps: number
  /** Levels of `if` steps within each other. */
  readonly maxConditionDepth: number
}

/**
 * Characters of a name in a step: of a bucket, a result, a topic.
 * @limit `VALIDATION_ERROR`
 */
const MAX_NAME_CHARS = 1_024

type Json = Readonly<Record<string, unknown>>

/** Returns the problem with the value of a member; `undefined` when valid. */
type MemberCheck = (value: unknown) => string | undefined

const isText: MemberCheck = value => {
  if (typeof value !== 'string' || value === '') return 'must be a non-empty text'
  return value.length > MAX_NAME_CHARS ? `must not be longer than ${MAX_NAME_CHARS} characters` : undefined
}
const isObject: MemberCheck = value => isJsonObject(value) ? undefined : 'must be an object'
const isAnything: MemberCheck = () => undefined
const isPositive: MemberCheck = value =>
  isReference(value) || (Number.isSafeInteger(value) && (value as number) >= 1)
    ? undefined
    : 'must be an integer of at least 1'
const isOperand: MemberCheck = value =>
  typeof value === 'number' || isReference(value) ? undefined : 'must be a number or one placeholder'
const oneOf =
  (names: readonly string[]): MemberCheck =>
    value =>
      (names as readonly unknown[]).includes(value) ? undefined : `must be one of ${names.join(', ')}`

/** Marks the name of an optional member, at its end. */
const OPTIONAL = '?'

/** The members of each action, beside `action`. Members that hold steps are checked apart. */
const actions: ReadonlyMap<string, Readonly<Record<string, MemberCheck>>> = new Map(Object.entries({
  'store.get': { bucket: isText, key: isText, as: isText },
  'store.where': { bucket: isText, filter: isObject, 'limit?': isPositive, as: isText },
  'store.findOne': { bucket: isText, filter: isObject, as: isText },
  'store.insert': { bucket: isText, data: isObject, 'as?': isText },
  'store.update': {
    bucket: isText, key: isText, data: isObject, 'expectedVersion?': isPositive, 'as?': isText
  },
  'store.increment': {
    bucket: isText,
    key: isText,
    field: isText,
    by: isOperand,
    'expectedVersion?': isPositive,
    'as?': isText
  },
  'store.delete': { bucket: isText, key: isText, 'expectedVersion?': isPositive },
  'store.count': { bucket: isText, 'filter?': isObject, as: isText },
  aggregate: { source: isText, op: oneOf(aggregates), 'field?': isText, as: isText },
  compute: { op: oneOf(computations), left: isOperand, 'right?': isOperand, as: isText },
  'rules.emit': { topic: isText, 'data?': isObject },
  'rules.setFact': { key: isText, value: isAnything },
  'rules.getFact': { key: isText, as: isText },
  if: { condition: isObject, then: isAnything, 'else?': isAnything },
  transform: { source: isText, operation: oneOf(transformations), args: isAnything, as: isText },
  return: { value: isAnything }
} satisfies Record<ProcedureStep['action'], Readonly<Record<string, MemberCheck>>>))

const conditionMembers = { ref: isText, operator: oneOf(operators), 'value?': isAnything }

/** Checks the steps of one procedure and counts them. */
export class StepCheck {
  /** The number of steps so far. */
  count = 0
  /** The deepest level of `if` steps so far. */
  depth = 0
  readonly #issues: Issues
  readonly #limits: ProcedureLimits

  constructor (issues: Issues, limits: ProcedureLimits) {
    this.#issues = issues
    this.#limits = limits
  }

  /** Checks a list of steps and those within them; `depth` is the level of the `if` around them, else 0. */
  steps (value: unknown, path: string, depth = 0): void {
    if (!Array.isArray(value) || value.length === 0) {
      this.#issues.add(path, 'must be a non-empty array of steps')
      return
    }
    for (let index = 0; index < value.length && !this.#issues.isFull; index++) {
      this.#step(value[index], `${path}[${index}]`, depth)
    }
  }

  #step (step: unknown, path: string, depth: number): void {
    this.count++
    if (!isJsonObject(step)) {
      this.#issues.add(path, 'must be an object')
      return
    }
    const { action } = step
    const members = typeof action === 'string' ? actions.get(action) : undefined
    if (members === undefined) {
      // Operations of the application are none: their handlers may call procedures.
      const given = typeof action === 'string' && action !== '' ? `, not ${quoted(action)}` : ''
      this.#issues.add(`${path}.action`, `must be one of ${[...actions.keys()].join(', ')}${given}`)
      return
    }
    checkMembers(step, { ...members, action: isAnything }, path, this.#issues)
    if (action === 'if') this.#branches(step, path, depth + 1)
    if (action === 'aggregate' && step['op'] !== 'count' && !Object.hasOwn(step, 'field')) {
      this.#issues.add(`${path}.field`, 'is required unless "op" is "count"')
    }
    if (action === 'compute' && step['op'] !== 'round' && !Object.hasOwn(step, 'right')) {
      this.#issues.add(`${path}.right`, 'is required unless "op" is "round"')
    }
    if (action === 'transform' && Object.hasOwn(step, 'args')) this.#arguments(step, `${path}.args`)
  }

  #branches (step: Json, path: string, depth: number): void {
    this.depth = Math.max(this.depth, depth)
    if (depth > this.#limits.maxConditionDepth) {
      this.#issues.add(
        path,
        `is nested too deep: ${this.#limits.maxConditionDepth} "if" steps may stand within each other`
      )
      return
    }
    if (isJsonObject(step['condition'])) {
      checkMembers(step['condition'], conditionMembers, `${path}.condition`, this.#issues)
    }
    if (Object.hasOwn(step, 'then')) this.steps(step['then'], `${path}.then`, depth)
    if (Object.hasOwn(step, 'else')) this.steps(step['else'], `${path}.else`, depth)
  }

  #arguments ({ operation, args }: Json, path: string): void {
    switch (operation) {
      case 'pluck':
        if (isText(args) !== undefined) this.#issues.add(path, 'must be the name of a member')
        break
      case 'pick':
        if (!Array.isArray(args) || args.some(name => isText(name) !== undefined)) {
          this.#issues.add(path, 'must be an array of the names of members')
        }
        break
      case 'map':
      case 'filter':
        if (!isJsonObject(args) && !isReference(args)) this.#issues.add(path, 'must be an object')
    }
  }
}

/** Checks that an object has these members and no others; the names of optional ones end with `?`. */
export function checkMembers (
  value: Json,
  members: Readonly<Record<string, MemberCheck>>,
  path: string,
  issues: Issues
): void {
  const at = (name: string): string => path === '' ? name : `${path}.${name}`
  const known = new Set<string>()
  for (const [key, check] of Object.entries(members)) {
    const isOptional = key.endsWith(OPTIONAL)
    const name = isOptional ? key.slice(0, -1) : key
    known.add(name)
    const problem = Object.hasOwn(value, name) ? check(value[name]) : isOptional ? undefined : 'is required'
    if (problem !== undefined) issues.add(at(name), problem)
  }
  for (const name of Object.keys(value)) {
    if (issues.isFull) return
    if (!known.has(name)) issues.add(at(name), `is unknown${didYouMean(nearestNames(name, known)[0])}`)
  }
}

export function isJsonObject (value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Whether a value is one placeholder and nothing else. */
function isReference (value: unknown): boolean {
  if (typeof value !== 'string') return false
  const pieces = piecesOf(value)
  return pieces.length === 1 && typeof pieces[0] === 'object'
}
