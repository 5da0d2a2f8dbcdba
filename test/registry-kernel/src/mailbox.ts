/**
 * A first-in, first-out queue whose operations take the same time however long it grows.
 *
 * Two arrays take turns: one is filled at its end while the other is read from its start.
 */
export class Mailbox<Message> {
  #incoming: Message[] = []
  #outgoing: Array<Message | undefined> = []
  #next = 0

  /** Adds a message at the end. */
  push (message: Message): void {
    this.#incoming.push(message)
  }

  /** Takes the oldest message out; `undefined` when there is none. */
  shift (): Message | undefined {
    if (this.#next === this.#outgoing.length) {
      if (this.#incoming.length === 0) return undefined
      this.#outgoing = this.#incoming
      this.#incoming = []
      this.#next = 0
    }
    const message = this.#outgoing[this.#next]
    this.#outgoing[this.#next++] = undefined
    return message
  }

  /** Keeps the messages that `keep` accepts, in their order, and drops the others. */
  retain (keep: (message: Message) => boolean): void {
    const kept: Message[] = []
    for (let message = this.shift(); message !== undefined; message = this.shift()) {
      if (keep(message)) kept.push(message)
    }
    this.#incoming = kept
  }
}
