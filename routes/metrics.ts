import type { FastifyReply, FastifyRequest } from 'fastify'
import type { NoexService } from '../lib/noex.js'
import { operatorAnswer } from './operator-answer.js'

/** `GET /metrics`: the metrics in the text format of Prometheus, to whoever may run `server.stats`, as `/stats` is. */
export function metrics (service: NoexService) {
  return {
    logLevel: 'warn' as const,
    async handler (request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
      const scrape = await operatorAnswer(request, reply, 'metrics', async arriving => await service.scrapeOver(arriving))
      if ('sent' in scrape) return scrape
      return await reply.type(scrape.contentType).send(scrape.text)
    }
  }
}
