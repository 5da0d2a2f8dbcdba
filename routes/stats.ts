import type { FastifyReply, FastifyRequest } from 'fastify'
import type { NoexService } from '../lib/noex.js'

const integer = { type: 'integer' } as const
const boolean = { type: 'boolean' } as const
const string = { type: 'string' } as const
const perBucket = { type: 'object', additionalProperties: integer } as const

function object (properties: Record<string, object>, nullable = false): object {
  return { type: 'object', nullable, required: Object.keys(properties), properties }
}

const store = object({
  name: string,
  buckets: object({ count: integer, names: { type: 'array', items: string } }),
  records: object({ total: integer, perBucket }),
  indexes: object({ total: integer, perBucket }),
  queries: object({ defined: integer, activeSubscriptions: integer }),
  persistence: object({ enabled: boolean }),
  ttl: object({ enabled: boolean, checkIntervalMs: { type: 'number' } })
}, true)

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
})

/** `GET /stats`: what `app.noex.getStats()` tells. */
export function stats (service: NoexService) {
  return {
    logLevel: 'warn' as const,
    schema: { response: { 200: response } },
    async handler (_request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
      reply.header('cache-control', 'no-store')
      return await service.getStats()
    }
  }
}
