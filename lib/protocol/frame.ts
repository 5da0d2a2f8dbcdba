import type { SharingText } from './shared-json.js'

/** Bits of the first byte of a frame (RFC 6455, section 5.2). */
const FINAL = 0x80
const TEXT = 0x01
const CONTINUATION = 0x00

/** The first byte of an unfragmented text frame. */
const FINAL_TEXT = FINAL | TEXT

/** Returns the length of the header of a frame in bytes: 2, 4 or 10. Frames of a server have no mask. */
export function headerBytes (payloadBytes: number): number {
  if (payloadBytes < 126) return 2
  return payloadBytes < 65_536 ? 4 : 10
}

/**
 * Writes the header of a frame at `offset`. `first` is its first byte, by default of an unfragmented text.
 * Returns the offset after the header.
 */
function writeHeader (target: Buffer, payloadBytes: number, offset: number, first = FINAL_TEXT): number {
  target[offset] = first
  if (payloadBytes < 126) {
    target[offset + 1] = payloadBytes
    return offset + 2
  }
  if (payloadBytes < 65_536) {
    target[offset + 1] = 126
    target.writeUInt16BE(payloadBytes, offset + 2)
    return offset + 4
  }
  target[offset + 1] = 127
  target.writeUInt32BE(Math.floor(payloadBytes / 2 ** 32), offset + 2)
  target.writeUInt32BE(payloadBytes >>> 0, offset + 6)
  return offset + 10
}

/** Builds one text frame, which can be written to any number of sockets. */
export function textFrame (text: string): Buffer {
  return frameOf(text, FINAL_TEXT)
}

/**
 * Builds the frame of one part of a text message that is sent in several frames. A part must not end within a
 * character.
 */
export function fragment (
  part: string, { isFirst, isLast }: { readonly isFirst: boolean, readonly isLast: boolean }
): Buffer {
  return frameOf(part, (isFirst ? TEXT : CONTINUATION) | (isLast ? FINAL : 0))
}

function frameOf (text: string, first: number): Buffer {
  const payloadBytes = Buffer.byteLength(text)
  const frame = Buffer.allocUnsafeSlow(headerBytes(payloadBytes) + payloadBytes)
  frame.write(text, writeHeader(frame, payloadBytes, 0, first))
  return frame
}

/** Builds one text frame around the bytes of shared JSON, which are not copied. */
export function sharingFrame ({ before, shared: { bytes }, after }: SharingText): [Buffer, Buffer, Buffer] {
  const beforeBytes = Buffer.byteLength(before)
  const end = Buffer.from(after)
  const payloadBytes = beforeBytes + bytes.length + end.length
  const start = Buffer.allocUnsafe(headerBytes(payloadBytes) + beforeBytes)
  start.write(before, writeHeader(start, payloadBytes, 0))
  return [start, bytes, end]
}

/** Length limit of texts that Node writes without a buffer of their own, in characters, all together. */
const MAX_TEXT_CHARS = 15_000

/**
 * Builds several text frames as one text whose characters are their bytes (`latin1`): to write it costs less
 * than a buffer. Returns `undefined` where one of the texts has characters beyond ASCII, or all are too long.
 */
export function asciiFrames (texts: readonly string[]): string | undefined {
  let chars = 0
  for (const text of texts) chars += text.length
  if (chars > MAX_TEXT_CHARS) return undefined
  let frames = ''
  for (const text of texts) {
    const { length } = text
    if (Buffer.byteLength(text) !== length) return undefined
    frames += (length < 126
      ? String.fromCharCode(FINAL_TEXT, length)
      : String.fromCharCode(FINAL_TEXT, 126, length >> 8, length & 0xff)) + text
  }
  return frames
}

/** Builds one buffer of several text frames, to be sent in one write. */
export function textFrames (texts: readonly string[]): Buffer {
  if (texts.length === 1) return textFrame(texts[0] as string)
  const sizes = texts.map(text => Buffer.byteLength(text))
  const total = sizes.reduce((sum, size) => sum + headerBytes(size) + size, 0)
  const frames = Buffer.allocUnsafe(total)
  let offset = 0
  for (let i = 0; i < texts.length; i++) {
    offset = writeHeader(frames, sizes[i] as number, offset)
    offset += frames.write(texts[i] as string, offset)
  }
  return frames
}
