import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { addVary } from './http.js'
import { urlOf } from './socket.js'

/** Time for which a browser may keep the answer to a preflight, in seconds. */
const MAX_AGE_S = '7200'

/** The headers that a page may set. */
const REQUEST_HEADERS = 'authorization, content-type, idempotency-key, last-event-id, noex-stream'

/**
 * Lets pages of other origins read the answers of a scope, those pages that may open a WebSocket: CORS, of
 * which WebSockets know nothing. `allowedOrigins` is `undefined` where any page may; cookies count only with
 * a list. Where the application has CORS of its own, that stays.
 */
export function allowPages (
  scope: FastifyInstance, path: string, allowedOrigins: readonly string[] | undefined
): void {
  scope.addHook('onRequest', (request, reply, done) => {
    allow(request, reply, allowedOrigins)
    done()
  })
  if (scope.hasRoute({ method: 'OPTIONS', url: urlOf(scope.prefix, path) })) return
  scope.options(path, async (_request, reply) => {
    if (reply.hasHeader('access-control-allow-origin')) {
      reply.headers({
        'access-control-allow-methods': 'GET, POST',
        'access-control-allow-headers': REQUEST_HEADERS,
        'access-control-max-age': MAX_AGE_S
      })
    }
    return await reply.code(204).send()
  })
}

function allow (
  { headers: { origin } }: FastifyRequest, reply: FastifyReply, allowedOrigins: readonly string[] | undefined
): void {
  // Not from a page of another origin, which says where it is from; and no answer is kept for one that is.
  if (origin === undefined || reply.hasHeader('access-control-allow-origin')) return
  if (allowedOrigins === undefined) {
    reply.header('access-control-allow-origin', '*')
    return
  }
  addVary(reply, 'Origin')
  if (!allowedOrigins.includes(origin)) return
  reply.headers({ 'access-control-allow-origin': origin, 'access-control-allow-credentials': 'true' })
}
