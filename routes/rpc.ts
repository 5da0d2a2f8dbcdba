import type { IncomingMessage } from 'node:http'
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import { helmetHeaders } from './helmet-headers.js'
import { refusal } from './http.js'
import { RpcRequests, type BodyRead } from './rpc-requests.js'
import { refuseTakenPath, type RouteOptions } from './socket.js'

/** The header that says which stream of events a POST belongs to. */
const STREAM_HEADER = 'noex-stream'

/** Adds `POST <routes.rpc>`: requests without a connection. PROTOCOL.md, "Requests over HTTP". */
export const rpcRoutes: FastifyPluginAsync<RouteOptions> = async (scope, settings) => {
  const { rpc } = settings.options.routes
  if (rpc === false) return
  for (const method of ['GET', 'POST'] as const) refuseTakenPath(scope, rpc, 'routes.rpc', method)
  const { headers, route } = await helmetHeaders(scope, settings.options.helmet)
  const requests = new RpcRequests(scope, settings, headers)
  // None of the application: a body of another type is refused.
  scope.removeAllContentTypeParsers()
  const read = (request: FastifyRequest, payload: IncomingMessage, done: BodyRead): void => {
    requests.read(request, payload, done)
  }
  scope.addContentTypeParser('application/json', read)
  scope.addHook('onClose', async () => { requests.stop() })
  scope.route({
    method: 'POST',
    url: rpc,
    ...route,
    onRequest (request, reply, done) {
      if (request.headers[STREAM_HEADER] === undefined) requests.admit(request, reply, done)
      else refuse(reply.headers(headers), 404, 'There is no such stream: open a new one')
    },
    handler (request, reply) { requests.answer(request, reply) }
  })
  scope.route({
    method: ['GET', 'PUT', 'PATCH', 'DELETE'],
    url: rpc,
    ...route,
    onRequest (_request, reply) {
      refuse(reply.headers(headers).header('allow', 'POST'), 405, 'Requests are sent by POST')
    },
    handler () {}
  })
}

function refuse (reply: FastifyReply, statusCode: number, message: string): void {
  reply.code(statusCode).header('cache-control', 'no-store').send(refusal(statusCode, message))
}
