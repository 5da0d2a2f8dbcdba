import helmet from '@fastify/helmet'
import type { FastifyPluginAsync } from 'fastify'
import { healthz } from './healthz.js'
import { livez } from './livez.js'
import { metrics } from './metrics.js'
import { refuseTakenPath, type RouteOptions } from './socket.js'
import { requestTimeoutMs } from './request-timeout.js'
import { stats } from './stats.js'

/** The HTTP routes for operators, under helmet: one of their own, or the application's with the same options on top. */
export const operatorRoutes: FastifyPluginAsync<RouteOptions> = async (scope, { service, options }) => {
  const isRegistered = scope.hasReplyDecorator('helmet')
  if (options.helmet !== false && !isRegistered) await scope.register(helmet, options.helmet)
  const underHelmet = options.helmet !== false && isRegistered ? { helmet: options.helmet } : {}
  const handlerTimeout = requestTimeoutMs(scope)
  const serializerCompiler = (): typeof serialize => serialize
  const common = { method: 'GET', handlerTimeout, serializerCompiler, ...underHelmet } as const
  for (const [name, route] of Object.entries({ healthz, readyz: healthz, livez, stats, metrics })) {
    const path = options.routes[name as keyof typeof options.routes]
    if (path === false) continue
    refuseTakenPath(scope, path, `routes.${name}`)
    scope.route({ url: path, ...common, ...route(service) })
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
