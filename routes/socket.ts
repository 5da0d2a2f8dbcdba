import { EventEmitter } from 'node:events'
import websocket from '@fastify/websocket'
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import type { LogGuard } from '../lib/application/log-guard.js'
import { canSetLimits, frameLimits } from '../lib/connection/socket.js'
import { answerSubprotocols } from '../lib/handshake/subprotocol.js'
import { guardVerifyClient, verifyClientProblem } from '../lib/handshake/verify-client.js'
import { isFastifyUpgrade, type UpgradeGuard } from '../lib/lifecycle/upgrade-guard.js'
import type { Log } from '../lib/util/log.js'
import type { NoexService } from '../lib/service/service.js'
import { NoexOptionsError } from '../lib/util/option-schema.js'
import type { ResolvedOptions } from '../lib/options/options.js'
import { addVary, refusal, requestTimeoutMs, setConnectionHeaders } from './http.js'
import { plainPage, wantsPage } from './plain-page.js'
import { PendingUpgrades } from './pending-upgrades.js'

/** The parts of the service that the routes use. */
export interface RouteOptions {
  readonly service: NoexService
  readonly options: ResolvedOptions
  /** Makes the loggers of requests safe. */
  readonly logGuard: LogGuard
}

/** The parts of the service that the socket route uses. */
interface SocketRouteOptions extends RouteOptions {
  readonly guard: UpgradeGuard
  /** The log of warnings at boot. */
  readonly log: Log
  /** Called with the function of `@fastify/websocket` that opens a WebSocket without a network. */
  readonly onInjectable: (injectWS: FastifyInstance['injectWS']) => void
}

/** Adds `GET <path>`: the WebSocket. PROTOCOL.md, "Connection". */
export const socketRoute: FastifyPluginAsync<SocketRouteOptions> = async (scope, settings) => {
  const { service, options, logGuard, guard, log } = settings
  refuseTakenPath(scope, options.path, 'path')
  const url = urlOf(scope.prefix, options.path)
  const upgrades = new PendingUpgrades(service, logGuard)
  const timeoutMs = requestTimeoutMs(scope)
  guard.watch(url, timeoutMs, request => { upgrades.onTimeout(request, timeoutMs, log) })
  await provideWebsocket(scope, options, url, log)
  settings.onInjectable(scope.injectWS)
  answerSubprotocols(scope.websocketServer, request => upgrades.has(request))
  guardVerifyClient(scope.websocketServer, request => upgrades.has(request), (problem, error) => {
    const message = `upgrade refused: verifyClient of your @fastify/websocket ${problem}`
    scope.log.error({ path: url, err: error }, message)
  })
  scope.route({
    method: 'GET',
    url: options.path,
    onRequest: (request, reply, done) => { upgrades.admit(request, reply, done) },
    preHandler (request, _reply, done) {
      upgrades.answerWithWelcome(request)
      done()
    },
    handler: async (request, reply) => await upgradeRequired(request, reply, options),
    wsHandler (ws, request) {
      const accepted = upgrades.take(request)
      if (accepted === undefined) {
        ws.terminate()
        return
      }
      // By default, `@fastify/websocket` closes its clients without a code; the service closes this one
      // itself.
      scope.websocketServer.clients?.delete(ws)
      const { remoteAddress, session } = accepted
      service.accept(ws, {
        remoteAddress,
        requestId: request.id,
        headers: service.retainedHeaders(request.headers),
        session
      })
    }
  })
}

/** Returns the URL of a route at `path` in a scope with this prefix. */
export function urlOf (prefix: string, path: string): string {
  return path === '/' && prefix !== '' ? prefix : prefix + path
}

/** Refuses to boot when another route has the path already. `option` is the option of the path. */
export function refuseTakenPath (
  scope: FastifyInstance, path: string, option: string, method: 'GET' | 'POST' = 'GET'
): void {
  const url = urlOf(scope.prefix, path)
  if (scope.hasRoute({ method, url })) {
    throw new NoexOptionsError(option, `is "${path}", but ${method} ${url} is taken by another route`)
  }
}

/**
 * Uses the `@fastify/websocket` of this scope, or registers one. A server needs one upgrade listener: where
 * another instance of that plugin listens already, the upgrades come through Fastify's router.
 */
async function provideWebsocket (
  scope: FastifyInstance, { maxPayloadBytes }: ResolvedOptions, url: string, log: Log
): Promise<void> {
  const isServed = scope.server.listeners('upgrade').some(isFastifyUpgrade)
  if (scope.hasDecorator('websocketServer')) {
    checkWebsocket(scope, url)
    if (!isServed) {
      log.warn({ path: url }, 'your @fastify/websocket listens on another server, by its options.server: ' +
        'clients can connect there only, and upgrades of this server are answered with 503')
    }
    return
  }
  await scope.register(websocket, {
    options: {
      ...frameLimits(maxPayloadBytes),
      perMessageDeflate: false,
      // The service counts and closes its connections itself.
      clientTracking: false,
      ...(isServed ? { server: new EventEmitter() as typeof scope.server } : {})
    }
  })
}

/** Refuses to boot on a `@fastify/websocket` of the application with which the socket could not be served. */
function checkWebsocket ({ websocketServer }: FastifyInstance, url: string): void {
  if (!canSetLimits(websocketServer)) {
    throw new NoexOptionsError('maxPayloadBytes',
      'cannot be kept with the ws, or the class options.WebSocket, of your @fastify/websocket: ' +
      'update ws (npm ls ws), leave options.WebSocket out, or leave @fastify/websocket to this plugin')
  }
  const { path, verifyClient } = websocketServer.options
  const problem = verifyClientProblem(verifyClient)
  if (problem !== undefined) {
    throw new Error(`options.verifyClient of your @fastify/websocket ${problem}`)
  }
  if (typeof path === 'string' && path !== '' && path !== url) {
    throw new NoexOptionsError('path',
      `makes the URL ${url}, but your @fastify/websocket has options.path "${path}", ` +
      'with which ws refuses every other one: leave options.path out, the routes say where WebSockets are')
  }
}

/** Answers a plain request with 426: with a page for a user who has opened the address in a browser. */
async function upgradeRequired (
  request: FastifyRequest, reply: FastifyReply, options: ResolvedOptions
): Promise<unknown> {
  setConnectionHeaders(reply, { upgrade: 'websocket', connection: 'Upgrade' })
  addVary(reply, 'Accept')
  reply.code(426)
  if (!wantsPage(request)) return await reply.send(refusal(426, 'This path speaks WebSocket'))
  return await reply.send(plainPage({ request, reply, options, path: options.path }, {
    title: options.name,
    paragraphs: [
      'This address is for programs: they open a WebSocket here, which a browser cannot show as a page.'
    ]
  }))
}
