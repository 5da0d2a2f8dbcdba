import { NoexServerError } from '../errors.js'
import { checkJson, MAX_JSON_DEPTH, nestsDeeperThan } from './json-guard.js'
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
  if (nestsDeeperThan(text, MAX_JSON_DEPTH)) return malformed('PARSE_ERROR', tooDeep)
  let value: unknown
  try {
    value = JSON.parse(text)
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
    return Number.isFinite(message['timestamp']) ? PONG : malformed('INVALID_REQUEST', 'timestamp: must be a finite number')
  }
  if (!Number.isFinite(id)) {
    return malformed('INVALID_REQUEST', 'id: must be a finite number')
  }
  const problem = checkJson(message)
  if (problem === undefined) return { kind: 'request', request: message as unknown as RequestMessage }
  return problem === 'depth'
    ? malformed('PARSE_ERROR', tooDeep)
    : malformed('VALIDATION_ERROR', problem, id as number)
}

const tooDeep = `The frame is nested deeper than ${MAX_JSON_DEPTH} levels`

function malformed (code: 'PARSE_ERROR' | 'INVALID_REQUEST' | 'VALIDATION_ERROR', message: string, id = 0): Decoded {
  return { kind: 'malformed', id, error: new NoexServerError(code, message) }
}
