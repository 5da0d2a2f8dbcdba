import type { FastifyReply, FastifyRequest } from 'fastify'
import type { IncomingRequest } from '../lib/handshake/request-origin.js'
import type { LogGuard } from '../lib/application/log-guard.js'
import type { NoexService } from '../lib/service/service.js'
import { operatorAnswer, operatorRefusals } from './operator-answer.js'

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
    items: object({
      name: string,
      problem: { type: 'string', nullable: true },
      queued: integer,
      lagMs: integer,
      dropped: integer
    })
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
  rules: { type: 'object', nullable: true, additionalProperties: true }
}, { audit })

/**
 * Answers `GET /stats` with the result of `app.noex.getStats()`, to clients that may run `server.stats`: with
 * a token that could log in, as a user that the gateway names, or any client where there is no `auth`.
 */
export function stats (service: NoexService, logGuard: LogGuard) {
  return {
    description: {
      id: 'Stats',
      summary: 'The statistics of the service',
      response: { 200: { description: 'The statistics', ...response }, ...operatorRefusals }
    },
    async handler (request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
      const question = { what: 'statistics', logGuard }
      const ask = async (incoming: IncomingRequest) => await service.statsForHttp(incoming)
      const stats = await operatorAnswer(request, reply, question, ask)
      return stats ?? reply
    }
  }
}
