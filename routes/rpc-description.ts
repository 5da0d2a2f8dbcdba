import { MAX_KEY_CHARS } from '../lib/idempotency/keyed-requests.js'
import { ErrorCode } from '../lib/protocol/errors.js'
import { MAX_MESSAGES } from '../lib/protocol/message-list.js'
import type { Description } from './described.js'

const request = {
  type: 'object',
  required: ['type'],
  properties: {
    id: { type: 'number', description: '0 where it is absent' },
    type: { type: 'string', description: 'the name of an operation' },
    idempotencyKey: { type: 'string', minLength: 1, maxLength: MAX_KEY_CHARS }
  },
  additionalProperties: true
} as const

const result = {
  type: 'object',
  required: ['id', 'type', 'data'],
  properties: { id: { type: 'number' }, type: { type: 'string', enum: ['result'] }, data: {} }
} as const

const error = {
  type: 'object',
  required: ['id', 'type', 'code', 'message'],
  properties: {
    id: { type: 'number' },
    type: { type: 'string', enum: ['error'] },
    code: { type: 'string', enum: Object.keys(ErrorCode) },
    message: { type: 'string' },
    details: {}
  }
} as const

const replies = { type: 'array', items: { anyOf: [result, error] } } as const

/** Returns the shape of an error, of which the status says this. */
function failed (description: string): object {
  return { description, ...error }
}

/** Describes `POST <routes.rpc>`. */
export const rpcDescription: Description = {
  id: 'Rpc',
  summary: 'Carries out one request, or several',
  description: 'docs/messages.schema.json of the package fastify-noex has the requests and replies of each ' +
    'operation. With the header noex-stream the messages are those of a stream of events.',
  headers: {
    type: 'object',
    properties: {
      'idempotency-key': { type: 'string' },
      'noex-stream': { type: 'string', description: 'the id of a stream' }
    }
  },
  body: { anyOf: [request, { type: 'array', items: request, maxItems: MAX_MESSAGES }] },
  response: {
    200: { description: 'The reply, or the list of replies', anyOf: [result, replies] },
    202: { type: 'null', description: 'The messages of a stream are read' },
    400: failed('The request or a header is wrong'),
    401: failed('No token, or one that is not taken'),
    403: failed('Not allowed'),
    404: failed('There is no such thing'),
    408: failed('The body has not arrived in time'),
    409: failed('Another one was there first'),
    413: failed('The body is too long'),
    415: failed('The body is no application/json'),
    429: failed('A limit is reached'),
    500: failed('The server failed'),
    503: failed('Not available at the moment')
  }
}
