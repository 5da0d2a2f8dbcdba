import type { LogNotice } from './log-messages.js'

/** Characters of one message. */
export const MAX_MESSAGE = 1_048_576

/** Sends lines of commits in messages of a bounded size. */
export class LineSender {
  readonly #tell: (notice: LogNotice) => void
  #from: number
  #lines: string[] = []
  #length = 0

  constructor (from: number, tell: (notice: LogNotice) => void) {
    this.#from = from
    this.#tell = tell
  }

  add (text: string, revision: number): void {
    if (revision !== this.#from + this.#lines.length) return
    this.#lines.push(text)
    this.#length += text.length
    if (this.#length > MAX_MESSAGE) this.flush()
  }

  flush (): void {
    if (this.#lines.length === 0) return
    this.#tell({ type: 'tail', from: this.#from, lines: this.#lines.join('\n') })
    this.#from += this.#lines.length
    this.#lines = []
    this.#length = 0
  }
}
