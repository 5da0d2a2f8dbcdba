import type { FastifyReply, FastifyRequest } from 'fastify'
import { incomingRequest } from '../lib/handshake/http-request.js'
import type { LogGuard } from '../lib/application/log-guard.js'
import type { IncomingRequest } from '../lib/handshake/request-origin.js'
import type { HttpRefusal } from '../lib/auth/http-authorizer.js'
import { refusal } from './http.js'

const reasons = {
  400: 'The request is not acceptable',
  401: 'A valid token is required',
  403: 'Not allowed',
  429: 'Too many wrong tokens',
  503: 'Whether this is allowed cannot be found out at the moment'
} as const

/** The subject of a request for operators. */
interface Question {
  /** The name of the subject in the log. */
  readonly what: string
  readonly logGuard: LogGuard
  /** Makes the page of a refusal for a user; without it, and for programs, refusals are JSON. */
  readonly pageOf?: (message: string) => string
}

/**
 * Resolves with the answer to a request for operators. A refusal is sent with 400, 401, 403 or 429, and with
 * 503 when the authorization cannot be checked: then resolves with `undefined`. No answer may be cached.
 */
export async function operatorAnswer<T extends object> (
  request: FastifyRequest, reply: FastifyReply, { what, logGuard, pageOf }: Question,
  ask: (request: IncomingRequest) => Promise<T | HttpRefusal>
): Promise<T | undefined> {
  const log = logGuard.wrap(request.log)
  reply.header('cache-control', 'no-store')
  let answer
  try {
    answer = await ask(incomingRequest(request))
  } catch (error) {
    log.error({ err: error }, `the authorization of a request for ${what} could not be checked`)
    refuse(reply, 503, pageOf)
    return undefined
  }
  if (!('refused' in answer)) return answer
  log.warn({ reason: answer.reason }, `${what} refused`)
  if (answer.retryAfterMs !== undefined) reply.header('retry-after', Math.ceil(answer.retryAfterMs / 1_000))
  refuse(reply, answer.refused, pageOf)
  return undefined
}

function refuse (
  reply: FastifyReply, statusCode: keyof typeof reasons, pageOf: Question['pageOf']
): void {
  if (statusCode === 401) reply.header('www-authenticate', 'Bearer')
  const message = reasons[statusCode]
  reply.code(statusCode).send(pageOf?.(message) ?? refusal(statusCode, message))
}
