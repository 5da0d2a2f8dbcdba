import { ResolutionError } from '../errors.js'

/**
 * Characters of JSON of a value that a rule makes of a fact or an event.
 * @limit `VALIDATION_ERROR`
 */
const MAX_VALUE_CHARS = 1_048_576
/**
 * Levels of a value that a rule makes of a fact or an event.
 * @limit `VALIDATION_ERROR`
 */
const MAX_VALUE_DEPTH = 64
/** The most levels that are measured. */
const MAX_LOOK = 1_000

interface Size {
  readonly chars: number
  readonly depth: number
}

const UNBOUNDED: Size = { chars: Infinity, depth: Infinity }

/** Values are assumed not to change, so each object is measured once. */
const sizes = new WeakMap<object, Size>()

/**
 * Throws `ResolutionError` for a value that is too large to be encoded. A rule can double a value with each
 * action by referring to it twice, at no cost until it is encoded: an object counts each time it occurs.
 */
export function assertValueSize (value: unknown): void {
  const { chars, depth } = sizeOf(value, 0)
  if (chars > MAX_VALUE_CHARS) {
    throw new ResolutionError(`The value has more than ${MAX_VALUE_CHARS} characters of JSON`)
  }
  if (depth > MAX_VALUE_DEPTH) {
    throw new ResolutionError(`The value is nested deeper than ${MAX_VALUE_DEPTH} levels`)
  }
}

function sizeOf (value: unknown, level: number): Size {
  if (typeof value === 'string') return { chars: value.length + 2, depth: 0 }
  if (typeof value !== 'object' || value === null) return { chars: 8, depth: 0 }
  const known = sizes.get(value)
  if (known !== undefined) return known
  if (level > MAX_LOOK) return UNBOUNDED
  // Found again further down, it is part of a cycle.
  sizes.set(value, UNBOUNDED)
  const size = Array.isArray(value)
    ? sum(value, () => 1, level)
    : sum(Object.values(value), memberChars(value), level)
  sizes.set(value, size)
  return size
}

function memberChars (value: object): (index: number) => number {
  const names = Object.keys(value)
  return index => (names[index] as string).length + 4
}

function sum (items: readonly unknown[], own: (index: number) => number, level: number): Size {
  let chars = 2
  let depth = 0
  for (const [index, item] of items.entries()) {
    const size = sizeOf(item, level + 1)
    chars += own(index) + size.chars
    depth = Math.max(depth, size.depth)
    if (chars > MAX_VALUE_CHARS) return UNBOUNDED
  }
  return { chars, depth: depth + 1 }
}
