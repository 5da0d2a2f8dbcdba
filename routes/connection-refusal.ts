import type { FastifyReply, FastifyRequest } from 'fastify'
import type { LogGuard } from '../lib/application/log-guard.js'
import type { UpgradeRefusal } from '../lib/handshake/upgrade-admission.js'
import type { NoexService } from '../lib/service/service.js'
import { incomingRequest } from '../lib/handshake/http-request.js'
import { refusal, setConnectionHeaders } from './http.js'

/** Length limit of a logged header, in characters. */
const MAX_LOGGED_CHARS = 256

/** The messages of refusals by status. They do not reveal the reason. */
const messages = {
  400: 'The connection is not accepted',
  401: 'The connection is not accepted',
  403: 'The connection is not accepted',
  429: 'There are too many connections of this user',
  503: 'No connections are accepted at the moment'
} as const satisfies Record<UpgradeRefusal['refused'], string>

/** The parts of the service that record refusals. */
interface RefusingService {
  readonly service: Pick<NoexService, 'addressOf' | 'recordRefusal'>
  readonly logGuard: LogGuard
}

/**
 * Answers a request for a connection, or one that belongs to a connection, with its refusal, and records
 * that. `what` is its name in the log.
 */
export function refuseConnection (
  request: FastifyRequest, reply: FastifyReply, { service, logGuard }: RefusingService,
  refused: UpgradeRefusal, what: 'upgrade' | 'stream' | 'POST to a stream'
): void {
  const remoteAddress = service.addressOf(incomingRequest(request))
  const origin = request.headers.origin?.slice(0, MAX_LOGGED_CHARS)
  const log = logGuard.wrap(request.log)
  const { refused: status, reason } = refused
  log.warn({ remoteAddress, origin, reason }, `${what} refused`)
  service.recordRefusal(remoteAddress, refused, log)
  if (status === 503) setConnectionHeaders(reply, { connection: 'close' })
  reply.code(status).send(refusal(status, messages[status]))
}
