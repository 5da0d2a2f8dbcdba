import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { runInNextTick, systemClock } from '../clock.js'
import { responseOf } from '../connection/socket.js'
import { closeTimeoutMs, inFlightTimeoutMs } from '../deadlines.js'

const kGuard = Symbol('noex.upgradeGuard')

/** Every open connection has one: a shared listener and a property cost less than a listener of its own. */
interface GuardedSocket extends Duplex {
  [kGuard]?: UpgradeGuard
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

  /** One plugin instance begins to close, and so does the server: upgrades that nobody answers are refused from now on. */
  drain (): void {
    this.#drainingSince ??= systemClock.ticks()
  }

  /**
   * One plugin instance has closed its connections. When all have, every socket that is left is cut off, but not
   * before sockets that belong to the application have had the same time to close.
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
      // Somebody's preClose takes its time, perhaps to say goodbye to sockets of its own.
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
      // It has come behind a request that is still being answered: nobody can answer this one, and nobody looks after the socket.
      endAfter(earlier, socket)
      return
    }
    // Listeners that were added later have their turn first.
    runInNextTick(look, socket)
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
    } else if (this.#drainingSince !== undefined && !socket.destroyed && this.#server.listenerCount('upgrade') === 1) {
      // Nobody but this guard has seen it.
      socket.on('error', () => { socket.destroy() })
      socket.end(UNAVAILABLE, () => { socket.destroy() })
    }
  }
}

function onClose (this: GuardedSocket): void {
  this[kGuard]?.forget(this)
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

/** Ends both directions, when all that was written has left. A socket that a test injects is a stream, and no more. */
function endAll (socket: Duplex): void {
  socket.end(() => { socket.destroy() })
}
