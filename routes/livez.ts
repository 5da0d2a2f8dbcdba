import type { FastifyReply, FastifyRequest } from 'fastify'

const alive = {
  type: 'object',
  required: ['status'],
  properties: { status: { type: 'string', enum: ['ok'] } }
} as const

/**
 * `GET /livez`: whether the process lives. 200 as long as it can answer: while it drains, too, and while the
 * audit trail cannot be written, because to be killed and started again would help with neither.
 */
export function livez () {
  return {
    schema: { response: { 200: alive } },
    async handler (_request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
      return await reply.header('cache-control', 'no-store').send({ status: 'ok' })
    }
  }
}
