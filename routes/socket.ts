import { EventEmitter } from 'node:events'
import websocket from '@fastify/websocket'
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import type { AdmittedUpgrade, UpgradeRefusal } from '../lib/connection/admission.js'
import { canSetLimits, frameLimits } from '../lib/connection/socket.js'
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
  const admitted = new WeakMap<FastifyRequest, Admitted>()
  scope.route({
    method: 'GET',
    url: options.path,
    onRequest: async (request, reply) => await admit(request, reply, service, admitted),
    handler: upgradeRequired,
    wsHandler (ws, request) {
      // Nobody's default shutdown may close our sockets without a code; the service closes them itself.
      scope.websocketServer.clients.delete(ws)
      const { remoteAddress, session, place } = admitted.get(request) as Admitted
      place.taken()
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
    if (canSetLimits(scope.websocketServer)) return
    throw new NoexOptionsError('maxPayloadBytes', 'cannot be kept with the version of ws that your @fastify/websocket uses: update it (npm ls ws), or leave it to this plugin')
  }
  const isServed = scope.server.listeners('upgrade').some(isFastifyUpgrade)
  await scope.register(websocket, {
    options: {
      ...frameLimits(options.maxPayloadBytes),
      perMessageDeflate: false,
      // No protocol is spoken: what a client offers there may be a secret, and is not repeated.
      handleProtocols: () => false,
      ...(isServed ? { server: new EventEmitter() as typeof scope.server } : {})
    }
  })
}

/** Whether an upgrade listener is that of `@fastify/websocket`, which leaves no other trace outside its own scope. */
function isFastifyUpgrade (listener: { readonly name: string }): boolean {
  return listener.name === 'onUpgrade' && String(listener).includes('.routing(')
}

/** An upgrade that has been let in, with the place that is kept for it. */
interface Admitted extends AdmittedUpgrade {
  /** `taken`: its connection has it. Until then it is given back when the socket closes. */
  readonly place: { readonly taken: () => void }
}

/** Decides about an upgrade before it happens; a reply refuses it. */
async function admit (request: FastifyRequest, reply: FastifyReply, service: NoexService, admitted: WeakMap<FastifyRequest, Admitted>): Promise<void> {
  if (!request.ws) return
  const admission = service.admit(arrivingRequest(request))
  if (!('refused' in admission)) {
    // Of the response, since a request that a test injects has none.
    const { socket } = reply.raw
    const { giveBack } = admission
    socket?.once('close', giveBack)
    admitted.set(request, { ...admission, place: { taken: () => { socket?.removeListener('close', giveBack) } } })
    return
  }
  const { refused, reason } = admission
  request.log.warn({ remoteAddress: request.ip, origin: request.headers.origin?.slice(0, MAX_LOGGED_CHARS), reason }, 'upgrade refused')
  service.recordRefusal(arrivingRequest(request), reason, request.log)
  if (refused === 503) reply.header('connection', 'close')
  await reply.code(refused).send(refusal(refused, messages[refused]))
}

/** Of what a client says of itself. */
const MAX_LOGGED_CHARS = 256

/** What whoever is refused may know. */
const messages = {
  400: 'The connection is not accepted',
  401: 'The connection is not accepted',
  403: 'The connection is not accepted',
  429: 'There are too many connections of this user',
  503: 'No connections are accepted at the moment'
} as const satisfies Record<UpgradeRefusal['refused'], string>

/** Answers a plain request. */
async function upgradeRequired (_request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  return await reply.code(426).header('upgrade', 'websocket').header('connection', 'Upgrade')
    .send(refusal(426, 'This path speaks WebSocket'))
}
