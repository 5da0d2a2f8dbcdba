import { EventEmitter } from 'node:events'
import { Writable } from 'node:stream'
import { FrameReader } from '../protocol/frame-reader.js'
import type { EventFormat } from '../protocol/server-sent-events.js'
import { runInNextTick } from '../util/clock.js'
import { isBurstOver, nextTurn } from '../util/slice.js'
import { Waiters } from '../util/waiters.js'
import { FRAME_TOO_LONG, type ClientSocket, type OwnSocket } from './socket.js'

/** The states of a WebSocket. */
const OPEN = 1
const CLOSING = 2
const CLOSED = 3

/** The code of a stream that ends without a close. */
const LOST = 1006
/** The code with which `ws` answers a message that is too long. */
const TOO_LONG = 1009

/**
 * Bytes that the body of a POST to a stream may have in any case, so that several messages may come together.
 * @limit 413, and close 1009
 */
const MIN_BODY_BYTES = 32_768

/** The response that the events of a stream are written to. */
export interface EventSink {
  /** Writes the pieces, and calls `done` when the client's side of the network has taken them. */
  write: (pieces: readonly Buffer[], done: (error?: Error | null) => void) => void
  /** Ends the response behind what has been written. */
  end: (done: () => void) => void
  destroy: () => void
  /** Calls `listener` once, when the response has ended, also because the client has gone. */
  onClose: (listener: () => void) => void
}

/**
 * A client without a WebSocket: messages to it are events of a response, and its own come in POSTs. To its
 * connection it is what a WebSocket is, with the same states, events and close codes. PROTOCOL.md, "Streams".
 */
export class EventStream extends EventEmitter implements ClientSocket, OwnSocket {
  readonly OPEN = OPEN
  readyState: ClientSocket['readyState'] = OPEN
  isPaused = false
  maxMessageBytes = 0
  readonly stream: Writable
  readonly #sink: EventSink
  readonly #format: EventFormat
  readonly #resumed = new Waiters()
  #isTaking = false
  #code = LOST
  #reason = ''

  constructor (sink: EventSink, format: EventFormat) {
    super()
    this.#sink = sink
    this.#format = format
    const frames = new FrameReader()
    const write = (chunks: ReadonlyArray<{ readonly chunk: Buffer }>, done: () => void): void => {
      const pieces: Buffer[] = []
      for (const { chunk } of chunks) {
        frames.read(chunk, (...piece) => { pieces.push(...format.piece(...piece)) })
      }
      this.#write(pieces, done)
    }
    this.stream = new Writable({
      write: (chunk, _encoding, done) => { write([{ chunk }], done) },
      writev: write,
      final: done => {
        this.#write(format.closed(this.#code, this.#reason), () => {})
        sink.end(() => {
          this.#end(this.#code)
          done()
        })
      }
    })
    sink.onClose(() => { this.#end(LOST) })
  }

  get own (): OwnSocket {
    return this
  }

  /** Whether it still takes messages. */
  get isOpen (): boolean {
    return this.readyState === OPEN
  }

  /** Bytes that the body of the next POST may have. */
  get maxBodyBytes (): number {
    return Math.max(this.maxMessageBytes, MIN_BODY_BYTES)
  }

  /**
   * Takes the right to send messages, which one POST has at a time, so that they keep their order. Returns a
   * function that gives it back; `undefined` where another POST has it.
   */
  reserve (): (() => void) | undefined {
    if (this.#isTaking) return undefined
    this.#isTaking = true
    let isHeld = true
    return () => {
      if (isHeld) this.#isTaking = false
      isHeld = false
    }
  }

  /**
   * Hands on the messages of the client, no faster than the connection reads. Resolves when all have been
   * read; with `false` when the stream has ended first.
   */
  async take (messages: readonly Buffer[]): Promise<boolean> {
    for (const message of messages) {
      if (isBurstOver()) await nextTurn()
      while (this.isPaused && this.isOpen) await this.#resumed.wait()
      if (!this.isOpen) return false
      if (message.length > this.maxMessageBytes) {
        this.refuse()
        return false
      }
      this.emit('message', message, false)
    }
    return true
  }

  /** Ends the stream because of a message that is too long, as `ws` does. */
  refuse (): void {
    if (!this.isOpen) return
    this.close(TOO_LONG)
    this.emit('error', Object.assign(new RangeError('a message is too long'), { code: FRAME_TOO_LONG }))
  }

  pause (): void {
    this.isPaused = true
  }

  resume (): void {
    this.isPaused = false
    this.#resumed.release()
  }

  /** Ends the stream behind what has been sent: `close` is emitted when the network has taken all of it. */
  close (code = 1000, reason: string | Buffer = ''): void {
    if (!this.isOpen) return
    this.readyState = CLOSING
    this.#code = code
    this.#reason = String(reason)
    this.#resumed.release()
    this.stream.end()
  }

  /** Ends the stream at once. */
  terminate (): void {
    this.#sink.destroy()
    this.#end(LOST)
  }

  #write (pieces: readonly Buffer[], done: () => void): void {
    if (pieces.length === 0) {
      done()
      return
    }
    this.#sink.write(pieces, error => {
      // Of a response that has ended, of which `onClose` tells.
      if (error == null) this.#format.onSent?.()
      done()
    })
  }

  /** Emits `close`, once, in the next tick. */
  #end (code: number): void {
    if (this.readyState === CLOSED) return
    this.readyState = CLOSED
    this.#resumed.release()
    this.stream.destroy()
    runInNextTick(() => { this.emit('close', code, Buffer.from(this.#reason)) })
  }
}
