import { EventEmitter } from 'node:events'
import websocket from '@fastify/websocket'
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import type { Arrival } from '../lib/access/arrival.js'
import { canLimitPayload } from '../lib/connection/socket.js'
import { arrivingRequest, refusal } from './arriving-request.js'
import type { NoexService } from '../lib/noex.js'
import { NoexOptionsError } from '../lib/option-checks.js'
import type { ResolvedOptions } from '../lib/options.js'

/** What the routes need to know. */
export interface RouteOptions {
  readonly service: NoexService
  readonly options: ResolvedOptions
}

/** `GET <path>`: the WebSocket that everything else is about. PROTOCOL.md, "Connection". */
export const socketRoute: FastifyPluginAsync<RouteOptions> = async (scope, { service, options }) => {
  refuseTakenPath(scope, options.path, 'path')
  await provideWebsocket(scope, options)
  const arrivals = new WeakMap<FastifyRequest, Arrival>()
  scope.route({
    method: 'GET',
    url: options.path,
    onRequest: async (request, reply) => await admit(request, reply, service, options, arrivals),
    handler: upgradeRequired,
    wsHandler (ws, request) {
      // Nobody's default shutdown may close our sockets without a code; the service closes them itself.
      scope.websocketServer.clients.delete(ws)
      const { remoteAddress, session } = arrivals.get(request) as Arrival
      service.accept(ws, { remoteAddress, requestId: request.id, headers: service.headersToKeep(request.headers), session })
    }
  })
}

/** Refuses to boot when another route has the path already. `option` is where the path comes from. */
export function refuseTakenPath (scope: FastifyInstance, path: string, option: string): void {
  const url = path === '/' && scope.prefix !== '' ? scope.prefix : scope.prefix + path
  if (scope.hasRoute({ method: 'GET', url })) throw new NoexOptionsError(option, `is "${path}", but GET ${url} is taken by another route`)
}

/**
 * Uses the `@fastify/websocket` that this scope can see, or brings one. One upgrade listener on a server is
 * enough: where another instance of that plugin listens already, ours gets its upgrades through Fastify's router.
 */
async function provideWebsocket (scope: FastifyInstance, options: ResolvedOptions): Promise<void> {
  if (scope.hasDecorator('websocketServer')) {
    if (canLimitPayload(scope.websocketServer)) return
    throw new NoexOptionsError('maxPayloadBytes', 'cannot be kept with the installed version of ws: register @fastify/websocket with ' +
      `{ options: { maxPayload: ${options.maxPayloadBytes} } }, or leave it to this plugin`)
  }
  const isServed = scope.server.listeners('upgrade').some(isFastifyUpgrade)
  await scope.register(websocket, {
    options: {
      maxPayload: options.maxPayloadBytes,
      perMessageDeflate: false,
      ...(isServed ? { server: new EventEmitter() as typeof scope.server } : {})
    }
  })
}

/** Whether an upgrade listener is that of `@fastify/websocket`, which leaves no other trace outside its own scope. */
function isFastifyUpgrade (listener: { readonly name: string }): boolean {
  return listener.name === 'onUpgrade' && String(listener).includes('.routing(')
}

/** Decides about an upgrade before it happens; a reply refuses it. */
async function admit (request: FastifyRequest, reply: FastifyReply, service: NoexService, options: ResolvedOptions, arrivals: WeakMap<FastifyRequest, Arrival>): Promise<void> {
  if (!request.ws) return
  const { origin } = request.headers
  if (service.state !== 'serving') {
    service.recordRefusal(arrivingRequest(request), 'the server is shutting down', request.log)
    await reply.code(503).header('connection', 'close').send(refusal(503, 'The server is shutting down'))
    return
  }
  if (options.allowedOrigins !== undefined && origin !== undefined && !options.allowedOrigins.includes(origin)) {
    request.log.warn({ origin }, 'upgrade refused: origin is not allowed')
    service.recordRefusal(arrivingRequest(request), 'the origin is not allowed', request.log)
    await reply.code(403).send(refusal(403, 'The origin is not allowed'))
    return
  }
  const arrival = service.arrive(arrivingRequest(request))
  if ('refused' in arrival) {
    request.log.warn({ remoteAddress: request.ip, reason: arrival.reason }, 'upgrade refused')
    service.recordRefusal(arrivingRequest(request), arrival.reason, request.log)
    await reply.code(arrival.refused).send(refusal(arrival.refused, 'The connection is not accepted'))
    return
  }
  arrivals.set(request, arrival)
}

/** Answers a plain request. */
async function upgradeRequired (_request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  return await reply.code(426).header('upgrade', 'websocket').header('connection', 'Upgrade')
    .send(refusal(426, 'This path speaks WebSocket'))
}
