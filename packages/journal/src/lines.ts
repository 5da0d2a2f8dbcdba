import { isUtf8 } from 'node:buffer'

/** A line of a file, in its exact bytes. */
export interface RawLine {
  /** The bytes before the line feed; `undefined` when there are more than the splitter holds. */
  readonly bytes: Buffer | undefined
  /** Whether a line feed ends it: only the last line of a file may have none. */
  readonly ended: boolean
}

export const LINE_FEED = 0x0a

/** Cuts chunks of bytes into lines, at line feeds only. It holds at most one line that has not ended. */
export class LineSplitter {
  readonly #maxBytes: number
  #parts: Buffer[] = []
  #pendingBytes = 0

  /** `maxBytes`: a longer line, without its line feed, is passed over and never held. */
  constructor (maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** Bytes since the last line feed, also those that are not held. */
  get pendingBytes (): number {
    return this.#pendingBytes
  }

  /** Returns the lines that end within a chunk. */
  push (chunk: Buffer): RawLine[] {
    const lines: RawLine[] = []
    let start = 0
    for (let end = chunk.indexOf(LINE_FEED); end !== -1; end = chunk.indexOf(LINE_FEED, start)) {
      this.#keep(chunk.subarray(start, end))
      lines.push({ bytes: this.#take(), ended: true })
      start = end + 1
    }
    this.#keep(chunk.subarray(start))
    return lines
  }

  /** Returns what is left after the last chunk: a line without line feed, if any. */
  end (): RawLine[] {
    return this.#pendingBytes === 0 ? [] : [{ bytes: this.#take(), ended: false }]
  }

  #keep (part: Buffer): void {
    this.#pendingBytes += part.length
    if (this.#pendingBytes > this.#maxBytes) this.#parts = []
    else if (part.length > 0) this.#parts.push(part)
  }

  #take (): Buffer | undefined {
    const bytes = this.#pendingBytes > this.#maxBytes ? undefined : joined(this.#parts)
    this.#parts = []
    this.#pendingBytes = 0
    return bytes
  }
}

function joined (parts: Buffer[]): Buffer {
  return parts.length === 1 ? parts[0] as Buffer : Buffer.concat(parts)
}

/**
 * Returns the text of a line; `undefined` when it is too long or no UTF-8. Different bytes never give the
 * same text.
 */
export function textOf ({ bytes }: RawLine): string | undefined {
  return bytes !== undefined && isUtf8(bytes) ? bytes.toString('utf8') : undefined
}
