import { aggregate } from './aggregate.js'
import { compileCondition } from './condition.js'
import { compute } from './compute.js'
import type { Fields, Procedure, ProcedureStep, Step } from './procedure.js'
import { SizeBudget } from './size-budget.js'
import { compileTemplate, type Place, type Template } from './template.js'
import { transform } from './transform.js'
import { invalid } from '../protocol/errors.js'

/** Approximate bound of the JSON characters that the templates of one step may produce. */
const MAX_VALUE_CHARS = 1_048_576

/** Compiles the steps of a definition that has been checked. */
export function compileSteps (steps: readonly ProcedureStep[]): Pick<Procedure, 'steps' | 'buckets'> {
  const buckets: Array<{ path: string, bucket: string }> = []
  const compileAll = (list: readonly ProcedureStep[], path: string): Step[] =>
    list.map((step, index) => compileStep(step, `${path}[${index}]`))

  function compileStep (step: ProcedureStep, path: string): Step {
    if ('bucket' in step) buckets.push({ path: `${path}.bucket`, bucket: step.bucket })
    switch (step.action) {
      case 'aggregate': return { kind: 'compute', path, as: step.as, compute: compileAggregate(step) }
      case 'compute': return { kind: 'compute', path, as: step.as, compute: compileComputation(step) }
      case 'transform': return { kind: 'compute', path, as: step.as, compute: compileTransform(step) }
      case 'if': return {
        kind: 'if',
        path,
        test: compileCondition(step.condition, 'condition.value', MAX_VALUE_CHARS),
        then: compileAll(step.then, `${path}.then`),
        otherwise: step.else === undefined ? [] : compileAll(step.else, `${path}.else`)
      }
      case 'return': return { kind: 'return', path, value: compileTemplate(step.value, 'data', 'value') }
      default: {
        const as = 'as' in step ? step.as : undefined
        return { kind: 'request', path, operation: step.action, fields: compileFields(step), as }
      }
    }
  }

  return { steps: compileAll(steps, 'steps'), buckets }
}

/** The place of each member of a request that is a template. */
const places: ReadonlyMap<string, Place> = new Map(Object.entries({
  key: 'data',
  data: 'data',
  by: 'data',
  topic: 'data',
  value: 'data',
  filter: 'filter',
  limit: 'filter',
  expectedVersion: 'filter'
} satisfies Record<string, Place>))

/** Members of a request that are no templates. */
const literals = ['bucket', 'field'] as const

/**
 * Compiles the fields of a request. A placeholder without a value omits its field, which validation refuses.
 */
function compileFields (step: ProcedureStep): Fields {
  const templates: Array<readonly [string, Template]> = []
  const members = Object.entries(step)
  const fixed = Object.fromEntries(members.filter(([name]) => (literals as readonly string[]).includes(name)))
  for (const [name, value] of members) {
    const place = places.get(name)
    if (place !== undefined) templates.push([name, compileTemplate(value, place, name)])
  }
  return variables => {
    const fields: Record<string, unknown> = { ...fixed }
    const sizeBudget = new SizeBudget(MAX_VALUE_CHARS)
    for (const [name, template] of templates) {
      const value = template(variables, sizeBudget)
      if (value !== undefined) fields[name] = value
    }
    return fields
  }
}

type TransformStep = Extract<ProcedureStep, { action: 'transform' }>
type Compute = Extract<Step, { kind: 'compute' }>['compute']

type AggregateStep = Extract<ProcedureStep, { action: 'aggregate' }>

function compileAggregate ({ source, op, field = '' }: AggregateStep): Compute {
  return ({ results }) => aggregate(arrayIn(results, source), op, field)
}

/** Compiles a `transform` step; the member names of `pick` and `pluck` are no templates. */
function compileTransform ({ source, operation, args }: TransformStep): Compute {
  const template =
    operation === 'pick' || operation === 'pluck' ? undefined : compileTemplate(args, 'data', 'args')
  return (variables, sizeBudget) =>
    transform(
      variables.results.get(source),
      operation,
      template === undefined ? args : template(variables, new SizeBudget(MAX_VALUE_CHARS)),
      sizeBudget
    )
}

function compileComputation ({ op, left, right }: Extract<ProcedureStep, { action: 'compute' }>): Compute {
  const [first, second] = [compileTemplate(left, 'data', 'left'), compileTemplate(right, 'data', 'right')]
  // A placeholder without a value is refused, an absent second number is not.
  const hasSecond = right !== undefined
  const otherOf: Compute = (variables, sizeBudget) =>
    hasSecond ? (second(variables, sizeBudget) ?? null) : undefined
  return (variables, sizeBudget) => compute(op, first(variables, sizeBudget), otherOf(variables, sizeBudget))
}

function arrayIn (results: ReadonlyMap<string, unknown>, source: string): readonly unknown[] {
  const value = results.get(source)
  if (!Array.isArray(value)) throw invalid('source', 'must be an array')
  return value
}
