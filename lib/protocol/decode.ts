import { NoexServerError } from './errors.js'
import { checkJson, MAX_JSON_DEPTH, withoutDepths } from './json-guard.js'
import { withoutUnsafeIntegers } from './json-text.js'
import type { RequestMessage } from './messages.js'

/** The content of a text frame. */
export type Decoded =
  | { readonly kind: 'pong' }
  | { readonly kind: 'request', readonly request: RequestMessage }
  | { readonly kind: 'malformed', readonly id: number, readonly error: NoexServerError }

const PONG: Decoded = { kind: 'pong' }

/**
 * Decodes one text frame. Never throws: the error of a bad frame is returned as `malformed` with the id of
 * the reply, which is 0 unless the frame is a request with unacceptable content. The checks run in the order
 * of PROTOCOL.md, "Messages".
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
 * Checks again a request with a problem or a large number: only the text shows which numbers are integers.
 */
function decodeSuspect (text: string, request: RequestMessage): Decoded {
  const marked = withoutUnsafeIntegers(text)
  const exact = marked === text ? request : JSON.parse(marked) as RequestMessage
  // The parsed id may differ from the text, so it cannot be echoed.
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
