import { NoexServerError } from '../protocol/errors.js'
import { checkJson } from '../protocol/decode.js'
import { compileSteps } from './compile.js'
import { hasType, inputTypes } from './input.js'
import { Issues, issueText, type Issue } from './issues.js'
import type { InputField, Procedure, ProcedureDefinition } from './procedure.js'
import { checkMembers, isJsonObject, StepCheck, type ProcedureLimits } from './step-check.js'

/**
 * Bytes of JSON of the definition of a procedure.
 * @limit `VALIDATION_ERROR`
 */
const MAX_DEFINITION_BYTES = 65_536

/**
 * Characters of the name of a procedure.
 * @limit `VALIDATION_ERROR`
 */
const MAX_NAME_CHARS = 256
/**
 * Characters of the description of a procedure.
 * @limit `VALIDATION_ERROR`
 */
const MAX_DESCRIPTION_CHARS = 4_096

/**
 * Longest time that a call of a procedure may take, in milliseconds.
 * @limit `VALIDATION_ERROR`
 */
export const MAX_TIMEOUT_MS = 3_600_000

/** The result of a check: the compiled procedure, or the issues of the definition. */
export type Checked =
  | { readonly procedure: Procedure, readonly issues?: undefined }
  | { readonly procedure?: undefined, readonly issues: readonly Issue[] }

/** Checks a value of any type as a definition, and compiles it. Never throws. PROTOCOL.md, "Procedures". */
export function checkDefinition (value: unknown, limits: ProcedureLimits): Checked {
  const issues = new Issues()
  const definition = copyOf(value, issues)
  if (definition === undefined) return { issues: issues.list }
  const steps = new StepCheck(issues, limits)
  checkMembers(
    definition,
    {
      name: isName,
      'description?': isDescription,
      'input?': isObject,
      steps: isAnything,
      'transaction?': isBoolean,
      'timeoutMs?': isTimeout,
      'runAs?': isRunAs
    },
    '',
    issues
  )
  if (isJsonObject(definition['input'])) checkFields(definition['input'], issues)
  if (Object.hasOwn(definition, 'steps')) steps.steps(definition['steps'], 'steps')
  if (steps.count > limits.maxSteps) {
    issues.add('steps', `are ${steps.count}, those within others included: there may be ${limits.maxSteps}`)
  }
  if (issues.list.length > 0) return { issues: issues.list }
  const sound = definition as unknown as ProcedureDefinition
  const { name } = sound
  return {
    procedure: {
      definition: sound,
      name,
      ...compileSteps(sound.steps),
      stepCount: steps.count,
      depth: steps.depth
    }
  }
}

/**
 * Checks a definition and compiles it.
 * @throws `VALIDATION_ERROR` with `{ issues }`, each a text that begins with the path
 */
export function requireDefinition (value: unknown, limits: ProcedureLimits): Procedure {
  const { procedure, issues } = checkDefinition(value, limits)
  if (procedure === undefined) throw invalidDefinition(issues)
  return procedure
}

/** Builds the refusal of a definition. */
export function invalidDefinition (issues: readonly Issue[]): NoexServerError {
  const texts = issues.map(issueText)
  return new NoexServerError('VALIDATION_ERROR', `The procedure is not valid: ${texts[0]}`, { issues: texts })
}

/** Returns a deep copy of a definition, as JSON; `undefined` when it is not a JSON object. */
function copyOf (value: unknown, issues: Issues): Readonly<Record<string, unknown>> | undefined {
  let copy: unknown
  try {
    const text = JSON.stringify(value)
    if (Buffer.byteLength(text) > MAX_DEFINITION_BYTES) {
      issues.add('', `the definition must not be longer than ${MAX_DEFINITION_BYTES} bytes of JSON`)
      return undefined
    }
    copy = JSON.parse(text)
  } catch {
    issues.add('', 'the definition must be JSON')
    return undefined
  }
  if (!isJsonObject(copy)) {
    issues.add('', 'the definition must be an object')
    return undefined
  }
  const problem = checkJson(copy)
  if (problem === undefined) return copy
  issues.add('', problem)
  return undefined
}

function checkFields (input: Readonly<Record<string, unknown>>, issues: Issues): void {
  for (const [name, field] of Object.entries(input)) {
    if (issues.isFull) return
    const path = `input.${name}`
    if (name === '' || name.length > MAX_NAME_CHARS) {
      issues.add(path, `must have a name of 1 to ${MAX_NAME_CHARS} characters`)
    }
    if (!isJsonObject(field)) {
      issues.add(path, 'must be an object')
      continue
    }
    checkMembers(field, { type: isInputType, 'required?': isBoolean, 'default?': isAnything }, path, issues)
    const { type, default: value } = field as { type?: unknown, default?: unknown }
    if (isInputType(type) === undefined && value != null && !hasType(value, type as InputField['type'])) {
      issues.add(`${path}.default`, `must be of type ${String(type)}`)
    }
  }
}

type Problem = string | undefined

const isAnything = (): Problem => undefined
const isObject = (value: unknown): Problem => isJsonObject(value) ? undefined : 'must be an object'
const isBoolean = (value: unknown): Problem =>
  typeof value === 'boolean' ? undefined : 'must be true or false'
const isRunAs = (value: unknown): Problem =>
  value === 'caller' || value === 'owner' ? undefined : 'must be caller or owner'
const isInputType = (value: unknown): Problem =>
  (inputTypes as readonly unknown[]).includes(value) ? undefined : `must be one of ${inputTypes.join(', ')}`

function isName (value: unknown): Problem {
  if (typeof value !== 'string' || value === '') return 'must be a non-empty text'
  return value.length > MAX_NAME_CHARS ? `must not be longer than ${MAX_NAME_CHARS} characters` : undefined
}

function isDescription (value: unknown): Problem {
  return typeof value === 'string' && value.length <= MAX_DESCRIPTION_CHARS
    ? undefined
    : `must be a text of at most ${MAX_DESCRIPTION_CHARS} characters`
}

function isTimeout (value: unknown): Problem {
  return typeof value === 'number' && value > 0 && value <= MAX_TIMEOUT_MS
    ? undefined
    : `must be a number above 0 and at most ${MAX_TIMEOUT_MS}`
}
