import { closeReasons, type CloseReason } from '../protocol/close-codes.js'
import type { NoexErrorCode } from '../protocol/errors.js'
import { readLiveStart } from '../protocol/live-messages.js'
import { COMMENT, END, namedEvent, retryAfter, type EventFormat } from '../protocol/server-sent-events.js'

/** The ids of the requests that are made for a client that only watches. */
export const LOGIN_ID = 1
export const SUBSCRIBE_ID = 2

/** Bytes of a message in which its result begins. */
const START_BYTES = 32_768

/** Ends after which the client comes back by itself, to the same query: it is not told of them. */
const passing: readonly CloseReason[] = Object.values(closeReasons).filter(({ comeBack }) => comeBack)

/** A reply that says why there is no live query. */
export interface RefusedQuery {
  readonly code: NoexErrorCode
  readonly message: string
  readonly details?: unknown
}

/** The end of a result that is being sent. */
interface ResultEnd {
  /** Bytes of the message behind the result. */
  readonly braces: number
  /** Sent in their place. */
  readonly text: Buffer
  /** The last bytes until now, which may be those. */
  held: Buffer
}

/** The stream whose messages are made into events. */
export interface QueryEventsOwner {
  /** Called when the login has succeeded. */
  onLoggedIn: () => void
  /** Called when the query is watched, before its first event is written. */
  onOpen: () => void
  onRefused: (refusal: RefusedQuery) => void
  /** Called when the query has ended, with the reason: no event follows but the last one. */
  onEnd: (reason: string) => void
  /** Called when the client's side of the network has taken an answer to a ping. */
  onPong: () => void
}

/**
 * Makes the messages about one live query into events for a client that knows no protocol: each has the
 * result, or what has changed in it, and the position as its id. PROTOCOL.md, "Watching one query".
 */
export class QueryEvents implements EventFormat {
  readonly #owner: QueryEventsOwner
  /** Whether changes are sent, beside complete results that then name the key field. */
  readonly #isDelta: boolean
  /** JSON of the epoch of the result that the client has. */
  #epoch = '""'
  #isOpen = false
  #isPinged = false
  /** The message under way, as far as it is kept, until it can be parsed. */
  #kept: Buffer[] = []
  #end: ResultEnd | undefined

  constructor (owner: QueryEventsOwner, isDelta: boolean) {
    this.#owner = owner
    this.#isDelta = isDelta
  }

  piece (bytes: Buffer, isFirst: boolean, isLast: boolean): readonly Buffer[] {
    if (isFirst) {
      const begun = this.#begin(bytes)
      if (begun !== undefined) return [...begun.head, ...this.#body(begun.rest, isLast)]
    } else if (this.#end !== undefined) {
      return this.#body(bytes, isLast)
    }
    this.#kept.push(bytes)
    if (!isLast) return []
    const text = Buffer.concat(this.#kept).toString()
    this.#kept = []
    return this.#notice(JSON.parse(text) as Readonly<Record<string, any>>)
  }

  closed (_code: number, reason: string): readonly Buffer[] {
    return passing.some(other => other.reason === reason) ? [] : [namedEvent('end', { reason })]
  }

  onSent (): void {
    if (!this.#isPinged) return
    this.#isPinged = false
    this.#owner.onPong()
  }

  /** Returns the head of an event, and the rest of the piece; `undefined` for a message of another kind. */
  #begin (bytes: Buffer): { readonly head: readonly Buffer[], readonly rest: Buffer } | undefined {
    // One byte for each character, so that places in the text are places in the bytes.
    const start = readLiveStart(bytes.toString('latin1', 0, START_BYTES))
    if (start === undefined) return undefined
    const isReply = !this.#isOpen
    if (isReply) {
      this.#isOpen = true
      this.#owner.onOpen()
    }
    const { isDelta, members, bodyAt } = start
    this.#epoch = members.get('epoch') ?? this.#epoch
    const rest = bytes.subarray(bodyAt)
    const braces = isReply ? 2 : 1
    if (isDelta && !this.#isDelta) {
      // The result of now is the one that the client has.
      this.#end = { braces: Infinity, text: END, held: Buffer.alloc(0) }
      return { head: [COMMENT.subarray(0, 1)], rest }
    }
    const id = `id: ${String(JSON.parse(this.#epoch))}:${members.get('revision')}\n`
    const isKeyed = this.#isDelta && !isDelta
    this.#end = { braces, text: isKeyed ? Buffer.from('}\n\n') : END, held: Buffer.alloc(0) }
    const event = isDelta ? 'event: delta\n' : ''
    const data = isKeyed ? `{"key":${members.get('key')},"data":` : ''
    return { head: [Buffer.from(`${id}${event}data: ${data}`, 'latin1')], rest }
  }

  /** Returns a piece of a result without the braces that close its message. */
  #body (bytes: Buffer, isLast: boolean): readonly Buffer[] {
    const end = this.#end as ResultEnd
    const pieces: Buffer[] = []
    const held = bytes.length < end.braces ? Buffer.concat([end.held, bytes]) : bytes
    if (held === bytes) pieces.push(end.held)
    const cutAt = Math.max(held.length - end.braces, 0)
    pieces.push(held.subarray(0, cutAt))
    end.held = held.subarray(cutAt)
    if (isLast) {
      this.#end = undefined
      pieces.push(end.text)
    }
    return pieces.filter(({ length }) => length > 0)
  }

  #notice (message: Readonly<Record<string, any>>): readonly Buffer[] {
    const { type, id, event } = message
    if (type === 'ping') {
      this.#isPinged = this.#isOpen
      if (this.#isPinged) return [COMMENT]
      this.#owner.onPong()
    }
    if (type === 'error') this.#owner.onRefused(message as unknown as RefusedQuery)
    else if (type === 'result' && id === LOGIN_ID) this.#owner.onLoggedIn()
    else if (event === 'subscription_closed') this.#owner.onEnd(message['reason'])
    else if (event === 'shutdown' && this.#isOpen) return [retryAfter(message['reconnectAfterMs'])]
    return []
  }
}
