import {
  checkGroup,
  isInteger,
  isPlainObject,
  merge,
  NoexOptionsError,
  type Checks
} from '../util/option-schema.js'
import { checkDefinition, MAX_TIMEOUT_MS } from './definition.js'
import type { Procedure, ProcedureDefinition } from './procedure.js'
import type { ProcedureLimits } from './step-check.js'

/** The option `procedures`. */
export interface ProcedureOptions {
  /**
   * Steps of one procedure, those within others included.
   * @default 100
   */
  maxSteps?: number | undefined
  /**
   * Levels of `if` steps within each other.
   * @default 5
   */
  maxConditionDepth?: number | undefined
  /**
   * Milliseconds after which a call is stopped, unless the procedure has `timeoutMs`.
   * @default 30_000
   */
  defaultTimeoutMs?: number | undefined
  /**
   * Procedures of the application. Clients can call them, but not change them.
   * @default []
   */
  definitions?: readonly ProcedureDefinition[] | undefined
}

/** The option `procedures`, checked; its definitions are compiled. */
export interface ResolvedProcedures extends ProcedureLimits {
  readonly defaultTimeoutMs: number
  readonly definitions: readonly Procedure[]
}

const defaults = { maxSteps: 100, maxConditionDepth: 5, defaultTimeoutMs: 30_000, definitions: [] }

/** Upper bounds of the options: above them, other bounds refuse a definition first. */
const MAX_STEPS = 10_000
const MAX_CONDITION_DEPTH = 15

const checks: Checks = {
  maxSteps: isInteger(1, MAX_STEPS),
  maxConditionDepth: isInteger(0, MAX_CONDITION_DEPTH),
  defaultTimeoutMs: isInteger(1, MAX_TIMEOUT_MS),
  definitions (value, path) {
    if (!Array.isArray(value)) throw new NoexOptionsError(path, 'must be an array of procedures')
  }
}

/** Checks the option and fills in the defaults. @throws {NoexOptionsError} */
export function resolveProcedures (given: unknown): ResolvedProcedures {
  if (given !== undefined && !isPlainObject(given)) {
    throw new NoexOptionsError('procedures', 'must be an object')
  }
  checkGroup(given ?? {}, checks, 'procedures.')
  const resolved = merge(defaults, given ?? {}, checks) as unknown as typeof defaults & {
    readonly definitions: readonly unknown[]
  }
  return { ...resolved, definitions: compiled(resolved.definitions, resolved) }
}

function compiled (definitions: readonly unknown[], limits: ProcedureLimits): Procedure[] {
  const names = new Set<string>()
  return definitions.map((definition, index) => {
    const path = `procedures.definitions[${index}]`
    const { procedure, issues } = checkDefinition(definition, limits)
    if (procedure === undefined) {
      const [issue] = issues
      throw new NoexOptionsError(
        issue === undefined || issue.path === '' ? path : `${path}.${issue.path}`,
        issue?.problem ?? 'is not valid'
      )
    }
    if (names.has(procedure.name)) throw new NoexOptionsError(`${path}.name`, 'is that of an earlier one')
    names.add(procedure.name)
    return procedure
  })
}
