import type { OutgoingHttpHeaders } from 'node:http'
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import { bearerToken } from '../lib/auth/http-authorizer.js'
import { closeReasons } from '../lib/protocol/close-codes.js'
import { NoexServerError } from '../lib/protocol/errors.js'
import { eventHeaders } from '../lib/protocol/server-sent-events.js'
import type { QueryRefusal, QueryRequest } from '../lib/connection/query-stream.js'
import { ResponseSink } from '../lib/connection/response-sink.js'
import type { Upgrade } from '../lib/handshake/upgrade.js'
import { described, textOf, type Description } from './described.js'
import { refuseConnection } from './connection-refusal.js'
import { allowPages } from './cross-origin.js'
import { eventRequest } from './event-query.js'
import { incomingRequest } from '../lib/handshake/http-request.js'
import { refusal, requestTimeoutMs } from './http.js'
import { refuseTakenPath, type RouteOptions } from './socket.js'

const json = { type: 'string', description: 'JSON' } as const

const description: Description = {
  id: 'Events',
  summary: 'Opens a stream of messages, or of one live query',
  description: 'Without parameters a stream in the place of a WebSocket, with query or find one live query.',
  querystring: {
    type: 'object',
    additionalProperties: false,
    properties: {
      query: { type: 'string', description: 'the name of a query' },
      params: json,
      find: json,
      delta: { type: 'string', enum: ['0', '1', 'false', 'true'] },
      minIntervalMs: { type: 'integer', minimum: 0 }
    }
  },
  headers: { type: 'object', properties: { 'last-event-id': { type: 'string' } } },
  response: {
    200: textOf('text/event-stream', 'Server-Sent Events'),
    400: 'A parameter or a header is wrong',
    401: 'No token, or one that is not taken',
    403: 'Not allowed',
    404: 'There is no such query or bucket, or there are no streams without routes.rpc',
    429: 'A limit is reached',
    503: 'There are too many connections, or the server shuts down'
  }
}

/** Adds `GET <routes.events>`: streams of events. PROTOCOL.md, "Streams" and "Watching one query". */
export const eventRoutes: FastifyPluginAsync<RouteOptions> = async (scope, settings) => {
  const { options: { routes, allowedOrigins, queryTimeoutMs, auth }, service } = settings
  if (routes.events === false) return
  refuseTakenPath(scope, routes.events, 'routes.events')
  allowPages(scope, routes.events, allowedOrigins)
  const takesTokens = auth !== undefined && auth.mode !== 'gateway'

  /** Admits a connection, as an upgrade; `undefined` where that is refused, which is then answered. */
  const admit = (request: FastifyRequest, reply: FastifyReply): Upgrade | undefined => {
    const admission = service.admit(incomingRequest(request))
    if ('refused' in admission) {
      refuseConnection(request, reply, settings, admission, 'stream')
      return undefined
    }
    const { remoteAddress, session, release } = admission
    if (new ResponseSink(reply.raw).isGone) {
      release()
      reply.hijack()
      return undefined
    }
    const headers = service.retainedHeaders(request.headers)
    return { remoteAddress, session, requestId: request.id, headers }
  }

  const watch = async (
    request: FastifyRequest, reply: FastifyReply, query: Omit<QueryRequest, 'token'>
  ): Promise<FastifyReply> => {
    const upgrade = admit(request, reply)
    if (upgrade === undefined) return reply
    const sink = new ResponseSink(reply.raw)
    const token = takesTokens ? bearerToken(request.headers) : undefined
    const onOpen = (): void => { begin(reply, sink) }
    const refused = await service.streams.watch(sink, upgrade, { ...query, token }, onOpen)
    return refused === undefined ? reply : refuseQuery(reply, refused)
  }

  scope.route({
    method: 'GET',
    url: routes.events,
    // It would open a stream.
    exposeHeadRoute: false,
    ...described(scope, settings.options.hideRoutes, description),
    handlerTimeout: requestTimeoutMs(scope) + queryTimeoutMs,
    async handler (request, reply) {
      reply.header('cache-control', eventHeaders['cache-control'])
      const wanted = eventRequest(request.raw.url ?? '', request.headers)
      if (wanted.kind === 'bad') return await reply.code(400).send(refusal(400, wanted.problem))
      if (wanted.kind === 'query') return await watch(request, reply, wanted.query)
      if (routes.rpc === false) return await reply.code(404).send(refusal(404, 'Streams need routes.rpc'))
      const upgrade = admit(request, reply)
      if (upgrade === undefined) return reply
      const sink = new ResponseSink(reply.raw)
      begin(reply, sink)
      service.streams.open(sink, upgrade)
      return reply
    }
  })
}

/** Takes the response away from Fastify, unless it has answered already, and sends its head. */
function begin (reply: FastifyReply, sink: ResponseSink): void {
  if (reply.sent) return
  reply.hijack()
  // Hooks of the application have added headers. The server does not wait for a next request on this socket
  // when it closes.
  const ofConnection = reply.request.raw.httpVersionMajor >= 2 ? {} : { connection: 'close' }
  sink.begin({ ...reply.getHeaders() as OutgoingHttpHeaders, ...eventHeaders, ...ofConnection })
}

/** Answers a request for one live query with the reason why there is none. */
async function refuseQuery (reply: FastifyReply, refused: QueryRefusal): Promise<FastifyReply> {
  if (reply.sent) return reply
  if ('closed' in refused) {
    const status = refused.closed === closeReasons.tooManyConnections.reason ? 429 : 503
    return await reply.code(status).send(refusal(status, `The connection is closed: ${refused.closed}`))
  }
  const { code, message, details } = refused
  const { statusCode, headers = {} } = new NoexServerError(code, message, details)
  const body = { ...refusal(statusCode, message), code, details }
  return await reply.code(statusCode).headers(headers).send(body)
}
