import helmet from '@fastify/helmet'
import type { FastifyPluginAsync } from 'fastify'
import { healthz } from './healthz.js'
import { refuseTakenPath, type RouteOptions } from './socket.js'
import { stats } from './stats.js'

/** The HTTP routes for operators, under helmet. An application whose own helmet covers this scope keeps its settings. */
export const operatorRoutes: FastifyPluginAsync<RouteOptions> = async (scope, { service, options }) => {
  if (options.helmet !== false && !scope.hasReplyDecorator('helmet')) await scope.register(helmet, options.helmet)
  for (const [name, route] of Object.entries({ healthz, stats })) {
    const path = options.routes[name as 'healthz' | 'stats']
    if (path === false) continue
    refuseTakenPath(scope, path, `routes.${name}`)
    scope.route({ method: 'GET', url: path, ...route(service) })
  }
}
