import type { EventStream } from './event-stream.js'
import type { EventStreams } from './event-streams.js'
import type { ResponseSink } from './response-sink.js'
import {
  LOGIN_ID, QueryEvents, SUBSCRIBE_ID, type QueryEventsOwner, type RefusedQuery
} from './query-events.js'
import { runInNextTick } from '../util/clock.js'

const PONG = Buffer.from('{"type":"pong","timestamp":0}')

/** A live query that is asked for without a protocol. */
export interface QueryRequest {
  /** The token to log in with, where there is one. */
  readonly token: string | undefined
  /** The members of `store.subscribe`, as JSON texts. */
  readonly members: Readonly<Record<string, string>>
  /** Whether changes are sent, and not complete results. */
  readonly isDelta: boolean
}

/** The reason why a live query is not shown: an error reply, or the reason of a close. */
export type QueryRefusal = RefusedQuery | { readonly closed: string }

/**
 * The program at the other end of a connection that shows one live query: it logs in, subscribes, answers
 * pings, and leaves when the query ends.
 */
export class QueryStream implements QueryEventsOwner {
  readonly stream: EventStream
  /** Resolves with `undefined` when the first event is about to be written, or with the refusal. */
  readonly outcome: Promise<QueryRefusal | undefined>
  readonly #request: QueryRequest
  readonly #begin: () => void
  #settle!: (outcome: QueryRefusal | undefined) => void

  /** `begin` sends the head of the response. */
  constructor (streams: EventStreams, sink: ResponseSink, request: QueryRequest, begin: () => void) {
    this.#request = request
    this.#begin = begin
    this.outcome = new Promise(resolve => { this.#settle = resolve })
    this.stream = streams.openAs(sink, new QueryEvents(this, request.isDelta))
    this.stream.once('close', (_code: number, reason: Buffer) => { this.#settle({ closed: String(reason) }) })
  }

  /** Sends the first request. To be called when the stream has a connection. */
  start (): void {
    const { token } = this.#request
    if (token === undefined) this.onLoggedIn()
    else this.#send(`{"id":${LOGIN_ID},"type":"auth.login","token":${JSON.stringify(token)}}`)
  }

  onLoggedIn (): void {
    const { members, isDelta } = this.#request
    const all = { delta: 'true', complete: String(!isDelta), ...members }
    const texts = Object.entries(all).map(([name, text]) => `,"${name}":${text}`)
    this.#send(`{"id":${SUBSCRIBE_ID},"type":"store.subscribe"${texts.join('')}}`)
  }

  onOpen (): void {
    this.#begin()
    this.#settle(undefined)
  }

  onRefused (refusal: RefusedQuery): void {
    this.#settle(refusal)
    this.stream.close()
  }

  onEnd (reason: string): void {
    this.stream.close(1000, reason)
  }

  onPong (): void {
    this.#send(PONG)
  }

  /** Sends a message, though not while one of the server is being handled. */
  #send (message: string | Buffer): void {
    runInNextTick(() => {
      if (this.stream.isOpen) this.stream.emit('message', Buffer.from(message), false)
    })
  }
}
