import type { NoexServerError } from '../protocol/errors.js'
import { charsOf, type MessageText } from '../protocol/parts.js'
import { Waiters } from '../util/waiters.js'

/** The reason for which a reply waits. */
export interface Hold {
  /** Resolves with whether the reply may be sent as it is. */
  readonly released: Promise<boolean>
  /** Returns the reply that is sent otherwise. */
  readonly instead: () => Pick<Reply, 'text' | 'failure'>
}

/** A reply, with callbacks for its outcome. */
export interface Reply {
  readonly text: MessageText
  /** The error that the text says; `undefined` for a result. */
  readonly failure?: NoexServerError | undefined
  /** Called when it is in the outbox. */
  readonly sent?: (() => void) | undefined
  /** Called when another text is sent instead. */
  readonly unsent?: (() => void) | undefined
  /** Called when it, or the text instead, is in the outbox. */
  readonly answered?: (() => void) | undefined
}

interface Item {
  reply: Reply
  chars: number
  isReady: boolean
}

/**
 * Replies to one client that wait until their audit entries are durable.
 * @limit nothing more is read from the client until it has fewer
 */
const MAX_REPLIES = 256

/** The replies of one connection that wait until they may be sent, in the order of the requests. */
export class HeldReplies {
  readonly #maxChars: number
  readonly #deliver: (reply: Reply) => void
  #items: Item[] = []
  #chars = 0
  readonly #idle = new Waiters()

  /** `maxChars` bounds the characters that wait; `deliver` sends a reply. */
  constructor (maxChars: number, deliver: (reply: Reply) => void) {
    this.#maxChars = maxChars
    this.#deliver = deliver
  }

  get size (): number {
    return this.#items.length
  }

  get isEmpty (): boolean {
    return this.#items.length === 0
  }

  /** Whether no more requests may be started. */
  get isFull (): boolean {
    return this.#items.length >= MAX_REPLIES || this.#chars >= this.#maxChars
  }

  add (reply: Reply, hold: Hold | undefined): void {
    const item: Item = { reply, chars: charsOf(reply.text), isReady: hold === undefined }
    this.#items.push(item)
    this.#chars += item.chars
    hold?.released.then(maySend => {
      if (!maySend) {
        item.reply.unsent?.()
        this.#chars -= item.chars
        item.reply = { ...hold.instead(), answered: item.reply.answered }
        item.chars = charsOf(item.reply.text)
        this.#chars += item.chars
      }
      item.isReady = true
      this.#release()
    })
  }

  /** Drops the replies that wait; their callbacks are not called. */
  clear (): void {
    this.#items = []
    this.#chars = 0
    this.#idle.release()
  }

  /** Resolves when no reply waits. */
  async idle (): Promise<void> {
    if (!this.isEmpty) await this.#idle.wait()
  }

  #release (): void {
    while (this.#items[0]?.isReady === true) {
      const { reply, chars } = this.#items.shift() as Item
      this.#chars -= chars
      this.#deliver(reply)
    }
    if (this.isEmpty) this.#idle.release()
  }
}
