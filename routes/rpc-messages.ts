import { isUtf8 } from 'node:buffer'
import { decode, type Decoded } from '../lib/protocol/decode.js'
import { NoexServerError, type NoexErrorCode } from '../lib/protocol/errors.js'
import { messagesIn } from '../lib/protocol/message-list.js'
import { BodyFailure, type BodyResult } from './request-body.js'

/** The messages of one request over HTTP. */
export type RpcMessages = OneMessage | { readonly list: readonly Decoded[] }

/** A single message, whose reply is the answer. */
interface OneMessage {
  readonly message: Decoded
  /** The status of the answer, where its error does not say it. */
  readonly statusCode?: number
}

const OPEN_BRACKET = 0x5b

/** A text in quotes (RFC 8941, section 3.3.3), as the header is drafted to have. */
const QUOTED = /^"((?:[^"\\]|\\["\\])*)"$/

/** The characters of the header: none that joins several headers. */
const KEY = /^[!-+\--~]+$/

/**
 * Returns the messages of a body. `key` is the header `Idempotency-Key`, for a body of one request. A body
 * that cannot be used as a whole is one malformed message: nothing of it is done.
 */
export function rpcMessages (body: BodyResult, key: string | string[] | undefined): RpcMessages {
  if (body instanceof BodyFailure) {
    return { message: malformed(body.error), statusCode: body.statusCode }
  }
  if (!isUtf8(body)) return whole('PARSE_ERROR', 'The body is not UTF-8')
  if (!isArray(body)) return { message: withKey(decode(body.toString(), false), key) }
  const items = messagesIn(body)
  if (items === undefined) {
    return whole('PARSE_ERROR', 'The body must be a request as JSON, or an array of at most 1,000')
  }
  if (key !== undefined) {
    return whole('VALIDATION_ERROR', 'Idempotency-Key: is for one request, an array has members for it')
  }
  const list = items.map(item => decode(item.toString(), false))
  // Otherwise requests of a text that is no JSON would be done.
  const bad = list.findIndex(item => item.kind === 'malformed' && item.error.code === 'PARSE_ERROR')
  return bad === -1 ? { list } : whole('PARSE_ERROR', `[${bad}]: must be a request as JSON`)
}

/** Whether a body begins like an array. */
function isArray (body: Buffer): boolean {
  let at = 0
  while (body[at] === 0x20 || body[at] === 0x0a || body[at] === 0x0d || body[at] === 0x09) at++
  return body[at] === OPEN_BRACKET
}

/** Adds the key of the header to a request. */
function withKey (message: Decoded, header: string | string[] | undefined): Decoded {
  if (header === undefined || message.kind !== 'request') return message
  const { request } = message
  const { id } = request
  const text = String(header)
  const key = QUOTED.exec(text)?.[1]?.replace(/\\(.)/g, '$1') ?? text
  if (!KEY.test(key)) {
    const problem = 'Idempotency-Key: must be one text of visible ASCII characters, without a comma'
    return malformed(new NoexServerError('VALIDATION_ERROR', problem), id)
  }
  if (request['idempotencyKey'] !== undefined && request['idempotencyKey'] !== key) {
    const problem = 'idempotencyKey: is another one than that of the header Idempotency-Key'
    return malformed(new NoexServerError('VALIDATION_ERROR', problem), id)
  }
  return { kind: 'request', request: { ...request, idempotencyKey: key } }
}

function whole (code: NoexErrorCode, problem: string): OneMessage {
  return { message: malformed(new NoexServerError(code, problem)) }
}

function malformed (error: NoexServerError, id = 0): Decoded {
  return { kind: 'malformed', id, error }
}
