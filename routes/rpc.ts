import type { IncomingMessage } from 'node:http'
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import { allowPages } from './cross-origin.js'
import { described, undescribed } from './described.js'
import { helmetHeaders } from './helmet-headers.js'
import { refusal, requestTimeoutMs } from './http.js'
import type { BodyRead } from './request-body.js'
import { RpcRequests } from './rpc-requests.js'
import { rpcDescription } from './rpc-description.js'
import { refuseTakenPath, type RouteOptions } from './socket.js'
import { StreamPosts } from './stream-posts.js'

/**
 * Adds `POST <routes.rpc>`: requests without a connection, and the messages of clients that have a stream of
 * events. PROTOCOL.md, "Requests over HTTP" and "Streams".
 */
export const rpcRoutes: FastifyPluginAsync<RouteOptions> = async (scope, settings) => {
  const { routes: { rpc }, allowedOrigins, helmet, hideRoutes } = settings.options
  if (rpc === false) return
  for (const method of ['GET', 'POST'] as const) refuseTakenPath(scope, rpc, 'routes.rpc', method)
  const { headers, route } = await helmetHeaders(scope, helmet)
  const requests = new RpcRequests(scope, settings, headers)
  const posts = new StreamPosts(settings, requestTimeoutMs(scope), headers)
  allowPages(scope, rpc, allowedOrigins)
  // None of the application: a body of another type is refused.
  scope.removeAllContentTypeParsers()
  const read = (request: FastifyRequest, payload: IncomingMessage, done: BodyRead): void => {
    if (posts.has(request)) posts.read(request, payload, done)
    else requests.read(request, payload, done)
  }
  scope.addContentTypeParser('application/json', read)
  scope.addHook('onClose', async () => {
    requests.stop()
    posts.stop()
  })
  scope.route({
    method: 'POST',
    url: rpc,
    ...route,
    ...described(scope, hideRoutes, rpcDescription),
    onRequest (request, reply, done) {
      if (StreamPosts.isOne(request)) posts.admit(request, reply, done)
      else requests.admit(request, reply, done)
    },
    handler (request, reply) {
      if (posts.has(request)) return posts.take(request, reply)
      requests.answer(request, reply)
      return undefined
    }
  })
  scope.route({
    method: ['GET', 'PUT', 'PATCH', 'DELETE'],
    url: rpc,
    ...route,
    ...undescribed,
    onRequest (_request, reply) {
      refuse(reply.headers(headers).header('allow', 'POST'), 405, 'Requests are sent by POST')
    },
    handler () {}
  })
}

function refuse (reply: FastifyReply, statusCode: number, message: string): void {
  reply.code(statusCode).header('cache-control', 'no-store').send(refusal(statusCode, message))
}
