const MASK = Buffer.from([0x37, 0xfa, 0x21, 0x3d])

/** Requests that are built once, ahead of the load, and sent over and over. */
export interface RequestRing {
  readonly size: number
  /** The request with this number, counted from 0 and around. */
  readonly at: (index: number) => Buffer
}

/** Requests as frames of a WebSocket. */
export class FrameRing implements RequestRing {
  readonly #frames: readonly Buffer[]

  constructor (texts: readonly string[]) {
    this.#frames = texts.map(maskedTextFrame)
  }

  get size (): number {
    return this.#frames.length
  }

  at (index: number): Buffer {
    return this.#frames[index % this.size] as Buffer
  }
}

/** Builds a text frame as a client sends it. The mask is no secret here, but the server has to undo it. */
export function maskedTextFrame (text: string): Buffer {
  return masked(0x81, Buffer.from(text))
}

/** Builds the close frame with which a client leaves. */
export function closeFrame (): Buffer {
  return masked(0x88, Buffer.from([0x03, 0xe8]))
}

function masked (firstByte: number, payload: Buffer): Buffer {
  const header = payload.length < 126
    ? Buffer.from([firstByte, 0x80 | payload.length])
    : payload.length < 65_536
      ? Buffer.from([firstByte, 0x80 | 126, payload.length >> 8, payload.length & 0xff])
      : longHeader(firstByte, payload.length)
  return Buffer.concat([header, MASK, payload.map((byte, i) => byte ^ (MASK[i & 3] ?? 0))])
}

function longHeader (firstByte: number, length: number): Buffer {
  const header = Buffer.alloc(10)
  header.set([firstByte, 0x80 | 127])
  header.writeBigUInt64BE(BigInt(length), 2)
  return header
}
