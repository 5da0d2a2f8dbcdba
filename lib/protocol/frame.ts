/** The first byte of an unfragmented text frame (RFC 6455, 5.2). */
const FINAL_TEXT = 0x81

/** Bytes that the header of a frame with this payload takes: 2, 4 or 10. A server's frames carry no mask. */
export function headerBytes (payloadBytes: number): number {
  if (payloadBytes < 126) return 2
  return payloadBytes < 65_536 ? 4 : 10
}

/** Writes the header of a text frame at `offset` and returns the offset behind it. */
function writeHeader (target: Buffer, payloadBytes: number, offset: number): number {
  target[offset] = FINAL_TEXT
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
  const payloadBytes = Buffer.byteLength(text)
  const frame = Buffer.allocUnsafeSlow(headerBytes(payloadBytes) + payloadBytes)
  frame.write(text, writeHeader(frame, payloadBytes, 0))
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
