/** The header of a frame; the parts that are left out are as RFC 6455 wants them from a client. */
export interface FrameFields {
  /** @default true */
  readonly fin?: boolean
  /** The three reserved bits, RSV1 being 4. @default 0 */
  readonly rsv?: number
  /** @default true */
  readonly masked?: boolean
  /** The length that the header names, also another than the payload's. @default the payload's */
  readonly length?: number | bigint
  /** How the header names it: in 7 bits, or in 16 or 64 more. @default the shortest */
  readonly lengthBits?: 7 | 16 | 64
}

/** Opcodes of RFC 6455. */
export const opcodes = {
  continuation: 0x0,
  text: 0x1,
  binary: 0x2,
  close: 0x8,
  ping: 0x9,
  pong: 0xa
} as const

const MASK = Buffer.from([0x5a, 0x01, 0xfe, 0x33])

/** Encodes one frame, also one that no client should send. */
export function encodeFrame (
  opcode: number,
  payload: string | Uint8Array = '',
  fields: FrameFields = {}
): Buffer {
  const data = Buffer.from(payload as string)
  const { fin = true, rsv = 0, masked = true, length = data.length } = fields
  const bits = fields.lengthBits ?? (length < 126 ? 7 : length < 65_536 ? 16 : 64)
  const extended = Buffer.alloc(bits === 7 ? 0 : bits / 8)
  if (bits === 16) extended.writeUInt16BE(Number(length))
  if (bits === 64) extended.writeBigUInt64BE(BigInt(length))
  const named = bits === 7 ? Number(length) : bits === 16 ? 126 : 127
  const first = (fin ? 0x80 : 0) | rsv << 4 | opcode
  if (!masked) return Buffer.concat([Buffer.from([first, named]), extended, data])
  for (let i = 0; i < data.length; i++) data[i]! ^= MASK[i % 4]!
  return Buffer.concat([Buffer.from([first, 0x80 | named]), extended, MASK, data])
}

/** A frame with a request as JSON, or with this text. */
export function textFrame (message: string | object, fields?: FrameFields): Buffer {
  return encodeFrame(opcodes.text, typeof message === 'string' ? message : JSON.stringify(message), fields)
}

/** A close frame. */
export function closeFrame (code: number, reason: string | Uint8Array = ''): Buffer {
  return encodeFrame(
    opcodes.close,
    Buffer.concat([Buffer.from([code >> 8, code & 0xff]), Buffer.from(reason as string)])
  )
}

/** A message in fragments of `size` bytes. */
export function fragments (opcode: number, payload: string | Uint8Array, size: number): Buffer {
  const data = Buffer.from(payload as string)
  const frames: Buffer[] = []
  for (let at = 0; at < data.length; at += size) {
    frames.push(
      encodeFrame(at === 0 ? opcode : opcodes.continuation, data.subarray(at, at + size), {
        fin: at + size >= data.length
      })
    )
  }
  return Buffer.concat(frames)
}

/** A frame of the server. */
export interface ReceivedFrame {
  readonly opcode: number
  readonly payload: Buffer
}

/**
 * Reads the frames of a server, which sends them whole and without a mask. The last one may be incomplete: it
 * is left away.
 */
export function decodeFrames (bytes: Buffer): ReceivedFrame[] {
  const frames: ReceivedFrame[] = []
  for (let at = 0; at + 2 <= bytes.length;) {
    const short = bytes[at + 1]! & 0x7f
    const payloadAt = at + 2 + (short === 126 ? 2 : short === 127 ? 8 : 0)
    if (payloadAt > bytes.length) break
    const length =
      short === 126
        ? bytes.readUInt16BE(at + 2)
        : short === 127
          ? Number(bytes.readBigUInt64BE(at + 2))
          : short
    if (payloadAt + length > bytes.length) break
    frames.push({ opcode: bytes[at]! & 0x0f, payload: bytes.subarray(payloadAt, payloadAt + length) })
    at = payloadAt + length
  }
  return frames
}
