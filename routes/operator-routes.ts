import helmet from '@fastify/helmet'
import type { FastifyBaseLogger, FastifyPluginAsync, RouteOptions } from 'fastify'
import { healthz } from './healthz.js'
import { livez } from './livez.js'
import { metrics } from './metrics.js'
import { refuseTakenPath, type RouteOptions as OwnOptions } from './socket.js'
import { requestTimeoutMs } from './request-timeout.js'
import { stats } from './stats.js'

/**
 * The HTTP routes for operators, under helmet: one of their own, or the application's with the same options
 * on top.
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
    scope.route({ url: path, ...common, ...route(service, logGuard) })
  }
}

/**
 * Writes every payload as it is, and errors as Fastify does. The schemas of these routes document the answers
 * of ours; hooks and error handlers of the application may send others, which must not fail at a required
 * member.
 */
function serialize (payload: unknown): string {
  if (!(payload instanceof Error)) return JSON.stringify(payload)
  const { statusCode, code, error, message } = payload as Error & Record<string, unknown>
  return JSON.stringify({ statusCode, code, error, message })
}

const usualLevels: Readonly<Record<string, number>> = { trace: 10, debug: 20, info: 30, warn: 40 }

/**
 * Lets a route log from `warn` on, since monitors ask often; where its scope or the application logs less,
 * that holds.
 */
function quieten (route: RouteOptions, log: FastifyBaseLogger): void {
  const { values } = (log as { readonly levels?: { readonly values: Readonly<Record<string, number>> } })
    .levels ?? { values: usualLevels }
  const warn = values['warn']
  // Fastify has an empty text where the scope has no level of its own.
  const level: string = route.logLevel ?? ''
  const own = values[level === '' ? log.level : level]
  if (warn !== undefined && own !== undefined && own < warn) route.logLevel = 'warn'
}
