import { ReferencePathError } from '../errors.js'
import { compilePath } from './path.js'
import { joinTexts, renderText } from './render-text.js'
import type { Resolve, Scope, TriggerMeta } from './scope.js'
import { parseTemplate, type TemplatePart } from './template-parts.js'

/** The most characters of a reference. */
const MAX_REFERENCE_LENGTH = 512

/** The first names of a reference. */
const REFERENCE_ROOTS = ['event', 'trigger', 'fact', 'var', 'matched', 'lookup', 'meta'] as const

const META_NAMES: ReadonlySet<string> = new Set<keyof TriggerMeta>([
  'topic', 'id', 'timestamp', 'correlationId', 'source'
])

/**
 * Compiles a reference, the text of a `{ ref }` or of a `${}`:
 *
 * - `event`, `trigger`: the data of the trigger of the rule, or the value at a path in it.
 * - `fact.<key>`: the value of a fact. The key may contain `.`, and `${}` with further references.
 * - `var.<name>`, `lookup.<name>`: a variable, the result of a lookup, or the value at a path in it.
 * - `matched.<number or alias>`: the data of a matched event, or the value at a path in it.
 * - `meta.<name>`: `topic`, `id`, `timestamp`, `correlationId` or `source` of the trigger.
 *
 * A missing value is `undefined`. Throws `ReferencePathError` for any other root, for a root that lacks its
 * name, and for more than 512 characters.
 */
export function compileReference (path: string): Resolve {
  if (typeof path !== 'string') throw new ReferencePathError('A reference is a string')
  if (path.length > MAX_REFERENCE_LENGTH) {
    throw new ReferencePathError(`A reference has at most ${MAX_REFERENCE_LENGTH} characters`)
  }
  return compileReferenceParts(parseTemplate(path))
}

/** Compiles a reference that has been split at its `${}`. Throws `ReferencePathError`. */
function compileReferenceParts (parts: readonly TemplatePart[]): Resolve {
  const [first = '', ...others] = parts
  if (typeof first !== 'string') {
    throw new ReferencePathError(`A reference begins with ${REFERENCE_ROOTS.join(', ')}`)
  }

  const [root, rest] = splitAtDot(first)
  if (root === 'fact' && rest !== undefined) return compileFactReference([rest, ...others])
  if (others.length > 0) throw new ReferencePathError('Only the key of a fact reference takes interpolations')
  return compilePlainReference(root, rest, first)
}

/** A name that the rule itself must define: an alias of an event, or a lookup. */
export interface NamedReference {
  readonly root: 'matched' | 'lookup'
  readonly name: string
}

/** Returns the aliases and lookups that the references of a text name, also within keys of facts. */
export function namedReferences (parts: readonly TemplatePart[]): NamedReference[] {
  return parts.flatMap(part => {
    if (typeof part === 'string') return []
    const [first, ...others] = part
    const [root, name] = typeof first === 'string' ? first.split('.') : []
    const isNamed = (root === 'matched' || root === 'lookup') && name !== undefined && name !== ''
    return isNamed ? [{ root, name }] : namedReferences(others)
  })
}

/** Compiles each path of a text. Throws `ReferencePathError`. */
export function compileParts (parts: readonly TemplatePart[]): Array<string | Resolve> {
  return parts.map(part => typeof part === 'string' ? part : compileReferenceParts(part))
}

/** Returns the joined text of parts. Throws `ResolutionError` for more than 65 536 characters. */
export function joinParts (parts: ReadonlyArray<string | Resolve>, scope: Scope): string {
  return joinTexts(parts.map(part => typeof part === 'string' ? part : renderText(part(scope))))
}

function compilePlainReference (root: string, rest: string | undefined, path: string): Resolve {
  switch (root) {
    case 'event':
    case 'trigger': {
      if (rest === undefined) return scope => scope.data
      const read = compilePath(requireName(rest, path))
      return scope => read(scope.data)
    }
    case 'matched': {
      const read = compilePath(requireName(rest, path))
      return scope => read(scope.matched)
    }
    case 'var': return compileTableReference(scope => scope.variables, requireName(rest, path))
    case 'lookup': return compileTableReference(scope => scope.lookups, requireName(rest, path))
    case 'meta': return compileMetaReference(requireName(rest, path))
    case 'fact': throw new ReferencePathError(`The reference "${path}" lacks a name`)
    default: throw new ReferencePathError(
      `A reference begins with ${REFERENCE_ROOTS.join(', ')}: "${path}" does not`
    )
  }
}

/** Compiles `name.path` to a reader of a table of values. */
export function compileTableReference (
  tableOf: (scope: Scope) => ReadonlyMap<string, unknown>,
  path: string
): Resolve {
  const [name, rest] = splitAtDot(path)
  if (rest === undefined) return scope => tableOf(scope).get(name)
  const read = compilePath(rest)
  return scope => read(tableOf(scope).get(name))
}

function compileFactReference (parts: readonly TemplatePart[]): Resolve {
  const [only, ...others] = parts
  if (others.length > 0) {
    const key = compileParts(parts)
    return scope => scope.facts.get(joinParts(key, scope))?.value
  }
  if (only === '' || typeof only !== 'string') {
    throw new ReferencePathError('The reference "fact." lacks a key')
  }
  return scope => scope.facts.get(only)?.value
}

function compileMetaReference (name: string): Resolve {
  if (!META_NAMES.has(name)) {
    throw new ReferencePathError(`meta has ${[...META_NAMES].join(', ')}, and no "${name}"`)
  }
  return scope => scope.meta[name as keyof TriggerMeta]
}

function requireName (rest: string | undefined, path: string): string {
  if (rest === undefined || rest === '') throw new ReferencePathError(`The reference "${path}" lacks a name`)
  return rest
}

function splitAtDot (path: string): [before: string, after: string | undefined] {
  const dot = path.indexOf('.')
  return dot === -1 ? [path, undefined] : [path.slice(0, dot), path.slice(dot + 1)]
}
