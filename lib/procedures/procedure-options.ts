import { NoexOptionsError, option, options, type Resolved } from '../util/option-schema.js'
import { integer, type } from '../util/option-types.js'
import { checkDefinition, MAX_TIMEOUT_MS } from './definition.js'
import type { Procedure, ProcedureDefinition } from './procedure.js'
import type { ProcedureLimits } from './step-check.js'

/** The option `procedures`. */
export interface ProcedureOptions {
  /**
   * Steps of one [stored procedure](procedures.md), those within others included.
   * @limit `VALIDATION_ERROR`
   * @default 100
   */
  maxSteps?: number | undefined
  /**
   * How deep `if` steps may be nested.
   * @limit `VALIDATION_ERROR`
   * @default 5
   */
  maxConditionDepth?: number | undefined
  /**
   * Time after which a call is given up where the procedure sets no other, in milliseconds.
   * @limit `INTERNAL_ERROR`
   * @default 30_000
   */
  defaultTimeoutMs?: number | undefined
  /**
   * Procedures of the application. Clients can call them, but not change them.
   * @default []
   */
  definitions?: readonly ProcedureDefinition[] | undefined
}

/** Above it, a definition would be too long or nested too deep for every other reason. */
const MAX_STEPS = 10_000
const MAX_CONDITION_DEPTH = 15

export const procedureOptions = options<ProcedureOptions>()({
  maxSteps: option(integer(1, MAX_STEPS), 100),
  maxConditionDepth: option(integer(0, MAX_CONDITION_DEPTH), 5),
  defaultTimeoutMs: option(integer(1, MAX_TIMEOUT_MS), 30_000),
  definitions: option(type('array of procedures', 'must be an array of procedures', Array.isArray), [])
}, (values, path) => {
  return { ...values, definitions: compiled(values.definitions, values, `${path}.definitions`) }
})

/** The option `procedures` with its defaults, checked; its definitions are ready to run. */
export type ResolvedProcedures = Resolved<typeof procedureOptions>

function compiled (
  definitions: readonly unknown[],
  limits: ProcedureLimits,
  list: string
): readonly Procedure[] {
  const names = new Set<string>()
  return definitions.map((definition, index) => {
    const path = `${list}[${index}]`
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
