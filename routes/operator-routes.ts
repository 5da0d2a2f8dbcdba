import helmet from '@fastify/helmet'
import type { FastifyPluginAsync } from 'fastify'
import { healthz } from './healthz.js'
import { livez } from './livez.js'
import { metrics } from './metrics.js'
import { refuseTakenPath, type RouteOptions } from './socket.js'
import { stats } from './stats.js'

/** The HTTP routes for operators, under helmet: one of their own, or the application's with the same options on top. */
export const operatorRoutes: FastifyPluginAsync<RouteOptions> = async (scope, { service, options }) => {
  const isRegistered = scope.hasReplyDecorator('helmet')
  if (options.helmet !== false && !isRegistered) await scope.register(helmet, options.helmet)
  const underHelmet = options.helmet !== false && isRegistered ? { helmet: options.helmet } : {}
  for (const [name, route] of Object.entries({ healthz, readyz: healthz, livez, stats, metrics })) {
    const path = options.routes[name as keyof typeof options.routes]
    if (path === false) continue
    refuseTakenPath(scope, path, `routes.${name}`)
    scope.route({ method: 'GET', url: path, ...underHelmet, ...route(service) })
  }
}
