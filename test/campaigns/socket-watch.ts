import { subscribe } from 'node:diagnostics_channel'
import type { Socket } from 'node:net'

/** How often queues are looked at, in milliseconds. */
const INTERVAL_MS = 10

/** One socket that has had more than the mark in its queue. */
interface Stall {
  readonly since: number
  decidedMs: number | undefined
  endedMs: number | undefined
}

/**
 * Watches, inside a server's process, what waits in each socket: nothing of it is known to the plugin's own
 * figures.
 */
export class SocketWatch {
  readonly #markBytes: number
  readonly #sockets = new Map<number, Socket>()
  readonly #stalls = new Map<Socket, Stall>()
  #maxQueuedBytes = 0
  #accepted = 0
  /** Where in the log a request or a connection got its port. */
  readonly #ports = new Map<string, number>()

  constructor (markBytes: number) {
    this.#markBytes = markBytes
    subscribe('net.server.socket', message => {
      const { socket } = message as { socket: Socket }
      const port = socket.remotePort ?? 0
      this.#accepted++
      this.#sockets.set(port, socket)
      socket.once('close', () => {
        if (this.#sockets.get(port) === socket) this.#sockets.delete(port)
        const stall = this.#stalls.get(socket)
        if (stall !== undefined) stall.endedMs = performance.now() - stall.since
      })
    })
    setInterval(() => { this.#look() }, INTERVAL_MS).unref()
  }

  #look (): void {
    for (const socket of this.#sockets.values()) {
      const { writableLength } = socket
      if (writableLength > this.#maxQueuedBytes) this.#maxQueuedBytes = writableLength
      if (writableLength < this.#markBytes) {
        // It has been read again.
        if (this.#stalls.get(socket)?.endedMs === undefined) this.#stalls.delete(socket)
      } else if (!this.#stalls.has(socket)) {
        this.#stalls.set(socket, { since: performance.now(), decidedMs: undefined, endedMs: undefined })
      }
    }
  }

  /** Takes a line of the log: it tells which connection is closed for what. */
  readonly write = (line: string): void => {
    const { msg, reqId, req, connectionId, code } = JSON.parse(line)
    if (msg === 'incoming request') this.#ports.set(reqId, req.remotePort)
    else if (msg === 'connection opened') this.#ports.set(connectionId, this.#ports.get(reqId) ?? 0)
    else if (msg === 'closing connection' && code === 1013) this.#decided(this.#ports.get(connectionId) ?? 0)
  }

  #decided (port: number): void {
    const socket = this.#sockets.get(port)
    const stall = socket === undefined ? undefined : this.#stalls.get(socket)
    if (stall !== undefined) stall.decidedMs = performance.now() - stall.since
  }

  get figures (): SocketFigures {
    const stalls = [...this.#stalls.values()]
    return {
      accepted: this.#accepted,
      open: this.#sockets.size,
      maxQueuedBytes: this.#maxQueuedBytes,
      stalled: stalls.length,
      decidedMs: stalls.flatMap(({ decidedMs }) => decidedMs ?? []),
      endedMs: stalls.flatMap(({ endedMs }) => endedMs ?? [])
    }
  }
}

/** The findings of a watch. Times are those since the socket's queue passed the mark. */
export interface SocketFigures {
  readonly accepted: number
  readonly open: number
  readonly maxQueuedBytes: number
  readonly stalled: number
  /** Until the plugin closed the connection with 1013. */
  readonly decidedMs: readonly number[]
  /** Until the socket had ended. */
  readonly endedMs: readonly number[]
}
