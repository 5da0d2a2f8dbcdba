const MASK = Buffer.from([0x37, 0xfa, 0x21, 0x3d])

/**
 * Frames that are built once, ahead of the load, and lie end to end in one buffer: sending any number of
 * successive ones costs the driver one write.
 */
export class FrameRing {
  readonly #bytes: Buffer
  readonly #offsets: readonly number[]

  constructor (texts: readonly string[]) {
    const frames = texts.map(maskedTextFrame)
    const offsets = [0]
    for (const frame of frames) offsets.push((offsets.at(-1) ?? 0) + frame.length)
    this.#bytes = Buffer.concat(frames)
    this.#offsets = offsets
  }

  get size (): number {
    return this.#offsets.length - 1
  }

  /** The bytes of the frames `from` to `to`, the latter excluded. */
  slice (from: number, to: number): Buffer {
    return this.#bytes.subarray(this.#offsets[from], this.#offsets[to])
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
  if (payload.length > 65_535) throw new RangeError('the driver sends small frames only')
  const header = payload.length < 126
    ? Buffer.from([firstByte, 0x80 | payload.length])
    : Buffer.from([firstByte, 0x80 | 126, payload.length >> 8, payload.length & 0xff])
  return Buffer.concat([header, MASK, payload.map((byte, i) => byte ^ (MASK[i & 3] ?? 0))])
}
