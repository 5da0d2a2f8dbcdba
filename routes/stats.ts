import type { FastifyReply, FastifyRequest } from 'fastify'
import type { NoexService } from '../lib/noex.js'
import { arrivingRequest, refusal } from './arriving-request.js'

const integer = { type: 'integer' } as const
const boolean = { type: 'boolean' } as const
const string = { type: 'string' } as const
const perBucket = { type: 'object', additionalProperties: integer } as const

function object (required: Record<string, object>, optional: Record<string, object> = {}): object {
  return { type: 'object', required: Object.keys(required), properties: { ...required, ...optional } }
}

function nullable (schema: object): object {
  return { ...schema, nullable: true }
}

const store = nullable(object({
  name: string,
  buckets: object({ count: integer, names: { type: 'array', items: string } }),
  records: object({ total: integer, perBucket }),
  indexes: object({ total: integer, perBucket }),
  queries: object({ defined: integer, activeSubscriptions: integer }),
  persistence: object({ enabled: boolean }),
  ttl: object({ enabled: boolean, checkIntervalMs: { type: 'number' } })
}))

const audit = object({
  entries: integer,
  sinks: {
    type: 'array',
    items: object({ name: string, problem: { type: 'string', nullable: true }, queued: integer, lagMs: integer, dropped: integer })
  }
})

const response = object({
  name: string,
  port: { type: 'integer', nullable: true },
  host: { type: 'string', nullable: true },
  connectionCount: integer,
  uptimeMs: integer,
  authEnabled: boolean,
  rateLimitEnabled: boolean,
  rulesEnabled: boolean,
  connections: object({
    active: integer,
    authenticated: integer,
    totalStoreSubscriptions: integer,
    totalRulesSubscriptions: integer
  }),
  store,
  rules: { type: 'null' }
}, { audit })

/**
 * `GET /stats`: what `app.noex.getStats()` tells, to whoever may run `server.stats`: the bearer of a token that would
 * log in, a user whom the gateway names, or everybody where there is no `auth`.
 */
export function stats (service: NoexService) {
  return {
    logLevel: 'warn' as const,
    schema: { response: { 200: response } },
    async handler (request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
      reply.header('cache-control', 'no-store')
      let stats
      try {
        stats = await service.statsOver(arrivingRequest(request))
      } catch (error) {
        request.log.error({ err: error }, 'whether a request for statistics is allowed could not be found out')
        return await refuse(reply, 503)
      }
      if (!('refused' in stats)) return stats
      request.log.warn({ reason: stats.reason }, 'statistics refused')
      return await refuse(reply, stats.refused)
    }
  }
}

const reasons = { 400: 'The request is not acceptable', 401: 'A valid token is required', 403: 'Not allowed', 503: 'Whether this is allowed cannot be found out at the moment' } as const

async function refuse (reply: FastifyReply, statusCode: keyof typeof reasons): Promise<unknown> {
  if (statusCode === 401) reply.header('www-authenticate', 'Bearer')
  return await reply.code(statusCode).send(refusal(statusCode, reasons[statusCode]))
}
