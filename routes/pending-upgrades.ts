import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { incomingRequest } from '../lib/handshake/http-request.js'
import type { LogGuard } from '../lib/application/log-guard.js'
import type { AcceptedUpgrade } from '../lib/handshake/upgrade-admission.js'
import { settleUpgrade } from '../lib/lifecycle/upgrade-guard.js'
import { runInNextTick } from '../lib/util/clock.js'
import type { Log } from '../lib/util/log.js'
import type { NoexService } from '../lib/service/service.js'
import { refuseConnection } from './connection-refusal.js'

/** An accepted upgrade that is no WebSocket yet. Its count is taken back when its socket closes. */
interface PendingUpgrade {
  readonly accepted: AcceptedUpgrade
  readonly request: FastifyRequest
  readonly socket: Duplex | null
}

/**
 * Keeps the upgrades of one socket route, from their admission until they are WebSockets. In between run
 * hooks of the application, and `verifyClient` of its own `@fastify/websocket`.
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

  /**
   * Accepts or refuses an upgrade, as a hook: `done` goes on, a reply refuses it. Plain requests pass.
   * @throws what a trust function of the application throws
   */
  admit (request: FastifyRequest, reply: FastifyReply, done: () => void): void {
    if (request.ws) {
      const admission = this.#service.admit(incomingRequest(request))
      if ('refused' in admission) {
        const refusing = { service: this.#service, logGuard: this.#logGuard }
        refuseConnection(request, reply, refusing, admission, 'upgrade')
        return
      }
      this.#add(request, reply, admission)
    }
    done()
  }

  /**
   * Has the answer to an upgrade and the welcome leave in one write. To be called in the tick in which `ws`
   * answers, as the last hook.
   */
  answerWithWelcome ({ raw }: FastifyRequest): void {
    const socket = this.#pending.get(raw)?.socket
    if (socket === undefined || socket === null) return
    socket.cork()
    runInNextTick(uncork, socket)
  }

  /**
   * Removes an upgrade that has become a WebSocket, and returns it; `undefined` for one that is not pending.
   */
  take (request: FastifyRequest): AcceptedUpgrade | undefined {
    const pending = this.#pending.get(request.raw)
    if (pending === undefined) return undefined
    const { accepted, socket } = pending
    this.#pending.delete(request.raw)
    socket?.removeListener('close', accepted.release)
    if (socket !== null) settleUpgrade(socket)
    return accepted
  }

  /** Logs that an upgrade was ended because the application has not answered it within `timeoutMs`. */
  onTimeout (raw: IncomingMessage, timeoutMs: number, log: Log): void {
    const request = this.#pending.get(raw)?.request
    const culprit = request === undefined
      ? 'an onRequest hook of the application'
      : 'a hook of the application, or verifyClient of its @fastify/websocket,'
    const safe = this.#logGuard.wrap(request?.log ?? log)
    safe.warn({ timeoutMs }, `upgrade cut off: ${culprit} has not answered in time`)
  }

  #add (request: FastifyRequest, reply: FastifyReply, accepted: AcceptedUpgrade): void {
    // That of the response, since a request of `inject` has none.
    const socket = reply.raw.socket as Duplex | null
    // The socket may have closed during earlier hooks, and emits no further event.
    if (socket?.closed === true) accepted.release()
    socket?.once('close', accepted.release)
    this.#pending.set(request.raw, { accepted, request, socket })
  }
}

function uncork (socket: Duplex): void {
  socket.uncork()
}
