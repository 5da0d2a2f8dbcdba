import type { FastifyReply, FastifyRequest } from 'fastify'
import type { IncomingRequest } from '../lib/handshake/request-origin.js'
import type { LogGuard } from '../lib/application/log-guard.js'
import type { NoexService } from '../lib/service/service.js'
import { textOf } from './described.js'
import { operatorAnswer, operatorRefusals } from './operator-answer.js'

/**
 * Answers `GET /metrics` with the metrics in the text format of Prometheus, to clients that may run
 * `server.stats`, like `/stats`.
 */
export function metrics (service: NoexService, logGuard: LogGuard) {
  return {
    description: {
      id: 'Metrics',
      summary: 'The metrics, for Prometheus',
      response: { 200: textOf('text/plain', 'The text format of Prometheus'), ...operatorRefusals }
    },
    async handler (request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
      const question = { what: 'metrics', logGuard }
      const ask = async (incoming: IncomingRequest) => await service.metricsForHttp(incoming)
      const scrape = await operatorAnswer(request, reply, question, ask)
      if (scrape === undefined) return reply
      return await reply.type(scrape.contentType).send(scrape.text)
    }
  }
}
