import { NoexServerError, invalid } from './errors.js'
import { didYouMean, nearestNames } from '../util/nearest.js'

/** A problem of a value, as a compiled TypeBox schema reports it. */
interface SchemaProblem {
  readonly instancePath: string
  readonly schemaPath: string
  readonly keyword: string
  readonly message: string
  readonly params: object
}

/** The part of a compiled TypeBox schema that reports the problems of a value. */
interface Explaining {
  /** The schema itself. */
  Type: () => object
  Errors: (value: unknown) => readonly SchemaProblem[]
}

const MUST_BE_NULL = 'must be null'

/**
 * Builds the refusal of a value that does not fit `schema`. It names the first wrong property by its path,
 * which begins with `path`.
 */
export function firstProblem (schema: Explaining, value: unknown, path = ''): NoexServerError {
  const problems = schema.Errors(value)
  const problem = firstOf(problems)
  if (problem === undefined) return invalid(path, 'is not acceptable')
  const steps = problem.instancePath
    .split('/')
    .slice(1)
    .map(step => step.replaceAll('~1', '/').replaceAll('~0', '~'))
  const { requiredProperties } = problem.params as { requiredProperties?: string[] }
  if (requiredProperties !== undefined) {
    return invalid(pathOf(path, [...steps, requiredProperties[0] as string]), 'is required')
  }
  // additionalProperties: false counts as a schema that accepts no value.
  if (problem.keyword === 'boolean') {
    const [nearest] = nearestNames(steps.at(-1) ?? '', propertiesAt(schema.Type(), problem.schemaPath))
    return invalid(pathOf(path, steps), `is unknown${didYouMean(nearest)}`)
  }
  return invalid(
    pathOf(path, steps),
    isChoice(problem) ? `must be one of ${choices(problems, problem).join(', ')}` : problem.message
  )
}

/** Returns the first problem, or for a union the problem of the alternative that was probably meant. */
function firstOf (problems: readonly SchemaProblem[]): SchemaProblem | undefined {
  const [first, ...others] = problems
  if (first?.message === MUST_BE_NULL) {
    return others.find(({ instancePath }) => instancePath === first.instancePath) ?? first
  }
  if (first === undefined || !isChoice(first)) return first
  return others.find(other => isMeant(other, first, problems)) ?? first
}

/** Returns whether the alternative of `other` accepts the value of `first`, and lacks a property. */
function isMeant (other: SchemaProblem, first: SchemaProblem, problems: readonly SchemaProblem[]): boolean {
  const { keyword, instancePath, schemaPath } = other
  return keyword === 'required' && /\/anyOf\/\d+$/.test(schemaPath) &&
    first.instancePath.startsWith(`${instancePath}/`) &&
    !problems.some(problem => isChoice(problem) && problem.schemaPath.startsWith(`${schemaPath}/`))
}

/** Returns whether the problem is that a value is none of the allowed ones. */
function isChoice ({ keyword }: SchemaProblem): boolean {
  return keyword === 'enum' || keyword === 'const'
}

/** Returns all values that any alternative allows at the path of the problem. */
function choices (problems: readonly SchemaProblem[], { instancePath }: SchemaProblem): string[] {
  const alternatives = problems.filter(problem => isChoice(problem) && problem.instancePath === instancePath)
  return alternatives.flatMap(({ params }) => {
    const { allowedValues, allowedValue } = params as Allowed
    return (allowedValues ?? [allowedValue]).map(String)
  })
}

interface Allowed {
  readonly allowedValues?: readonly unknown[]
  readonly allowedValue?: unknown
}

/** Returns the properties of the object schema to which the keyword at `schemaPath` belongs. */
function propertiesAt (schema: object, schemaPath: string): string[] {
  let part: unknown = schema
  for (const step of schemaPath.split('/').slice(1, -1)) {
    part = (part as Readonly<Record<string, unknown>> | undefined)?.[step]
  }
  return Object.keys((part as { properties?: object } | undefined)?.properties ?? {})
}

function pathOf (start: string, steps: readonly string[]): string {
  return steps.reduce(
    (path, step) => (/^\d+$/.test(step) ? `${path}[${step}]` : path === '' ? step : `${path}.${step}`),
    start
  )
}
