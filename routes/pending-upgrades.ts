import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { LogGuard } from '../lib/application/log-guard.js'
import type { AcceptedUpgrade, UpgradeRefusal } from '../lib/handshake/upgrade-admission.js'
import { settleUpgrade } from '../lib/lifecycle/upgrade-guard.js'
import type { Log } from '../lib/util/log.js'
import type { NoexService } from '../lib/service/service.js'
import { incomingRequest, refusal } from './incoming-request.js'
import { setConnectionHeaders } from './connection-headers.js'

/** An upgrade that was let in and is no WebSocket yet. Its place is given back when its socket closes. */
interface PendingUpgrade {
  readonly admitted: AcceptedUpgrade
  readonly request: FastifyRequest
  readonly socket: Duplex | null
}

/**
 * The upgrades of one socket route, from their admission until they are WebSockets. What comes between is the
 * application's: hooks, and `verifyClient` of its own `@fastify/websocket`.
 */
export class PendingUpgrades {
  readonly #service: NoexService
  readonly #logGuard: LogGuard
  readonly #pending = new WeakMap<IncomingMessage, PendingUpgrade>()

  constructor (service: NoexService, logGuard: LogGuard) {
    this.#service = service
    this.#logGuard = logGuard
  }

  has (request: IncomingMessage): boolean {
    return this.#pending.has(request)
  }

  /** Decides about an upgrade before it happens, as a hook; a reply refuses it. Plain requests pass. */
  async admit (request: FastifyRequest, reply: FastifyReply): Promise<void> {
    if (!request.ws) return
    const arriving = incomingRequest(request)
    const admission = this.#service.admit(arriving)
    if (!('refused' in admission)) this.#add(request, reply, admission)
    else await this.#refuse(request, reply, this.#service.addressOf(arriving), admission)
  }

  /** Removes an upgrade that is a WebSocket now. Returns how it was let in; `undefined` when it was not. */
  take (request: FastifyRequest): AcceptedUpgrade | undefined {
    const pending = this.#pending.get(request.raw)
    if (pending === undefined) return undefined
    const { admitted, socket } = pending
    this.#pending.delete(request.raw)
    socket?.removeListener('close', admitted.release)
    if (socket !== null) settleUpgrade(socket)
    return admitted
  }

  /** Logs that an upgrade has been cut off because the application has not let it pass within `timeoutMs`. */
  onTimeout (raw: IncomingMessage, timeoutMs: number, log: Log): void {
    const request = this.#pending.get(raw)?.request
    const culprit = request === undefined
      ? 'an onRequest hook of the application'
      : 'a hook of the application, or verifyClient of its @fastify/websocket,'
    const safe = this.#logGuard.wrap(request?.log ?? log)
    safe.warn({ timeoutMs }, `upgrade cut off: ${culprit} has not answered in time`)
  }

  #add (request: FastifyRequest, reply: FastifyReply, admitted: AcceptedUpgrade): void {
    // Of the response, since a request that a test injects has none.
    const socket = reply.raw.socket as Duplex | null
    // It has closed while hooks before this one were at work, and does not say so again.
    if (socket?.closed === true) admitted.release()
    socket?.once('close', admitted.release)
    this.#pending.set(request.raw, { admitted, request, socket })
  }

  async #refuse (
    request: FastifyRequest, reply: FastifyReply, remoteAddress: string, { refused, reason }: UpgradeRefusal
  ): Promise<void> {
    const origin = request.headers.origin?.slice(0, MAX_LOGGED_CHARS)
    const log = this.#logGuard.wrap(request.log)
    log.warn({ remoteAddress, origin, reason }, 'upgrade refused')
    this.#service.recordRefusal(remoteAddress, reason, log)
    if (refused === 503) setConnectionHeaders(reply, { connection: 'close' })
    await reply.code(refused).send(refusal(refused, messages[refused]))
  }
}

/** Of what a client says of itself. */
const MAX_LOGGED_CHARS = 256

/** The texts of refusals, by status: they tell nothing of the reason. */
const messages = {
  400: 'The connection is not accepted',
  401: 'The connection is not accepted',
  403: 'The connection is not accepted',
  429: 'There are too many connections of this user',
  503: 'No connections are accepted at the moment'
} as const satisfies Record<UpgradeRefusal['refused'], string>
