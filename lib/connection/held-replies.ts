import { charsOf, type MessageText } from '../protocol/parts.js'

/** Why a reply waits. */
export interface Hold {
  /** Resolves with whether the reply may be sent as it is. */
  readonly released: Promise<boolean>
  /** What is sent otherwise. */
  readonly instead: () => string
}

/** A reply, and who hears of its fate. */
export interface Reply {
  readonly text: MessageText
  /** It is in the outbox. */
  readonly sent?: (() => void) | undefined
  /** Something else was sent instead. */
  readonly unsent?: (() => void) | undefined
  /** It, or something else instead, is in the outbox. */
  readonly answered?: (() => void) | undefined
}

interface Item {
  reply: Reply
  chars: number
  ready: boolean
}

/**
 * Replies to one client that wait until their audit entries are durable.
 * @limit nothing more is read from the client until it has fewer
 */
const MAX_REPLIES = 256

/**
 * The replies of one connection that wait until they may be sent. They leave in the order in which they came.
 */
export class HeldReplies {
  readonly #maxChars: number
  readonly #deliver: (reply: Reply) => void
  #items: Item[] = []
  #chars = 0
  #idle: Array<() => void> = []

  /** `deliver` sends a reply; `maxChars` of them may wait. */
  constructor (maxChars: number, deliver: (reply: Reply) => void) {
    this.#maxChars = maxChars
    this.#deliver = deliver
  }

  get empty (): boolean {
    return this.#items.length === 0
  }

  /** Whether no more requests should be started for now. */
  get full (): boolean {
    return this.#items.length >= MAX_REPLIES || this.#chars >= this.#maxChars
  }

  add (reply: Reply, hold: Hold | undefined): void {
    const item: Item = { reply, chars: charsOf(reply.text), ready: hold === undefined }
    this.#items.push(item)
    this.#chars += item.chars
    hold?.released.then(maySend => {
      if (!maySend) {
        item.reply.unsent?.()
        this.#chars -= item.chars
        item.reply = { text: hold.instead(), answered: item.reply.answered }
        item.chars = charsOf(item.reply.text)
        this.#chars += item.chars
      }
      item.ready = true
      this.#release()
    })
  }

  /** Drops everything. */
  clear (): void {
    this.#items = []
    this.#chars = 0
    this.#settle()
  }

  /** Resolves when nothing waits. */
  async idle (): Promise<void> {
    if (!this.empty) await new Promise<void>(resolve => { this.#idle.push(resolve) })
  }

  #release (): void {
    while (this.#items[0]?.ready === true) {
      const { reply, chars } = this.#items.shift() as Item
      this.#chars -= chars
      this.#deliver(reply)
    }
    if (this.empty) this.#settle()
  }

  #settle (): void {
    for (const resolve of this.#idle.splice(0)) resolve()
  }
}
