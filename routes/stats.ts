import type { FastifyReply, FastifyRequest } from 'fastify'
import type { IncomingRequest } from '../lib/handshake/request-origin.js'
import type { LogGuard } from '../lib/application/log-guard.js'
import type { NoexService } from '../lib/service/service.js'
import { addVary } from './http.js'
import { operatorAnswer } from './operator-answer.js'
import { plainPage, wantsPage } from './plain-page.js'
import type { ResolvedOptions } from '../lib/options/options.js'

const number = { type: 'number' } as const
const integer = { type: 'integer' } as const
const boolean = { type: 'boolean' } as const
const string = { type: 'string' } as const
const perBucket = { type: 'object', additionalProperties: integer } as const

function object (required: Record<string, object>, optional: Record<string, object> = {}): object {
  return { type: 'object', required: Object.keys(required), properties: { ...required, ...optional } }
}

function each (schema: object): object {
  return { type: 'object', additionalProperties: schema }
}

function nullable (schema: object): object {
  return { ...schema, nullable: true }
}

const store = nullable(object({
  name: string,
  revision: integer,
  buckets: object({ count: integer, names: { type: 'array', items: string } }),
  records: object({ total: integer, perBucket }),
  bytes: object({ total: integer, perBucket }),
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

const figures = {
  process: object({
    rssBytes: integer,
    heapUsedBytes: integer,
    heapTotalBytes: integer,
    heapLimitBytes: integer,
    externalBytes: integer,
    cpuSeconds: object({ user: number, system: number }),
    gc: object({ count: integer, seconds: number }),
    eventLoopDelayMs: object({ p50: number, p99: number, max: number })
  }),
  operations: each(object({
    count: integer,
    errors: integer,
    seconds: number,
    p50Ms: number,
    p99Ms: number,
    maxMs: number,
    bytesOut: integer
  })),
  buckets: each(object({ records: integer, bytes: integer, indexes: integer })),
  durability: nullable(object({
    mode: string,
    isDurable: boolean,
    isUnavailable: boolean,
    lagCommits: integer,
    lagMs: number,
    diskBytes: nullable(integer),
    freeBytes: nullable(integer),
    isDiskLow: boolean,
    lastError: nullable(string)
  })),
  queues: object({ bytes: integer, largestBytes: integer }),
  refusals: each(integer)
}

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
  liveQueries: object({
    count: integer, bytes: integer, resume: object({ keys: integer, bytes: integer })
  }),
  store,
  rules: { type: 'object', nullable: true, additionalProperties: true },
  ...figures
}, { audit })

/**
 * Answers `GET /stats` with the result of `app.noex.getStats()`, to clients that may run `server.stats`: with
 * a token that could log in, as a user that the gateway names, or any client where there is no `auth`. A
 * browser that shows it to a user gets a page, which says what it is.
 */
export function stats (service: NoexService, logGuard: LogGuard, options: ResolvedOptions) {
  return {
    schema: { response: { 200: response } },
    async handler (request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
      const { stats: path } = options.routes
      const page = (text: string, block?: string): string =>
        plainPage({ request, reply, options, path: path === false ? '/' : path }, {
          title: `Statistics of ${options.name}`,
          paragraphs: [text, 'Programs get them from this address as JSON.'],
          ...(block !== undefined && { block })
        })
      const isPage = wantsPage(request)
      addVary(reply, 'Accept')
      const question = { what: 'statistics', logGuard, ...(isPage && { pageOf: page }) }
      const ask = async (incoming: IncomingRequest) => await service.statsForHttp(incoming)
      const stats = await operatorAnswer(request, reply, question, ask)
      if (stats === undefined) return reply
      if (!isPage) return stats
      return page('The figures of this server, at this moment.', JSON.stringify(stats, null, 2))
    }
  }
}
