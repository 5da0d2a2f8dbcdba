import { randomBytes } from 'node:crypto'
import type { EventFormat } from '../protocol/server-sent-events.js'
import { MessageEvents, namedEvent } from '../protocol/server-sent-events.js'
import { Waiters } from '../util/waiters.js'
import { EventStream, type EventSink } from './event-stream.js'

/** Random bytes of the id of a stream: to know one is to be allowed to send messages for its client. */
const ID_BYTES = 16

/** A stream that POSTs can be sent to, with the user that a gateway has named. */
interface Addressable {
  readonly stream: EventStream
  readonly userId: string | undefined
}

/** The streams of a service, and those among them that take messages by their ids. */
export class EventStreams {
  readonly #all = new Set<EventStream>()
  readonly #byId = new Map<string, Addressable>()
  readonly #emptied = new Waiters()

  /**
   * Opens a stream for messages, and writes its first event, with its id. `userId` is the user that a gateway
   * has named, who must be that of each POST.
   */
  open (sink: EventSink, userId: string | undefined): EventStream {
    // Opaque to clients: the name of a node may come before it, to forward POSTs by.
    const id = randomBytes(ID_BYTES).toString('base64url')
    sink.write([namedEvent('stream', { stream: id })], () => {})
    const stream = this.openAs(sink, new MessageEvents())
    this.#byId.set(id, { stream, userId })
    stream.once('close', () => { this.#byId.delete(id) })
    return stream
  }

  /** Opens a stream that takes no messages. */
  openAs (sink: EventSink, format: EventFormat): EventStream {
    const stream = new EventStream(sink, format)
    this.#all.add(stream)
    stream.once('close', () => {
      this.#all.delete(stream)
      if (this.#all.size === 0) this.#emptied.release()
    })
    return stream
  }

  /** Returns the open stream of an id for a POST; `undefined` where this user has none. */
  find (id: string, userId: string | undefined): EventStream | undefined {
    const found = this.#byId.get(id)
    return found?.stream.isOpen === true && found.userId === userId ? found.stream : undefined
  }

  /** Resolves when no stream is left. */
  async empty (): Promise<void> {
    if (this.#all.size > 0) await this.#emptied.wait()
  }
}
