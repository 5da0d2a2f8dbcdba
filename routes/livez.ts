import type { FastifyReply, FastifyRequest } from 'fastify'

const alive = {
  type: 'object',
  description: 'The process answers',
  required: ['status'],
  properties: { status: { type: 'string', enum: ['ok'] } }
} as const

/**
 * Answers `GET /livez` with 200 as long as the process can answer: also while it drains, and while the audit
 * trail cannot be written, because a restart would help with neither.
 */
export function livez () {
  return {
    description: { id: 'Livez', summary: 'Whether the process can answer', response: { 200: alive } },
    async handler (_request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
      return await reply.header('cache-control', 'no-store').send({ status: 'ok' })
    }
  }
}
