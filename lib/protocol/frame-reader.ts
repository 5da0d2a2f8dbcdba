/** The bits of a frame's first two bytes that say where a message ends, and how long the frame is. */
const FINAL = 0x80
const LENGTH = 0x7f
/** Lengths that stand for a longer one, in the next 2 or 8 bytes. */
const TWO_BYTES = 126
const EIGHT_BYTES = 127

/** Receives a piece of a message; `isFirst`, `isLast`: whether the message begins or ends with it. */
export type OnPiece = (bytes: Buffer, isFirst: boolean, isLast: boolean) => void

/**
 * Takes apart the frames of frame.ts, for a client that is reached by something else than a WebSocket. The
 * header of a frame comes in one chunk, its payload in any number of them.
 */
export class FrameReader {
  /** Bytes of the present frame that are yet to come. */
  #left = 0
  #isFinal = true
  #isFirst = true

  /** Calls `onPiece` with each piece of a message that a chunk has. The pieces are views of the chunk. */
  read (chunk: Buffer, onPiece: OnPiece): void {
    for (let at = 0; at < chunk.length;) {
      if (this.#left === 0) at = this.#readHeader(chunk, at)
      const end = Math.min(at + this.#left, chunk.length)
      this.#left -= end - at
      const isLast = this.#isFinal && this.#left === 0
      if (end > at || isLast) {
        const isFirst = this.#isFirst
        this.#isFirst = isLast
        onPiece(chunk.subarray(at, end), isFirst, isLast)
      }
      at = end
    }
  }

  /** Returns the offset behind the header. Frames of a server have no mask. */
  #readHeader (chunk: Buffer, at: number): number {
    this.#isFinal = ((chunk[at] as number) & FINAL) !== 0
    const length = (chunk[at + 1] as number) & LENGTH
    if (length === TWO_BYTES) {
      this.#left = chunk.readUInt16BE(at + 2)
      return at + 4
    }
    if (length === EIGHT_BYTES) {
      this.#left = chunk.readUInt32BE(at + 2) * 2 ** 32 + chunk.readUInt32BE(at + 6)
      return at + 10
    }
    this.#left = length
    return at + 2
  }
}
