import type { IncomingMessage } from 'node:http'
import type { FastifyPluginAsync, FastifyRequest } from 'fastify'
import { allowPages } from './cross-origin.js'
import { refusal, requestTimeoutMs } from './http.js'
import { refuseTakenPath, type RouteOptions } from './socket.js'
import { StreamPosts } from './stream-posts.js'

/** Adds `POST <routes.rpc>`: the messages of clients that have a stream of events. */
export const rpcRoutes: FastifyPluginAsync<RouteOptions> = async (scope, settings) => {
  const { options: { routes, allowedOrigins } } = settings
  if (routes.rpc === false) return
  refuseTakenPath(scope, routes.rpc, 'routes.rpc')
  allowPages(scope, routes.rpc, allowedOrigins)
  const posts = new StreamPosts(settings)
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser('application/json', async (request: FastifyRequest, payload: IncomingMessage) =>
    posts.has(request) ? await posts.read(request, payload) : undefined)
  scope.route({
    method: 'POST',
    url: routes.rpc,
    handlerTimeout: requestTimeoutMs(scope),
    onRequest: (request, reply, done) => { posts.admit(request, reply, done) },
    async handler (request, reply) {
      if (posts.has(request)) return await posts.take(request, reply)
      return await reply.code(404).send(refusal(404, 'There are only streams'))
    }
  })
}
