import type { Condition, ConditionSource } from '../condition.js'
import { operators } from '../expressions/operators.js'
import { compilePath } from '../expressions/path.js'
import { compileTableReference } from '../expressions/reference.js'
import { tryCompileRegex } from '../expressions/regex.js'
import type { Resolve } from '../expressions/scope.js'
import { compileKeyPatternTemplate } from '../expressions/template.js'
import { compileValue } from '../expressions/value.js'

/**
 * Compiles conditions to one that holds when all hold; an empty list always holds. Stops at the first that
 * does not hold. Throws `ReferencePathError`, `PatternError`, and `TypeError` for an unknown source or
 * operator.
 */
export function compileConditions (conditions: readonly Condition[]): Resolve<boolean> {
  const compiled = conditions.map(compileCondition)
  return scope => compiled.every(holds => holds(scope))
}

function compileCondition ({ source, operator, value }: Condition): Resolve<boolean> {
  if (!Object.hasOwn(operators, operator)) throw new TypeError('A condition has an unknown operator')
  const read = operator === 'exists' || operator === 'not_exists'
    ? compileSource(source)
    : reportingMissing(compileSource(source))
  if (operator === 'matches' && typeof value === 'string') return compileMatches(read, value)

  const holds = operators[operator]
  const compare = compileValue(value)
  return scope => holds(read(scope), compare(scope))
}

/** Reports missing values of comparisons; `exists` and `not_exists` expect them. */
function reportingMissing (read: Resolve): Resolve {
  return scope => {
    const value = read(scope)
    if (value === undefined) scope.onMissing?.()
    return value
  }
}

/** Compiles a constant expression once, instead of looking it up with each run. */
function compileMatches (read: Resolve, expression: string): Resolve<boolean> {
  const compiled = tryCompileRegex(expression)
  if (compiled === undefined) return () => false
  return scope => {
    const actual = read(scope)
    return typeof actual === 'string' && compiled.isFoundIn(actual)
  }
}

function compileSource (source: ConditionSource): Resolve {
  switch (source.type) {
    case 'event': {
      const read = compilePath(source.field)
      return scope => read(scope.data)
    }
    case 'fact': return compileFactSource(source.pattern)
    case 'context': return compileTableReference(scope => scope.variables, source.key)
    case 'lookup':
      return compileTableReference(
        scope => scope.lookups, source.field === undefined ? source.name : `${source.name}.${source.field}`
      )
    default: throw new TypeError('A condition has an unknown source')
  }
}

/** Reads the value of the first fact that matches. A pattern without wildcards is looked up. */
function compileFactSource (text: string): Resolve {
  const patternOf = compileKeyPatternTemplate(text)
  return scope => {
    const pattern = patternOf(scope)
    if (pattern.exact !== undefined) return scope.facts.get(pattern.exact)?.value
    const [first] = scope.facts.matching(pattern)
    return first?.value
  }
}
