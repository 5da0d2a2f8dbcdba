import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { CallReply } from '../lib/connection/call-client.js'
import type { CallerRefusal } from '../lib/connection/callers.js'
import { onResponseEnd } from '../lib/connection/response-end.js'
import { incomingRequest } from '../lib/handshake/http-request.js'
import type { Decoded } from '../lib/protocol/decode.js'
import { NoexServerError } from '../lib/protocol/errors.js'
import { charsOf, PART_CHARS, wholeText, type MessageText } from '../lib/protocol/parts.js'
import type { HttpCall } from '../lib/service/http-calls.js'
import { systemClock } from '../lib/util/clock.js'
import { DeadlineRing } from '../lib/util/deadline-ring.js'
import { requestTimeoutMs, setConnectionHeaders } from './http.js'
import { LongAnswers } from './long-answers.js'
import { RequestBody, type BodyRead, type BodyResult } from './request-body.js'
import { rpcMessages } from './rpc-messages.js'
import type { RouteOptions } from './socket.js'

const JSON_TYPE = 'application/json; charset=utf-8'

/** The type of a request: JSON, for which pages of other origins must ask first. */
const TYPE = /^application\/json[ \t]*(?:;[ \t]*(?:charset="?utf-8"?[ \t]*)?)?$/i

/** The request of a call, from its admission on. */
const kCall = Symbol('noex.call')

type RpcRequest = FastifyRequest & { [kCall]: HttpCall | null }

/** The requests of one route, from their head to their answer. PROTOCOL.md, "Requests over HTTP". */
export class RpcRequests {
  readonly #settings: RouteOptions
  readonly #headers: Readonly<Record<string, string>>
  readonly #bodies: DeadlineRing
  readonly #longAnswers: LongAnswers

  /** `headers` are those of each answer. */
  constructor (scope: FastifyInstance, settings: RouteOptions, headers: Readonly<Record<string, string>>) {
    this.#settings = settings
    this.#headers = { ...headers, 'cache-control': 'no-store', 'content-type': JSON_TYPE }
    this.#bodies = new DeadlineRing(requestTimeoutMs(scope), systemClock)
    this.#longAnswers = new LongAnswers(settings.options.backpressure.drainTimeoutMs)
    scope.decorateRequest(kCall, null)
  }

  /** Stops all timers. */
  stop (): void {
    this.#bodies.stop()
    this.#longAnswers.stop()
  }

  /** Admits a request by its head, as a hook: `done` goes on, a reply refuses it. */
  admit (request: FastifyRequest, reply: FastifyReply, done: () => void): void {
    reply.headers(this.#headers)
    const problem = problemOf(request)
    if (problem !== undefined) {
      reply.code(415).send(this.#textOf(new NoexServerError('INVALID_REQUEST', problem)))
      return
    }
    const found = this.#settings.service.httpCalls.admit({
      incoming: incomingRequest(request),
      log: () => this.#settings.logGuard.wrap(request.log),
      hasLeft: () => hasLeft(request.raw)
    })
    if (found instanceof Promise) found.then(settled => { this.#onAdmitted(settled, request, reply, done) })
    else this.#onAdmitted(found, request, reply, done)
  }

  #onAdmitted (
    found: HttpCall | CallerRefusal, request: FastifyRequest, reply: FastifyReply, done: () => void
  ): void {
    if ('refused' in found) {
      this.#refuse(found, request, reply)
      return
    }
    (request as RpcRequest)[kCall] = found
    const { counted, caller } = found
    reply.raw.on('finish', () => { counted.release() })
    onResponseEnd(reply.raw, () => {
      counted.release()
      if (caller.hasLeft()) caller.onLeft?.()
    })
    done()
  }

  #refuse (refusal: CallerRefusal, request: FastifyRequest, reply: FastifyReply): void {
    const { httpCalls } = this.#settings.service
    const { failure } = refusal
    httpCalls.onRefused(incomingRequest(request), refusal, this.#settings.logGuard.wrap(request.log))
    if (failure.statusCode === 503) setConnectionHeaders(reply, { connection: 'close' })
    this.#send(reply, { text: this.#textOf(failure), failure })
  }

  #textOf (failure: NoexServerError): string {
    return this.#settings.service.httpCalls.textOf(failure)
  }

  /** Reads the body of a request that is admitted, as a content type parser. */
  read (request: FastifyRequest, payload: Readable, done: BodyRead): void {
    const { maxBytes } = (request as RpcRequest)[kCall] as HttpCall
    const onRead = (result: BodyResult): void => { done(null, result) }
    new RequestBody(payload, { maxBytes, deadlines: this.#bodies, onRead })
      .read(request.headers['content-length'])
  }

  /** Answers a request. */
  answer (request: FastifyRequest, reply: FastifyReply): void {
    const call = (request as RpcRequest)[kCall] as HttpCall
    const messages = rpcMessages(request.body as BodyResult, request.headers['idempotency-key'])
    if ('list' in messages) {
      this.#answerList(messages.list, call, reply).catch((error: unknown) => { reply.send(error) })
      return
    }
    const { message, statusCode } = messages
    // The rest of a body that is not read any more must not be taken for the next request.
    if (statusCode !== undefined) setConnectionHeaders(reply, { connection: 'close' })
    this.#settings.service.httpCalls.run(message, call, answer => { this.#send(reply, answer, statusCode) })
  }

  async #answerList (list: readonly Decoded[], call: HttpCall, reply: FastifyReply): Promise<void> {
    const { httpCalls } = this.#settings.service
    const replies = list.map(message => async () => (await httpCalls.handle(message, call)).text)
    const text = await this.#longAnswers.listOf(replies, reply.raw, call.caller.hasLeft)
    if (!reply.sent) reply.send(text)
  }

  /** `statusCode` is that of a failure which says more than its code. */
  #send (reply: FastifyReply, { text, failure }: CallReply, statusCode?: number): void {
    // The application's `handlerTimeout` may have answered.
    if (reply.sent) return
    if (failure !== undefined) {
      const isOfBody = statusCode !== undefined && failure.code === 'INVALID_REQUEST'
      reply.code(isOfBody ? statusCode : failure.statusCode)
      if (failure.headers !== undefined) reply.headers(failure.headers)
    }
    reply.send(this.#payload(text, reply.raw))
  }

  #payload (text: MessageText, response: ServerResponse): string | Readable {
    return charsOf(text) > PART_CHARS ? this.#longAnswers.streamOf(text, response) : wholeText(text)
  }
}

/** Returns what is wrong with the type of a body; `undefined` for JSON. */
function problemOf ({ headers }: FastifyRequest): string | undefined {
  const { 'content-type': type, 'content-encoding': encoding = 'identity' } = headers
  if (type !== 'application/json' && (type === undefined || !TYPE.test(type))) {
    return 'Content-Type must be application/json, in UTF-8'
  }
  return encoding === 'identity' ? undefined : 'Content-Encoding is not supported'
}

/** Whether the client has gone: the socket of the request, or over HTTP/2 its stream, has ended. */
function hasLeft (
  { socket, stream }: IncomingMessage & { readonly stream?: { readonly destroyed: boolean } }
): boolean {
  return stream === undefined ? socket.destroyed : stream.destroyed
}
