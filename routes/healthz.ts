import type { FastifyReply, FastifyRequest } from 'fastify'
import type { NoexService } from '../lib/service/service.js'

const durability = {
  type: 'object',
  required: ['state', 'lagMs'],
  description: 'of a store that is not in memory only',
  properties: {
    state: { type: 'string', enum: ['ok', 'unavailable', 'following'] },
    lagMs: { type: 'integer', description: 'age of the oldest commit that is not durable yet' }
  }
} as const

const ok = {
  type: 'object',
  description: 'Clients can be sent here',
  required: ['status', 'uptime', 'connections'],
  properties: {
    status: { type: 'string', enum: ['ok'] },
    uptime: { type: 'integer', description: 'milliseconds since the plugin started' },
    connections: { type: 'integer', description: 'connections, of WebSockets and streams' },
    durability
  }
} as const

const unhealthy = {
  type: 'object',
  description: 'Clients should go elsewhere',
  required: ['status'],
  properties: {
    status: { type: 'string', enum: ['draining', 'audit_unavailable', 'store_unavailable', 'standby'] },
    reason: { type: 'string', description: 'why the audit trail cannot be written' },
    durability
  }
} as const

/**
 * Answers `GET /healthz`: 200 when clients can be sent to this server; 503 from the beginning of a shutdown,
 * while requests are refused because the audit trail or the log of the store cannot be written, and while
 * another process takes the writes.
 */
export function healthz (service: NoexService) {
  return {
    description: {
      id: 'Healthz',
      summary: 'Whether clients can be sent to this server',
      response: { 200: ok, 503: unhealthy }
    },
    async handler (_request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
      reply.header('cache-control', 'no-store')
      const { notReady, durability } = service
      if (notReady !== undefined) return await reply.code(503).send({ ...notReady, durability })
      return { status: 'ok', uptime: service.uptimeMs, connections: service.connectionCount, durability }
    }
  }
}
