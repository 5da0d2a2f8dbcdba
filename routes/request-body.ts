import type { Readable } from 'node:stream'
import { NoexServerError } from '../lib/protocol/errors.js'
import { ExpiringItem, type DeadlineRing } from '../lib/util/deadline-ring.js'

/** The body of a request as it was read, or the reason why it cannot be used. */
export type BodyResult = Buffer | BodyFailure

/** A body that cannot be used, with the HTTP status of the answer. */
export class BodyFailure {
  readonly statusCode: 400 | 408 | 413
  readonly error: NoexServerError

  constructor (statusCode: BodyFailure['statusCode'], problem: string) {
    this.statusCode = statusCode
    this.error = new NoexServerError('INVALID_REQUEST', problem)
  }
}

/** Takes the body of a request, as Fastify does. */
export type BodyRead = (error: Error | null, body?: BodyResult) => void

/** How a body is read. */
interface Reading {
  /** Length limit in bytes. */
  readonly maxBytes: number
  /** The bodies that are being read. */
  readonly deadlines: DeadlineRing
  /** Called once. */
  readonly onRead: (result: BodyResult) => void
}

/** The body of one request, while it is read: bounded in length and time. */
export class RequestBody extends ExpiringItem {
  readonly #payload: Readable
  readonly #reading: Reading
  #first: Buffer | undefined
  #more: Buffer[] | undefined
  #bytes = 0
  #isDone = false

  constructor (payload: Readable, reading: Reading) {
    super()
    this.#payload = payload
    this.#reading = reading
  }

  /** Begins to read. `announced` is the header `content-length`. */
  read (announced: string | undefined): void {
    if (Number(announced) > this.#reading.maxBytes) {
      this.#end(this.#tooLong())
      return
    }
    this.#reading.deadlines.add(this)
    const payload = this.#payload
    payload.on('data', this.#onData)
    payload.on('end', this.#onEnd)
    payload.on('error', this.#onLost)
  }

  onTimeout (): void {
    this.#end(new BodyFailure(408, 'The request has not arrived in time'))
  }

  readonly #onData = (chunk: Buffer | string): void => {
    if (this.#isDone) return
    // A stream of the application may be one of texts.
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk
    this.#bytes += bytes.length
    if (this.#bytes > this.#reading.maxBytes) this.#end(this.#tooLong())
    else if (this.#first === undefined) this.#first = bytes
    else if (this.#more === undefined) this.#more = [this.#first, bytes]
    else this.#more.push(bytes)
  }

  readonly #onEnd = (): void => {
    this.#end(this.#more === undefined ? this.#first ?? Buffer.alloc(0) : Buffer.concat(this.#more))
  }

  readonly #onLost = (): void => {
    this.#end(new BodyFailure(400, 'The request has ended early'))
  }

  #tooLong (): BodyFailure {
    return new BodyFailure(413, `The request is longer than ${this.#reading.maxBytes} bytes`)
  }

  #end (result: BodyResult): void {
    if (this.#isDone) return
    this.#isDone = true
    this.#reading.deadlines.delete(this)
    this.#reading.onRead(result)
  }
}
