import type { FastifyReply, FastifyRequest } from 'fastify'
import type { LogGuard } from '../lib/application/log-guard.js'
import type { IncomingRequest } from '../lib/handshake/request-origin.js'
import type { HttpRefusal } from '../lib/auth/http-authorizer.js'
import { incomingRequest, refusal } from './incoming-request.js'

const reasons = {
  400: 'The request is not acceptable',
  401: 'A valid token is required',
  403: 'Not allowed',
  429: 'Too many wrong tokens',
  503: 'Whether this is allowed cannot be found out at the moment'
} as const

/** A question that only some may have answered. */
interface Question {
  /** Names it in the log. */
  readonly what: string
  readonly logGuard: LogGuard
}

/**
 * Asks for what only some may see, and returns it; or refuses with 400, 401, 403 or 429, and with 503 when
 * nobody can tell whether it is allowed: then the reply is sent, and it resolves with `undefined`. No cache
 * keeps an answer.
 */
export async function operatorAnswer<T extends object> (
  request: FastifyRequest, reply: FastifyReply, { what, logGuard }: Question,
  ask: (request: IncomingRequest) => Promise<T | HttpRefusal>
): Promise<T | undefined> {
  const log = logGuard.wrap(request.log)
  reply.header('cache-control', 'no-store')
  let answer
  try {
    answer = await ask(incomingRequest(request))
  } catch (error) {
    log.error({ err: error }, `whether a request for ${what} is allowed could not be found out`)
    refuse(reply, 503)
    return undefined
  }
  if (!('refused' in answer)) return answer
  log.warn({ reason: answer.reason }, `${what} refused`)
  if (answer.retryAfterMs !== undefined) reply.header('retry-after', Math.ceil(answer.retryAfterMs / 1_000))
  refuse(reply, answer.refused)
  return undefined
}

function refuse (reply: FastifyReply, statusCode: keyof typeof reasons): void {
  if (statusCode === 401) reply.header('www-authenticate', 'Bearer')
  reply.code(statusCode).send(refusal(statusCode, reasons[statusCode]))
}
