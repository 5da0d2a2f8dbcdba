import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { EventStream } from '../lib/connection/event-stream.js'
import { messagesIn } from '../lib/protocol/message-list.js'
import { refuseConnection } from './connection-refusal.js'
import { incomingRequest } from '../lib/handshake/http-request.js'
import { refusal } from './http.js'
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
  readonly #timeoutMs: number
  readonly #headers: Readonly<Record<string, string>>
  readonly #posts = new WeakMap<IncomingMessage, StreamPost>()

  /** `timeoutMs`: time in which a body must come; `headers` are those of each answer. */
  constructor (settings: RouteOptions, timeoutMs: number, headers: Readonly<Record<string, string>>) {
    this.#settings = settings
    this.#timeoutMs = timeoutMs
    this.#headers = { ...headers, 'cache-control': 'no-store' }
  }

  /** Whether a request is a POST to a stream, by its head. */
  static isOne ({ headers }: FastifyRequest): boolean {
    return headers[STREAM_HEADER] !== undefined
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
    reply.raw.once('close', () => { if (!post.isTaking) release() })
    done()
  }

  /**
   * Reads the body of a POST to a stream; rejects with 413, which ends the stream as on a WebSocket, when it
   * is too long for its client, and with 408 when it does not come in time.
   */
  async read ({ raw, headers }: FastifyRequest, payload: Readable): Promise<Buffer> {
    const { stream } = this.#posts.get(raw) as StreamPost
    const chunks: Buffer[] = []
    let bytes = Number(headers['content-length'] ?? 0)
    const check = (): void => {
      if (bytes <= stream.maxBodyBytes) return
      stream.refuse()
      throw Object.assign(new Error('The messages are too long'), { statusCode: 413 })
    }
    check()
    bytes = 0
    const late = setTimeout(() => {
      payload.destroy(Object.assign(new Error('The body has not come in time'), { statusCode: 408 }))
    }, this.#timeoutMs)
    try {
      // The socket stays, for the answer.
      for await (const chunk of payload.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
        bytes += chunk.length
        check()
        chunks.push(chunk)
      }
    } finally {
      clearTimeout(late)
    }
    return Buffer.concat(chunks)
  }

  /** Hands the messages of a POST on, and answers when the connection has read them. */
  async take (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const post = this.#posts.get(request.raw) as StreamPost
    const messages = Buffer.isBuffer(request.body) ? messagesIn(request.body) : undefined
    if (messages === undefined) {
      return refuse(reply, 400, 'The body must be a message, or an array of at most 1,000 messages, in UTF-8')
    }
    post.isTaking = true
    // That may take longer than a handler may: the client sends more than it lets the server answer.
    reply.hijack()
    const isTaken = await post.stream.take(messages)
    post.release()
    const body = isTaken ? '' : JSON.stringify(refusal(404, 'The stream has ended'))
    reply.raw.writeHead(isTaken ? 202 : 404, {
      ...reply.getHeaders() as OutgoingHttpHeaders,
      ...(!isTaken && { 'content-type': 'application/json' }),
      'content-length': Buffer.byteLength(body)
    })
    reply.raw.end(body)
    return reply
  }
}

function refuse (reply: FastifyReply, status: 400 | 404 | 409, message: string): FastifyReply {
  return reply.code(status).send(refusal(status, message))
}
