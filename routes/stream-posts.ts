import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { EventStream } from '../lib/connection/event-stream.js'
import { onResponseEnd } from '../lib/connection/response-end.js'
import { incomingRequest } from '../lib/handshake/http-request.js'
import { messagesIn } from '../lib/protocol/message-list.js'
import { systemClock } from '../lib/util/clock.js'
import { DeadlineRing } from '../lib/util/deadline-ring.js'
import { refuseConnection } from './connection-refusal.js'
import { refusal, setConnectionHeaders } from './http.js'
import { BodyFailure, RequestBody, type BodyRead, type BodyResult } from './request-body.js'
import type { RouteOptions } from './socket.js'

/** The header that says which stream a POST belongs to. */
const STREAM_HEADER = 'noex-stream'

/** A POST to a stream, which no other one sends messages to meanwhile. */
interface StreamPost {
  readonly stream: EventStream
  readonly release: () => void
  /** Whether its messages are being handed on. */
  isTaking: boolean
}

/** The POSTs with messages of clients that have a stream of events. PROTOCOL.md, "Streams". */
export class StreamPosts {
  readonly #settings: RouteOptions
  readonly #bodies: DeadlineRing
  readonly #headers: Readonly<Record<string, string>>
  readonly #posts = new WeakMap<IncomingMessage, StreamPost>()

  /** `timeoutMs`: time in which a body must come; `headers` are those of each answer. */
  constructor (settings: RouteOptions, timeoutMs: number, headers: Readonly<Record<string, string>>) {
    this.#settings = settings
    this.#bodies = new DeadlineRing(timeoutMs, systemClock)
    this.#headers = { ...headers, 'cache-control': 'no-store' }
  }

  /** Whether a request is a POST to a stream, by its head. */
  static isOne ({ headers }: FastifyRequest): boolean {
    return headers[STREAM_HEADER] !== undefined
  }

  /** Stops all timers. */
  stop (): void {
    this.#bodies.stop()
  }

  has ({ raw }: FastifyRequest): boolean {
    return this.#posts.has(raw)
  }

  /** Finds the stream of a POST, as a hook, before its body is read: `done` goes on, a reply refuses it. */
  admit (request: FastifyRequest, reply: FastifyReply, done: () => void): void {
    reply.headers(this.#headers)
    const id = String(request.headers[STREAM_HEADER])
    const stream = this.#settings.service.streams.find(id, incomingRequest(request))
    if (stream !== undefined && 'refused' in stream) {
      refuseConnection(request, reply, this.#settings, stream, 'POST to a stream')
      return
    }
    const release = stream?.reserve()
    if (stream === undefined || release === undefined) {
      if (stream === undefined) refuse(reply, 404, 'There is no such stream: open a new one')
      else refuse(reply, 409, 'A POST to this stream is under way: send one at a time')
      return
    }
    const post = { stream, release, isTaking: false }
    this.#posts.set(request.raw, post)
    onResponseEnd(reply.raw, () => { if (!post.isTaking) release() })
    done()
  }

  /** Reads the body of a POST to a stream, as a content type parser. */
  read ({ raw, headers }: FastifyRequest, payload: Readable, done: BodyRead): void {
    const { stream: { maxBodyBytes: maxBytes } } = this.#posts.get(raw) as StreamPost
    const onRead = (result: BodyResult): void => { done(null, result) }
    new RequestBody(payload, { maxBytes, deadlines: this.#bodies, onRead }).read(headers['content-length'])
  }

  /** Hands the messages of a POST on, and answers when the connection has read them. */
  async take (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const post = this.#posts.get(request.raw) as StreamPost
    const body = request.body as BodyResult | undefined
    if (body instanceof BodyFailure) {
      // As a WebSocket does: the client has sent more than it may.
      if (body.statusCode === 413) post.stream.refuse()
      // The rest of the body must not be taken for the next request.
      setConnectionHeaders(reply, { connection: 'close' })
      return refuse(reply, body.statusCode, body.error.message)
    }
    const messages = body && messagesIn(body)
    if (messages === undefined) {
      return refuse(reply, 400, 'The body must be a message, or an array of at most 1,000 messages, in UTF-8')
    }
    post.isTaking = true
    // That may take longer than a handler may: the client sends more than it lets the server answer.
    reply.hijack()
    const isTaken = await post.stream.take(messages)
    post.release()
    const answer = isTaken ? '' : JSON.stringify(refusal(404, 'The stream has ended'))
    reply.raw.writeHead(isTaken ? 202 : 404, {
      ...reply.getHeaders() as OutgoingHttpHeaders,
      ...(!isTaken && { 'content-type': 'application/json' }),
      'content-length': Buffer.byteLength(answer)
    })
    reply.raw.end(answer)
    return reply
  }
}

function refuse (reply: FastifyReply, status: number, message: string): FastifyReply {
  return reply.code(status).send(refusal(status, message))
}
