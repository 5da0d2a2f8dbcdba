/** The bits of a frame's first byte (RFC 6455, 5.2). */
const FINAL = 0x80
const TEXT = 0x01
const CONTINUATION = 0x00

/** The first byte of an unfragmented text frame. */
const FINAL_TEXT = FINAL | TEXT

/** Bytes that the header of a frame with this payload takes: 2, 4 or 10. A server's frames carry no mask. */
export function headerBytes (payloadBytes: number): number {
  if (payloadBytes < 126) return 2
  return payloadBytes < 65_536 ? 4 : 10
}

/**
 * Writes the header of a frame at `offset`, of a whole text unless `first` says otherwise, and returns the
 * offset behind it.
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

/** Builds one text frame, ready to be written to any number of sockets. */
export function textFrame (text: string): Buffer {
  return frameOf(text, FINAL_TEXT)
}

/**
 * Builds the frame of one part of a text message; others come before or after it. A part ends at the end of a
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

/** Builds one buffer of several text frames, so that they leave in one write. */
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
