import type { FastifyHelmetOptions } from '@fastify/helmet'
import { isPlainObject, option, options, type ValueType } from '../util/option-schema.js'
import { nonEmptyText, orFalse, type } from '../util/option-types.js'

/** The options of the plugin's routes. */
export interface RouteOptions {
  /**
   * The path of the WebSocket, below `prefix`.
   * @default '/'
   */
  path?: string | undefined
  /**
   * Stands before `path` and the paths of `routes`, behind the prefix of the enclosing scope.
   * @default ''
   */
  prefix?: string
  /**
   * Names this instance in `/stats`.
   * @default 'noex-server'
   */
  name?: string | undefined
  /** Paths of the HTTP routes, each `false` to leave it away. */
  routes?: RoutePaths | undefined
  /**
   * Options of `@fastify/helmet` for the HTTP routes, or `false` to serve them without it. Where the
   * application has registered helmet already, they are added to its own for these routes.
   * @default {}
   */
  helmet?: FastifyHelmetOptions | false | undefined
}

/** The option `routes`. */
interface RoutePaths {
  /**
   * Path of the health check: whether new clients should be sent here.
   * @default '/healthz'
   */
  healthz?: string | false | undefined
  /**
   * Path of the same check, under the name that orchestrators use.
   * @default '/readyz'
   */
  readyz?: string | false | undefined
  /**
   * Path that answers 200 as long as the process lives.
   * @default '/livez'
   */
  livez?: string | false | undefined
  /**
   * Path of the statistics.
   * @default '/stats'
   */
  stats?: string | false | undefined
  /**
   * Path of the [metrics](metrics.md) in the text format of Prometheus. Needs the package `prom-client`.
   * @default false
   */
  metrics?: string | false | undefined
  /**
   * Path of [requests over HTTP](http.md): `POST` with a request, or an array of them, as JSON.
   * @default false
   */
  rpc?: string | false | undefined
  /**
   * Path of [streams of events](http.md#a-stream-of-events): the way of a client that cannot have a
   * WebSocket, which needs `routes.rpc` too, and single live queries for EventSource and curl.
   * @default false
   */
  events?: string | false | undefined
  /**
   * Folder under which pages import the [client](client.md) without a bundler: `<client>/index.js`.
   * @default false
   */
  client?: string | false | undefined
  /**
   * Path of the [console](console.md): pages for those who run the server.
   * @default false
   */
  console?: string | false | undefined
}

const path = type(
  'path',
  'must be a path that starts with "/" and has no blank, "?", "#", ":" or "*"',
  value => typeof value === 'string' && /^\/[^\s?#:*]*$/.test(value)
)

const prefix: ValueType = {
  text: 'path, or empty',
  check (value, at) {
    if (value !== '') path.check(value, at)
  }
}

const helmet = type('object, or `false`', 'must be an object or false', value =>
  value === false || isPlainObject(value))

const routePaths = options<RoutePaths>()({
  healthz: option(orFalse(path), '/healthz'),
  readyz: option(orFalse(path), '/readyz'),
  livez: option(orFalse(path), '/livez'),
  stats: option(orFalse(path), '/stats'),
  metrics: option(orFalse(path), false),
  rpc: option(orFalse(path), false),
  events: option(orFalse(path), false),
  client: option(orFalse(path), false),
  console: option(orFalse(path), false)
})

export const routeOptions = options<RouteOptions>()({
  path: option(path, '/'),
  prefix: option(prefix, ''),
  name: option(nonEmptyText, 'noex-server'),
  routes: routePaths,
  helmet: option(helmet, {})
})
