import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { runInNextTick, systemClock } from '../util/clock.js'
import { DeadlineQueue } from '../util/deadline-queue.js'
import { responseOf } from '../connection/socket.js'
import { CLOSE_TIMEOUT_MS } from '../protocol/close-codes.js'
import { IN_FLIGHT_TIMEOUT_MS } from './shutdown-options.js'

const kGuard = Symbol('noex.upgradeGuard')
const kUnanswered = Symbol('noex.unansweredUpgrade')

/** Every open connection has one: a shared listener and a property cost less than a listener of its own. */
interface GuardedSocket extends Duplex {
  /** A socket that a test injects does not count. */
  readonly bytesWritten?: number
  [kGuard]?: UpgradeGuard
  [kUnanswered]?: UnansweredUpgrade | undefined
}

/** An upgrade request to a path that is watched, until it is answered. */
interface UnansweredUpgrade {
  readonly request: IncomingMessage
  readonly socket: GuardedSocket
  /** Bytes that were written for earlier requests of the socket. */
  readonly bytesBefore: number | undefined
  readonly queue: DeadlineQueue<UnansweredUpgrade>
}

const UNAVAILABLE = 'HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'

/**
 * Sees to it that no upgraded socket outlives its server. Node gives up a socket when it asks for an upgrade,
 * and Fastify answers some of them (while it closes, for instance) without ending the socket, which then
 * holds `server.close()` for as long as the client likes. One guard serves all plugin instances of a server.
 */
export class UpgradeGuard {
  readonly #server: Server
  readonly #sockets = new Set<GuardedSocket>()
  readonly #watched = new Map<string, DeadlineQueue<UnansweredUpgrade>>()
  #users = 0
  #drainingSince: number | undefined

  private constructor (server: Server) {
    this.#server = server
  }

  static readonly #guards = new WeakMap<Server, UpgradeGuard>()

  /** The guard of a server, listening from the first call on. */
  static of (server: Server): UpgradeGuard {
    let guard = UpgradeGuard.#guards.get(server)
    if (guard === undefined) {
      guard = new UpgradeGuard(server)
      UpgradeGuard.#guards.set(server, guard)
      server.on('upgrade', guard.#onUpgrade)
    }
    guard.#users++
    return guard
  }

  /** Whether an upgrade listener of `server` is its guard's. */
  static isGuard (server: Server, listener: unknown): boolean {
    const guard = UpgradeGuard.#guards.get(server)
    return guard !== undefined && guard.#onUpgrade === listener
  }

  /**
   * Cuts off upgrades to `path` to which nothing has been answered for `timeoutMs`: hooks of the application
   * stand before the route, and may never come to an end. `onTimeout` is told of each.
   */
  watch (path: string, timeoutMs: number, onTimeout: (request: IncomingMessage) => void): void {
    this.#watched.set(path, new DeadlineQueue(timeoutMs, systemClock, ({ request, socket, bytesBefore }) => {
      socket[kUnanswered] = undefined
      if (socket.destroyed || socket.bytesWritten !== bytesBefore) return
      onTimeout(request)
      refuse(socket)
    }))
  }

  /** One plugin instance begins to close, and so does the server: the time of its sockets is limited now. */
  drain (): void {
    this.#drainingSince ??= systemClock.ticks()
  }

  /**
   * One plugin instance has closed its connections. When all have, every socket that is left is cut off, but
   * not before sockets that belong to the application have had the same time to close.
   */
  release (): void {
    if (--this.#users > 0) return
    UpgradeGuard.#guards.delete(this.#server)
    const drainedMs = this.#drainingSince === undefined ? 0 : systemClock.ticks() - this.#drainingSince
    this.#cutOffAfter(Math.max(0, IN_FLIGHT_TIMEOUT_MS + CLOSE_TIMEOUT_MS - drainedMs))
  }

  #cutOffAfter (delayMs: number): void {
    systemClock.after(delayMs, this.#cutOff)
  }

  readonly #cutOff = (): void => {
    if (this.#server.listening) {
      // A preClose hook takes its time, perhaps to say goodbye to sockets of its own.
      this.#cutOffAfter(CLOSE_TIMEOUT_MS)
      return
    }
    for (const socket of this.#sockets) socket.destroy()
    this.#server.removeListener('upgrade', this.#onUpgrade)
  }

  readonly #onUpgrade = (request: IncomingMessage, socket: GuardedSocket): void => {
    this.#sockets.add(socket)
    socket[kGuard] = this
    socket.on('close', onClose)
    const earlier = responseOf(socket)
    if (earlier !== undefined && earlier.req !== request) {
      // It has come behind a request that is still being answered: nothing can answer this one, and nothing
      // looks after the socket.
      endAfter(earlier, socket)
      return
    }
    const queue = this.#watched.get(pathOf(request))
    if (queue !== undefined) {
      const unanswered = { request, socket, bytesBefore: socket.bytesWritten, queue }
      socket[kUnanswered] = unanswered
      queue.add(unanswered)
    }
    // Listeners that were added later have their turn first.
    runInNextTick(look, socket)
  }

  /** Whether the guard answers an upgrade that nothing else does: at the path of a service, or at the end. */
  #isOurs (socket: GuardedSocket): boolean {
    return this.#drainingSince !== undefined || socket[kUnanswered] !== undefined
  }

  forget (socket: GuardedSocket): void {
    this.#sockets.delete(socket)
  }

  /** Sees what has become of an upgrade request. */
  look (socket: GuardedSocket): void {
    const response = responseOf(socket)
    if (response !== undefined) {
      if (response.writableFinished) socket.destroy()
      else response.once('finish', endSocket)
    } else if (!socket.destroyed && this.#isOurs(socket) && this.#server.listenerCount('upgrade') === 1) {
      // No other listener has seen it.
      refuse(socket)
    }
  }
}

/** An upgrade has become a WebSocket, or its socket has closed. */
export function settleUpgrade (socket: GuardedSocket): void {
  const unanswered = socket[kUnanswered]
  socket[kUnanswered] = undefined
  unanswered?.queue.delete(unanswered)
}

function onClose (this: GuardedSocket): void {
  settleUpgrade(this)
  this[kGuard]?.forget(this)
}

function pathOf ({ url = '' }: IncomingMessage): string {
  return url.split('?', 1)[0] as string
}

/** Answers an upgrade that gets no other answer, and ends its socket. */
function refuse (socket: Duplex): void {
  socket.on('error', () => { socket.destroy() })
  socket.end(UNAVAILABLE, () => { socket.destroy() })
}

function look (socket: GuardedSocket): void {
  socket[kGuard]?.look(socket)
}

/** Ends a socket when what it still has to answer has been answered. */
function endAfter (response: ServerResponse, socket: GuardedSocket): void {
  response.once('finish', () => {
    const next = responseOf(socket)
    if (next !== undefined && next !== response) endAfter(next, socket)
    else endAll(socket)
  })
}

/** An answer to an upgrade request has been sent: the socket has no further use. */
function endSocket (this: ServerResponse): void {
  if (this.socket !== null) endAll(this.socket)
}

/**
 * Ends both directions, when all that was written has left. A socket that a test injects is a stream, and no
 * more.
 */
function endAll (socket: Duplex): void {
  socket.end(() => { socket.destroy() })
}
