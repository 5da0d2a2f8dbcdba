import helmet from '@fastify/helmet'
import type { FastifyBaseLogger, FastifyPluginAsync, RouteOptions } from 'fastify'
import { healthz } from './healthz.js'
import { livez } from './livez.js'
import { metrics } from './metrics.js'
import { refuseTakenPath, type RouteOptions as OwnOptions } from './socket.js'
import { requestTimeoutMs } from './http.js'
import { stats } from './stats.js'

/**
 * Adds the HTTP routes for operators, under helmet: an instance of their own, or that of the application with
 * the options of the plugin.
 */
export const operatorRoutes: FastifyPluginAsync<OwnOptions> = async (scope, settings) => {
  const { service, options, logGuard } = settings
  const isRegistered = scope.hasReplyDecorator('helmet')
  if (options.helmet !== false && !isRegistered) await scope.register(helmet, options.helmet)
  const underHelmet = options.helmet !== false && isRegistered ? { helmet: options.helmet } : {}
  scope.addHook('onRoute', route => { quieten(route, scope.log) })
  const handlerTimeout = requestTimeoutMs(scope)
  const serializerCompiler = (): typeof serialize => serialize
  const common = { method: 'GET', handlerTimeout, serializerCompiler, ...underHelmet } as const
  for (const [name, route] of Object.entries({ healthz, readyz: healthz, livez, stats, metrics })) {
    const path = options.routes[name as keyof typeof options.routes]
    if (path === false) continue
    refuseTakenPath(scope, path, `routes.${name}`)
    scope.route({ url: path, ...common, ...route(service, logGuard, options) })
  }
}

/**
 * Serializes every payload without a schema, and errors as Fastify does. The schemas document our own
 * answers; hooks and error handlers of the application may send others, which must not fail for a missing
 * property.
 */
function serialize (payload: unknown): string {
  if (!(payload instanceof Error)) return JSON.stringify(payload)
  const { statusCode, code, error, message } = payload as Error & Record<string, unknown>
  return JSON.stringify({ statusCode, code, error, message })
}

const usualLevels: Readonly<Record<string, number>> = { trace: 10, debug: 20, info: 30, warn: 40 }

/**
 * Raises the log level of a route to `warn`, since monitors send many requests. A higher level of its scope
 * or of the application stays.
 */
function quieten (route: RouteOptions, log: FastifyBaseLogger): void {
  const { values } = (log as { readonly levels?: { readonly values: Readonly<Record<string, number>> } })
    .levels ?? { values: usualLevels }
  const warn = values['warn']
  // Fastify has an empty string where the scope has no level of its own.
  const level: string = route.logLevel ?? ''
  const own = values[level === '' ? log.level : level]
  if (warn !== undefined && own !== undefined && own < warn) route.logLevel = 'warn'
}
