import fp from 'fastify-plugin'
import type {
  FastifyInstance, FastifyPluginAsync, FastifyServerOptions, RegisterOptions
} from 'fastify'
import { LogGuard } from './application/log-guard.js'
import { adviseOnListen } from './deployment/boot-advice.js'
import { BootLog } from './deployment/boot-log.js'
import { UpgradeGuard } from './lifecycle/upgrade-guard.js'
import type { Noex } from './types.js'
import { NoexService } from './service/service.js'
import { resolveOptions, type NoexOptions } from './options/options.js'
import { systemClock } from './util/clock.js'
import { MAX_TIMER_MS } from './util/option-types.js'
import { withTimeout } from './util/with-timeout.js'
import { clientFiles } from '../routes/client-files.js'
import { consoleFiles } from '../routes/console.js'
import { eventRoutes } from '../routes/events.js'
import { operatorRoutes } from '../routes/operator-routes.js'
import { rpcRoutes } from '../routes/rpc.js'
import { socketRoute, urlOf } from '../routes/socket.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** The service that `noexPlugin` runs in this scope. */
    noex: Noex
  }
}

const plugin: FastifyPluginAsync<NoexOptions> = async (fastify, options: NoexOptions & RegisterOptions) => {
  const resolved = resolveOptions(options)
  refuseSecond(fastify)

  const logGuard = new LogGuard()
  const log = BootLog.of(logOf(fastify, options), logGuard)
  const service = await NoexService.start(resolved, {
    log, logGuard, address: () => fastify.server.address()
  })
  fastify.decorate('noex', service satisfies Noex)
  const guard = UpgradeGuard.of(fastify.server)
  closeWith(fastify, service, guard)
  let injectWS: FastifyInstance['injectWS'] | undefined
  fastify.addHook('onReady', async () => {
    // Earlier, the application could not register `@fastify/websocket` itself any more.
    if (!('injectWS' in fastify)) Object.defineProperty(fastify, 'injectWS', { value: injectWS })
    await service.adviseOnNames().catch((error: unknown) => {
      log.debug({ err: error }, 'names could not be compared')
    })
  })

  // In scopes of their own, so that `prefix` counts and helmet stays with these routes. Fastify reads its own
  // options only where a plugin has a scope, so they are handed on.
  const { logLevel, logSerializers } = options
  const scope = {
    prefix: resolved.prefix,
    ...(logLevel && { logLevel }),
    ...(logSerializers && { logSerializers })
  }
  await fastify.register(socketRoute, {
    ...scope, service, options: resolved, logGuard, guard, log, onInjectable (given) { injectWS = given }
  })
  await fastify.register(operatorRoutes, { ...scope, service, options: resolved, logGuard })
  await fastify.register(eventRoutes, { ...scope, service, options: resolved, logGuard })
  await fastify.register(rpcRoutes, { ...scope, service, options: resolved, logGuard })
  await fastify.register(clientFiles, { ...scope, service, options: resolved, logGuard })
  await fastify.register(consoleFiles, { ...scope, service, options: resolved, logGuard })
  adviseOnListen(fastify, options, urlOf(fastify.prefix + resolved.prefix, resolved.path), log)
}

/** Returns the logger of the scope, with the level and the serializers of Fastify's own options. */
function logOf (
  fastify: FastifyInstance,
  { logLevel, logSerializers }: RegisterOptions
): FastifyInstance['log'] {
  if (logLevel === undefined && logSerializers === undefined) return fastify.log
  return fastify.log.child(
    {},
    { ...(logLevel && { level: logLevel }), ...(logSerializers && { serializers: logSerializers }) }
  )
}

/** Refuses a second registration in one scope; an enclosing scope may have its own `app.noex`. */
function refuseSecond (fastify: FastifyInstance): void {
  if (!Object.hasOwn(fastify, 'noex')) return
  throw new Error(
    'noexPlugin is registered twice in one scope: ' +
      'register the second one inside app.register(async scope => …, { prefix })'
  )
}

/**
 * Closes the service with the application. Fastify bounds `preClose` by its plugin timeout, so the drain only
 * starts there, at the same time for every instance on the server. The server's own close waits for the
 * sockets, and `onClose` for everything else.
 */
function closeWith (fastify: FastifyInstance, service: NoexService, guard: UpgradeGuard): void {
  let closing: Promise<void> | undefined
  const close = (): Promise<void> => {
    closing ??= service.close().finally(() => { guard.release() })
    return closing
  }

  fastify.addHook('preClose', (done) => {
    guard.drain()
    // onClose reports a failure.
    close().catch(() => {})
    streamsEnded(fastify, service).finally(done)
  })
  fastify.addHook('onClose', close)
}

/** Time that is left of the plugin timeout when streams are given up, in milliseconds. */
const MARGIN_MS = 1_000

/**
 * Resolves when Fastify may go on: with `forceCloseConnections: true` its next step cuts all responses off,
 * also streams that are being closed. A drain that takes longer than the plugin timeout is not waited for.
 */
async function streamsEnded (fastify: FastifyInstance, service: NoexService): Promise<void> {
  const { forceCloseConnections, pluginTimeout = 0 } = fastify.initialConfig as FastifyServerOptions
  if (forceCloseConnections !== true) return
  const limitMs = pluginTimeout === 0 ? MAX_TIMER_MS : Math.max(0, pluginTimeout - MARGIN_MS)
  await withTimeout(limitMs, service.streams.empty(), systemClock)
}

/**
 * The Fastify 5 plugin: serves a noex store over one WebSocket, with `/healthz` and `/stats` beside it.
 * Decorates the scope with `noex`. Rejects with a `NoexOptionsError` for an invalid option.
 * @example
 * const app = Fastify({ logger: true })
 * await app.register(noexPlugin, { store: await Store.start({ name: 'shop' }) })
 * await app.listen({ port: 3000 })
 */
export const noexPlugin: FastifyPluginAsync<NoexOptions> = fp(plugin, {
  name: 'fastify-noex',
  fastify: '5.x'
})
