import { compileReference } from './reference.js'
import type { Resolve, Scope } from './scope.js'

/** The most levels of a value. */
export const MAX_VALUE_DEPTH = 16

/** A part of a value: constant, or resolved in each scope. */
type Part = { readonly constant: unknown } | { readonly resolve: Resolve }

/**
 * Compiles a value in which objects with a string `ref` as their only property are references, at any depth.
 * Parts without references are copied once, frozen, and shared by all results. Throws `ReferencePathError`,
 * and `RangeError` for a value deeper than 16 levels.
 */
export function compileValue (value: unknown): Resolve {
  const part = compilePart(value, 0)
  if ('resolve' in part) return part.resolve
  const { constant } = part
  return () => constant
}

/** Returns whether a value is a reference: an object whose only property is a string `ref`. */
export function isReference (value: unknown): value is { ref: string } {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || !Object.hasOwn(value, 'ref')) {
    return false
  }
  return typeof (value as { ref: unknown }).ref === 'string' && Object.keys(value).length === 1
}

function compilePart (value: unknown, depth: number): Part {
  if (typeof value !== 'object' || value === null) return { constant: value }
  if (depth === MAX_VALUE_DEPTH) throw new RangeError(`A value is at most ${MAX_VALUE_DEPTH} levels deep`)
  if (isReference(value)) return { resolve: compileReference(value.ref) }
  return Array.isArray(value) ? compileArray(value, depth) : compileObject(value, depth)
}

function compileArray (array: readonly unknown[], depth: number): Part {
  const parts = array.map(member => compilePart(member, depth + 1))
  if (parts.every(isConstant)) return { constant: Object.freeze(parts.map(part => part.constant)) }
  return { resolve: scope => parts.map(part => resolvePart(part, scope)) }
}

function compileObject (object: object, depth: number): Part {
  const members = Object.entries(object)
    .map(([name, member]) => [name, compilePart(member, depth + 1)] as const)
  if (members.every(hasConstant)) {
    return {
      constant: Object.freeze(Object.fromEntries(members.map(([name, part]) => [name, part.constant])))
    }
  }
  return {
    resolve: scope => Object.fromEntries(members.map(([name, part]) => [name, resolvePart(part, scope)]))
  }
}

function resolvePart (part: Part, scope: Scope): unknown {
  return 'resolve' in part ? part.resolve(scope) : part.constant
}

function isConstant (part: Part): part is { constant: unknown } {
  return 'constant' in part
}

function hasConstant (member: readonly [string, Part]): member is readonly [string, { constant: unknown }] {
  return isConstant(member[1])
}
