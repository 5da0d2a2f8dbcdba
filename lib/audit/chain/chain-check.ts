import { textOf, type RawLine } from '@hamicek/noex-journal'
import { hashOf, MAX_LINE_BYTES, parseLine } from './chain.js'

/** The end of a chain whose last hash may be unknown. */
export interface Head {
  readonly seq: number
  readonly hash: string | undefined
}

/** Checks a chain line by line. */
export class ChainCheck {
  #head: Head

  /** @param head the end of the chain; without a hash, the hash of the next line is not checked */
  constructor (head: Head) {
    this.#head = head
  }

  get head (): Head {
    return this.#head
  }

  /** Continues after missing entries. */
  resume (head: Head): void {
    this.#head = head
  }

  /** Checks the next line. Returns its problem; the chain then does not advance. */
  next (raw: RawLine): string | undefined {
    if (raw.bytes === undefined) return `the line is longer than ${MAX_LINE_BYTES} bytes`
    if (!raw.ended) return 'the line does not end with a line feed'
    const text = textOf(raw)
    if (text === undefined) return 'the line is not UTF-8'
    const line = parseLine(text)
    if (line === undefined) return 'the line is not an entry of a trail'
    const seq = this.#head.seq + 1
    if (line.seq !== seq) return `the line is entry ${line.seq}, where entry ${seq} should be`
    if (this.#head.hash !== undefined && hashOf(line.body, this.#head.hash) !== line.hash) {
      return 'the line does not have the hash that follows from its text and the entry before'
    }
    this.#head = { seq, hash: line.hash }
    return undefined
  }
}
