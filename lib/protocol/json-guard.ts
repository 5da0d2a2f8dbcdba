/** Nesting that a frame may have, the message itself being level 1. */
export const MAX_JSON_DEPTH = 32

/** Below this length even a frame of nothing but brackets is parsed in microseconds, so it is not scanned first. */
const SCAN_FROM_CHARS = 512

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d

/**
 * Tells whether JSON text opens more than `limit` brackets at once, without parsing it: the time to
 * parse grows with the depth, and a megabyte can hold half a million levels.
 * Short text is not looked at; `checkJson` sees it after parsing.
 */
export function nestsDeeperThan (text: string, limit: number): boolean {
  if (text.length < SCAN_FROM_CHARS) return false
  let depth = 0
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i)
    if (char === QUOTE) {
      i = endOfString(text, i)
    } else if (char === OPEN_BRACE || char === OPEN_BRACKET) {
      if (++depth > limit) return true
    } else if (char === CLOSE_BRACE || char === CLOSE_BRACKET) {
      depth--
    }
  }
  return false
}

/** The index of the quote that ends the string which starts at `start`, or the text's length. */
function endOfString (text: string, start: number): number {
  let end = text.indexOf('"', start + 1)
  while (end !== -1) {
    let escapes = 0
    while (text.charCodeAt(end - 1 - escapes) === BACKSLASH) escapes++
    if (escapes % 2 === 0) return end
    end = text.indexOf('"', end + 1)
  }
  return text.length
}

/**
 * Looks through a parsed value for what must not reach the store: keys that reach or hide a prototype,
 * numbers that JSON can read but not write, and text that is no Unicode.
 * Returns the problem in words, `'depth'` when it is nested too deep, or `undefined`.
 */
export function checkJson (value: object, depth = 1): string | undefined {
  if (depth > MAX_JSON_DEPTH) return 'depth'
  if (Array.isArray(value)) {
    for (const item of value) {
      const problem = checkValue(item, depth)
      if (problem !== undefined) return problem
    }
    return undefined
  }
  for (const key in value) {
    // An own toString makes the store throw where it turns the value into a text to compare, group or name it.
    if (key === '__proto__' || key === 'toString') return `${key}: is not accepted as a member name`
    if (!key.isWellFormed()) return 'a member name is not well-formed Unicode'
    const item = (value as Record<string, unknown>)[key]
    if (key === 'constructor' && typeof item === 'object' && item !== null && Object.hasOwn(item, 'prototype')) {
      return 'constructor.prototype: is not accepted as a member name'
    }
    const problem = checkValue(item, depth)
    if (problem !== undefined) return problem
  }
  return undefined
}

function checkValue (value: unknown, depth: number): string | undefined {
  if (typeof value === 'string') return value.isWellFormed() ? undefined : 'a text is not well-formed Unicode'
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : 'a number is out of range'
  if (typeof value === 'object' && value !== null) return checkJson(value, depth + 1)
  return undefined
}
