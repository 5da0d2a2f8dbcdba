import { NoexServerError } from './errors.js'
import { endOfString, QUOTE, withoutUnsafeIntegers } from './json-text.js'
import type { RequestMessage } from './messages.js'

/** The content of a message. */
export type Decoded =
  | { readonly kind: 'pong' }
  | { readonly kind: 'ping', readonly id: number }
  | { readonly kind: 'request', readonly request: RequestMessage }
  | { readonly kind: 'malformed', readonly id: number, readonly error: NoexServerError }

const PONG: Decoded = { kind: 'pong' }

/**
 * Decodes one text frame. Never throws: the error of a bad frame is returned as `malformed` with the id of
 * the reply, which is 0 unless the frame is a request with unacceptable content. The checks run in the order
 * of PROTOCOL.md, "Messages". `needsId`: whether a request must have an id; one without gets 0 otherwise.
 */
export function decode (text: string, needsId = true): Decoded {
  const shallow = withoutDepths(text, MAX_JSON_DEPTH)
  let value: unknown
  try {
    value = JSON.parse(shallow)
  } catch {
    return malformed('PARSE_ERROR', 'The frame is not JSON')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return malformed('PARSE_ERROR', 'The frame is not a JSON object')
  }
  const message = value as Record<string, unknown>
  if (!needsId && message['id'] === undefined) message['id'] = 0
  const { type, id } = message
  if (typeof type !== 'string' || type === '') {
    return malformed('INVALID_REQUEST', 'type: must be a non-empty string')
  }
  if (type === 'pong') {
    return Number.isFinite(message['timestamp'])
      ? PONG
      : malformed('INVALID_REQUEST', 'timestamp: must be a finite number')
  }
  if (!Number.isFinite(id)) {
    return malformed('INVALID_REQUEST', 'id: must be a finite number')
  }
  const request = message as unknown as RequestMessage
  const decoded = checkJson(message, Number.MAX_SAFE_INTEGER) === undefined
    ? { kind: 'request', request } as const
    : decodeSuspect(shallow, request)
  return type === 'ping' && decoded.kind === 'request' ? { kind: 'ping', id: request.id } : decoded
}

/**
 * Checks again a request with a problem or a large number: only the text shows which numbers are integers.
 */
function decodeSuspect (text: string, request: RequestMessage): Decoded {
  const marked = withoutUnsafeIntegers(text)
  const exact = marked === text ? request : JSON.parse(marked) as Partial<RequestMessage>
  // The parsed id may differ from the text, so it cannot be echoed.
  if (!isSafe(exact.id ?? 0)) {
    return malformed('INVALID_REQUEST', `id: must be a number within ±${Number.MAX_SAFE_INTEGER}`)
  }
  const problem = checkJson(exact)
  return problem === undefined
    ? { kind: 'request', request }
    : malformed('VALIDATION_ERROR', problem, request.id)
}

function isSafe (id: number): boolean {
  return Math.abs(id) <= Number.MAX_SAFE_INTEGER
}

function malformed (
  code: 'PARSE_ERROR' | 'INVALID_REQUEST' | 'VALIDATION_ERROR',
  message: string,
  id = 0
): Decoded {
  return { kind: 'malformed', id, error: new NoexServerError(code, message) }
}

/**
 * Levels of objects and arrays in a message, of which the message itself is the first.
 * @limit `VALIDATION_ERROR`
 */
export const MAX_JSON_DEPTH = 32

/** Length limit of a property name in an error, in characters. */
const MAX_NAME_CHARS = 64

/** Shorter frames are not scanned first: even brackets alone are parsed in microseconds. */
const SCAN_FROM_CHARS = 512

const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d

/**
 * Returns JSON text without the content of levels deeper than `limit`, so that it can be parsed: the time to
 * parse grows with the depth, and a megabyte can hold half a million levels. Empty brackets at level `limit`
 * + 1 remain for `checkJson` to find. Text shorter than 512 characters is returned unchanged.
 */
export function withoutDepths (text: string, limit: number): string {
  if (text.length < SCAN_FROM_CHARS) return text
  let kept = ''
  let from = 0
  let depth = 0
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i)
    if (char === QUOTE) {
      i = endOfString(text, i)
    } else if (char === OPEN_BRACE || char === OPEN_BRACKET) {
      if (++depth === limit + 1) {
        kept += text.slice(from, i + 1)
        from = text.length
      }
    } else if (char === CLOSE_BRACE || char === CLOSE_BRACKET) {
      if (depth-- === limit + 1) from = i
    }
  }
  return from === 0 ? text : kept + text.slice(from)
}

/**
 * Searches a parsed value for content that must not come into the store: keys that access or hide a
 * prototype, numbers beyond ±`largest`, ill-formed Unicode, and nesting deeper than 32 levels. Returns the
 * first problem as a message that begins with its path, or `undefined`.
 */
export function checkJson (value: object, largest = Number.MAX_VALUE): string | undefined {
  return checkMembers(value, largest, 1)?.replace(/^(?:\.|: )/, '')
}

/** Returns the first problem after its path. No path is built where there is no problem. */
function checkMembers (value: object, largest: number, depth: number): string | undefined {
  if (depth > MAX_JSON_DEPTH) return `: is nested deeper than ${MAX_JSON_DEPTH} levels`
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const problem = checkValue(value[i], largest, depth)
      if (problem !== undefined) return `[${i}]${problem}`
    }
    return undefined
  }
  for (const key in value) {
    // An own toString would make the store throw where it converts the value to a string.
    if (key === '__proto__' || key === 'toString') return `.${key}: is not accepted as a member name`
    if (!key.isWellFormed()) return ': has a member name that is not well-formed Unicode'
    const item = (value as Record<string, unknown>)[key]
    if (
      key === 'constructor' &&
      typeof item === 'object' &&
      item !== null &&
      Object.hasOwn(item, 'prototype')
    ) {
      return '.constructor.prototype: is not accepted as a member name'
    }
    const problem = checkValue(item, largest, depth)
    if (problem !== undefined) return `.${shown(key)}${problem}`
  }
  return undefined
}

function checkValue (value: unknown, largest: number, depth: number): string | undefined {
  if (typeof value === 'string') return value.isWellFormed() ? undefined : ': is not well-formed Unicode'
  // Written so that NaN is refused too.
  if (typeof value === 'number') return value <= largest && value >= -largest ? undefined : unsafeNumber
  if (typeof value === 'object' && value !== null) return checkMembers(value, largest, depth + 1)
  return undefined
}

/** The problem of a number that parsing has changed. */
const unsafeNumber = `: must be an integer within ±${Number.MAX_SAFE_INTEGER} or another number ` +
  'within ±1.8e308; send what is larger as a text'

function shown (name: string): string {
  return name.length > MAX_NAME_CHARS ? `${name.slice(0, MAX_NAME_CHARS)}…` : name
}
