/** Takes the bytes of a server as they come, and hands on whole messages. */
export class FrameReader {
  readonly #onText: (text: string) => void
  readonly #onClose: (code: number) => void
  #bytes: Buffer = Buffer.alloc(0)
  #fragments: Buffer[] = []

  constructor (onText: (text: string) => void, onClose: (code: number) => void) {
    this.#onText = onText
    this.#onClose = onClose
  }

  take (bytes: Buffer): void {
    this.#bytes = this.#bytes.length === 0 ? bytes : Buffer.concat([this.#bytes, bytes])
    for (;;) {
      const frame = this.#next()
      if (frame === undefined) return
      const { opcode, isLast, payload } = frame
      if (opcode === 0x8) {
        this.#onClose(payload.length < 2 ? 1005 : payload.readUInt16BE(0))
      } else if (opcode <= 0x1) {
        this.#fragments.push(payload)
        if (!isLast) continue
        const text = Buffer.concat(this.#fragments).toString('utf8')
        this.#fragments = []
        this.#onText(text)
      }
    }
  }

  #next (): { readonly opcode: number, readonly isLast: boolean, readonly payload: Buffer } | undefined {
    const bytes = this.#bytes
    if (bytes.length < 2) return undefined
    const [first, short] = [bytes[0] as number, bytes[1] as number]
    const start = 2 + (short === 126 ? 2 : short === 127 ? 8 : 0)
    if (bytes.length < start) return undefined
    const length = short === 126 ? bytes.readUInt16BE(2) : short === 127 ? bytes.readUInt32BE(6) : short
    if (bytes.length < start + length) return undefined
    this.#bytes = bytes.subarray(start + length)
    const payload = bytes.subarray(start, start + length)
    return { opcode: first & 0x0f, isLast: (first & 0x80) !== 0, payload }
  }
}
