import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ArrivingRequest } from '../lib/access/arrival.js'
import type { HttpRefusal } from '../lib/access/http-access.js'
import { arrivingRequest, refusal } from './arriving-request.js'

const reasons = { 400: 'The request is not acceptable', 401: 'A valid token is required', 403: 'Not allowed', 429: 'Too many wrong tokens', 503: 'Whether this is allowed cannot be found out at the moment' } as const

/**
 * Asks for what only some may see, and returns it; or refuses with 400, 401, 403 or 429, and with 503 when nobody can tell whether it is
 * allowed: then the reply is sent, and what is returned is `reply`. No answer is kept by anybody. `what` names it in the log.
 */
export async function operatorAnswer<T extends object> (
  request: FastifyRequest, reply: FastifyReply, what: string, ask: (request: ArrivingRequest) => Promise<T | HttpRefusal>
): Promise<T | FastifyReply> {
  reply.header('cache-control', 'no-store')
  let answer
  try {
    answer = await ask(arrivingRequest(request))
  } catch (error) {
    request.log.error({ err: error }, `whether a request for ${what} is allowed could not be found out`)
    return refuse(reply, 503)
  }
  if (!('refused' in answer)) return answer
  request.log.warn({ reason: answer.reason }, `${what} refused`)
  if (answer.retryAfterMs !== undefined) reply.header('retry-after', Math.ceil(answer.retryAfterMs / 1_000))
  return refuse(reply, answer.refused)
}

function refuse (reply: FastifyReply, statusCode: keyof typeof reasons): FastifyReply {
  if (statusCode === 401) reply.header('www-authenticate', 'Bearer')
  return reply.code(statusCode).send(refusal(statusCode, reasons[statusCode]))
}
