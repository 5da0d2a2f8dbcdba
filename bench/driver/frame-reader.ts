const TEXT = 0x81
const FIRST_FRAGMENT = 0x01
const LAST_FRAGMENT = 0x80

/** Called with each message; the bytes from `start` to `end` are valid during the call only. */
export type OnMessage = (bytes: Buffer, start: number, end: number) => void

/** Bytes of a message in fragments, or of a large one, that are handed on: enough to know what it answers. */
const HEAD_BYTES = 256
/** A message above this is large: to gather it would cost the driver more than the server. */
const LARGE_BYTES = 1_048_576
const NOTHING = Buffer.alloc(0)

/**
 * Cuts what a server sends into messages. It passes text on, of a message in fragments and of a large one no
 * more than its beginning, and ignores the frame that answers a close.
 */
export class FrameReader {
  onMessage: OnMessage
  #rest = NOTHING
  #head: Buffer = NOTHING
  /** Bytes of a large frame that have not come yet, when its head has. */
  #missing = 0
  #isLast = false

  constructor (onMessage: OnMessage) {
    this.onMessage = onMessage
  }

  /** Takes the bytes from `from` to `to`; nothing of them is kept but a copy of an unfinished frame. */
  read (chunk: Buffer, from: number, to: number): void {
    let bytes = chunk
    let start = this.#skip(from, to)
    let end = to
    if (this.#rest.length > 0) {
      bytes = Buffer.concat([this.#rest, chunk.subarray(start, to)])
      start = 0
      end = bytes.length
    }
    for (;;) {
      const payload = payloadStart(bytes, start, end)
      if (payload === -1) break
      const length = payloadBytes(bytes, start)
      const next = payload + length
      if (next > end) {
        if (length <= LARGE_BYTES || end - payload < HEAD_BYTES) break
        this.#begin(bytes, start, payload, next)
        this.#missing = next - end
        start = end
        break
      }
      const first = bytes[start]
      if (first === TEXT) this.onMessage(bytes, payload, next)
      else if (first === FIRST_FRAGMENT) this.#head = headOf(bytes, payload, next)
      else if (first === LAST_FRAGMENT) this.onMessage(this.#head, 0, this.#head.length)
      start = next
    }
    this.#rest = start === end ? NOTHING : Buffer.from(bytes.subarray(start, end))
  }

  /** Begins a large frame, of which the head is there. */
  #begin (bytes: Buffer, start: number, payload: number, next: number): void {
    const first = bytes[start]
    if (first === TEXT || first === FIRST_FRAGMENT) this.#head = headOf(bytes, payload, next)
    this.#isLast = first === TEXT || first === LAST_FRAGMENT
  }

  /** Skips the rest of a large frame, and hands its message on at the end; returns where the next begins. */
  #skip (from: number, to: number): number {
    if (this.#missing === 0) return from
    const skipped = Math.min(this.#missing, to - from)
    this.#missing -= skipped
    if (this.#missing === 0 && this.#isLast) this.onMessage(this.#head, 0, this.#head.length)
    return from + skipped
  }
}

function headOf (bytes: Buffer, payload: number, next: number): Buffer {
  return Buffer.from(bytes.subarray(payload, Math.min(payload + HEAD_BYTES, next)))
}

/** Returns where the payload of the frame at `start` begins, or -1 when its header has not arrived. */
function payloadStart (bytes: Buffer, start: number, end: number): number {
  if (end - start < 2) return -1
  const length = bytes[start + 1] ?? 0
  const payload = start + (length < 126 ? 2 : length === 126 ? 4 : 10)
  return payload > end ? -1 : payload
}

function payloadBytes (bytes: Buffer, start: number): number {
  const length = bytes[start + 1] ?? 0
  if (length < 126) return length
  return length === 126 ? bytes.readUInt16BE(start + 2) : bytes.readUInt32BE(start + 6)
}
