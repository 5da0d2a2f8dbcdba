import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { Http2ServerResponse } from 'node:http2'
import { runInNextTick } from '../util/clock.js'
import type { EventSink } from './event-stream.js'
import { isOfEndedConnection, onResponseEnd } from './response-end.js'

/**
 * A response of HTTP/1.1 or HTTP/2 that events are written to, for days where need be. What is written before
 * `begin` is dropped: then the response is that of another answer.
 */
export class ResponseSink implements EventSink {
  readonly #response: ServerResponse
  #hasBegun = false

  constructor (response: ServerResponse | Http2ServerResponse) {
    // What is used of both is the same.
    this.#response = response as ServerResponse
    // `onClose` tells of every end.
    this.#response.on('error', () => {})
  }

  /** Whether the client has gone. */
  get isGone (): boolean {
    const response = this.#response as ServerResponse & Partial<Http2ServerResponse>
    // Over HTTP/2, only the stream tells.
    return response.destroyed || response.closed || isOfEndedConnection(this.#response) ||
      (response.stream ?? response.socket)?.destroyed === true
  }

  /** Sends the head. The server's limit of silence does not hold for a stream: the heartbeat does. */
  begin (headers: OutgoingHttpHeaders): void {
    this.#response.writeHead(200, headers)
    this.#response.setTimeout(0)
    this.#hasBegun = true
  }

  write (pieces: readonly Buffer[], done: (error?: Error | null) => void): void {
    if (!this.#hasBegun) {
      runInNextTick(done)
      return
    }
    const response = this.#response
    const last = pieces.length - 1
    if (last > 0) response.cork()
    for (const [i, piece] of pieces.entries()) {
      if (i < last) response.write(piece)
      else response.write(piece, done)
    }
    if (last > 0) response.uncork()
  }

  end (done: () => void): void {
    if (this.#hasBegun) this.#response.end(done)
    else runInNextTick(done)
  }

  destroy (): void {
    if (this.#hasBegun) this.#response.destroy()
  }

  onClose (listener: () => void): void {
    onResponseEnd(this.#response, listener)
  }
}
