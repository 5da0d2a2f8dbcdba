import { NoexServerError } from './errors.js'
import { checkJson, MAX_JSON_DEPTH, withoutDepths } from './json-guard.js'
import { withoutUnsafeIntegers } from './json-text.js'
import type { RequestMessage } from './messages.js'

/** What a text frame turned out to be. */
export type Decoded =
  | { readonly kind: 'pong' }
  | { readonly kind: 'request', readonly request: RequestMessage }
  | { readonly kind: 'malformed', readonly id: number, readonly error: NoexServerError }

const PONG: Decoded = { kind: 'pong' }

/**
 * Reads one text frame. Never throws: what is wrong with the frame comes back as `malformed` with the
 * reply's id, which is 0 unless the frame is a request whose content is unacceptable.
 * PROTOCOL.md, "Messages": the checks run in the order given there.
 */
export function decode (text: string): Decoded {
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
  if (checkJson(message, Number.MAX_SAFE_INTEGER) === undefined) return { kind: 'request', request }
  return decodeSuspect(shallow, request)
}

/**
 * Looks again at a request with something wrong in it, or with a large number: which of those are integers
 * only the text tells.
 */
function decodeSuspect (text: string, request: RequestMessage): Decoded {
  const marked = withoutUnsafeIntegers(text)
  const exact = marked === text ? request : JSON.parse(marked) as RequestMessage
  // It cannot be echoed, however it is written: the parsed one may be another.
  if (!isSafe(exact.id)) {
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
