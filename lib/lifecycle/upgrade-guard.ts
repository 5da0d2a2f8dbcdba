import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { runInNextTick, systemClock } from '../util/clock.js'
import { DeadlineQueue } from '../util/deadline-queue.js'
import { responseOf } from '../connection/socket.js'
import { closeTimeoutMs, inFlightTimeoutMs } from '../deadlines.js'

const kGuard = Symbol('noex.upgradeGuard')
const kUnanswered = Symbol('noex.unansweredUpgrade')

/** A socket with its guard as a property: with a shared listener, that takes less memory than a closure. */
interface GuardedSocket extends Duplex {
  /** `undefined` for the socket of `inject`. */
  readonly bytesWritten?: number
  [kGuard]?: UpgradeGuard
  [kUnanswered]?: UnansweredUpgrade | undefined
}

/** An upgrade request to a watched path, until it is answered. */
interface UnansweredUpgrade {
  readonly request: IncomingMessage
  readonly socket: GuardedSocket
  /** Number of bytes that were written for earlier requests of the socket. */
  readonly bytesBefore: number | undefined
  readonly queue: DeadlineQueue<UnansweredUpgrade>
}

const UNAVAILABLE = 'HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'

/**
 * Ends all upgraded sockets of a closing server. Node does not manage a socket after an upgrade request, and
 * Fastify answers some of them, for instance while it closes, without ending the socket, which then blocks
 * `server.close()` as long as the client keeps it open. All plugin instances of a server share one guard.
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

  /** Returns the guard of a server, which listens from the first call on. Each user calls `release` once. */
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

  /** Returns whether an upgrade listener of `server` is that of its guard. */
  static isGuard (server: Server, listener: unknown): boolean {
    const guard = UpgradeGuard.#guards.get(server)
    return guard !== undefined && guard.#onUpgrade === listener
  }

  /**
   * Ends the sockets of upgrades to `path` that are not answered within `timeoutMs`: hooks of the application
   * run before the route, and may never settle. `onTimeout` is called for each.
   */
  watch (path: string, timeoutMs: number, onTimeout: (request: IncomingMessage) => void): void {
    this.#watched.set(path, new DeadlineQueue(timeoutMs, systemClock, ({ request, socket, bytesBefore }) => {
      socket[kUnanswered] = undefined
      if (socket.destroyed || socket.bytesWritten !== bytesBefore) return
      onTimeout(request)
      refuse(socket)
    }))
  }

  /** Begins to limit the time of sockets, because a plugin instance and its server begin to close. */
  drain (): void {
    this.#drainingSince ??= systemClock.ticks()
  }

  /**
   * Ends the use of the guard by a plugin instance that has closed its connections. After the last one, all
   * remaining sockets are destroyed, when those of the application have had the same time to close.
   */
  release (): void {
    if (--this.#users > 0) return
    UpgradeGuard.#guards.delete(this.#server)
    const drainedMs = this.#drainingSince === undefined ? 0 : systemClock.ticks() - this.#drainingSince
    this.#cutOffAfter(Math.max(0, inFlightTimeoutMs + closeTimeoutMs - drainedMs))
  }

  #cutOffAfter (delayMs: number): void {
    systemClock.after(delayMs, this.#cutOff)
  }

  readonly #cutOff = (): void => {
    if (this.#server.listening) {
      // A preClose hook of the application has not settled; it may be closing its own sockets.
      this.#cutOffAfter(closeTimeoutMs)
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
      // The upgrade follows a request that is still being answered: no code can answer it, or ends the
      // socket.
      endAfter(earlier, socket)
      return
    }
    const queue = this.#watched.get(pathOf(request))
    if (queue !== undefined) {
      const unanswered = { request, socket, bytesBefore: socket.bytesWritten, queue }
      socket[kUnanswered] = unanswered
      queue.add(unanswered)
    }
    // After the listeners that were added later.
    runInNextTick(checkAnswer, socket)
  }

  /**
   * Returns whether the guard answers an upgrade that no listener does: at a watched path, or while closing.
   */
  #isOurs (socket: GuardedSocket): boolean {
    return this.#drainingSince !== undefined || socket[kUnanswered] !== undefined
  }

  forget (socket: GuardedSocket): void {
    this.#sockets.delete(socket)
  }

  /** Ends the socket of an upgrade that was answered without a WebSocket, or to which no listener replied. */
  checkAnswer (socket: GuardedSocket): void {
    const response = responseOf(socket)
    if (response !== undefined) {
      if (response.writableFinished) socket.destroy()
      else response.once('finish', endSocket)
    } else if (!socket.destroyed && this.#isOurs(socket) && this.#server.listenerCount('upgrade') === 1) {
      // There is no other listener.
      refuse(socket)
    }
  }
}

/** Stops the timeout of an upgrade that has become a WebSocket, or whose socket has closed. */
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

/** Answers an upgrade with 503, and ends its socket. */
function refuse (socket: Duplex): void {
  socket.on('error', () => { socket.destroy() })
  socket.end(UNAVAILABLE, () => { socket.destroy() })
}

function checkAnswer (socket: GuardedSocket): void {
  socket[kGuard]?.checkAnswer(socket)
}

/** Ends a socket when all its earlier requests have been answered. */
function endAfter (response: ServerResponse, socket: GuardedSocket): void {
  response.once('finish', () => {
    const next = responseOf(socket)
    if (next !== undefined && next !== response) endAfter(next, socket)
    else endAll(socket)
  })
}

/** Ends the socket of an upgrade request whose answer has been sent. */
function endSocket (this: ServerResponse): void {
  if (this.socket !== null) endAll(this.socket)
}

/**
 * Ends both directions of a socket, after all data has been sent. The socket of `inject` is a plain stream.
 */
function endAll (socket: Duplex): void {
  socket.end(() => { socket.destroy() })
}

/** Returns whether an upgrade listener is that of `@fastify/websocket`, which only its source text shows. */
export function isFastifyUpgrade (listener: { readonly name: string }): boolean {
  return listener.name === 'onUpgrade' && String(listener).includes('.routing(')
}

/** Returns whether a server has upgrade listeners besides those of `@fastify/websocket` and the guard. */
export function hasForeignUpgradeListener (server: Server): boolean {
  const others = server.listeners('upgrade').filter(listener => !isFastifyUpgrade(listener))
  return others.some(listener => !UpgradeGuard.isGuard(server, listener))
}
