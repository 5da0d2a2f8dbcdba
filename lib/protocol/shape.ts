import { NoexServerError, invalid } from '../errors.js'

/** The part of a compiled TypeBox schema that tells what is wrong with a value. */
interface Explaining {
  Errors: (value: unknown) => ReadonlyArray<{ readonly instancePath: string, readonly keyword: string, readonly message: string, readonly params: object }>
}

const MUST_BE_NULL = 'must be null'

/** Builds the refusal of a value that does not fit `schema`: it names the first wrong member, `path` standing before it. */
export function firstProblem (schema: Explaining, value: unknown, path = ''): NoexServerError {
  const [first, ...others] = schema.Errors(value)
  // Of what may be null or something else, the something else is what was meant.
  const problem = first?.message === MUST_BE_NULL ? others.find(({ instancePath }) => instancePath === first.instancePath) ?? first : first
  if (problem === undefined) return invalid(path, 'is not acceptable')
  const steps = problem.instancePath.split('/').slice(1).map(step => step.replaceAll('~1', '/').replaceAll('~0', '~'))
  const { requiredProperties } = problem.params as { requiredProperties?: string[] }
  if (requiredProperties !== undefined) return invalid(pathOf(path, [...steps, requiredProperties[0] as string]), 'is required')
  // What stands under additionalProperties: false is the schema that accepts nothing.
  if (problem.keyword === 'boolean') return invalid(pathOf(path, steps), 'is unknown')
  return invalid(pathOf(path, steps), problem.message)
}

function pathOf (start: string, steps: readonly string[]): string {
  return steps.reduce((path, step) => /^\d+$/.test(step) ? `${path}[${step}]` : path === '' ? step : `${path}.${step}`, start)
}
