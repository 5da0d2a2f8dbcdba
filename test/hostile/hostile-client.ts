import { once } from 'node:events'
import type { Test } from 'tap'
import { RawSocket } from '../support/raw-socket.js'
import { decodeFrames, opcodes, type ReceivedFrame } from '../support/web-socket-frame.js'

const PATIENCE_MS = 10_000

/**
 * A client that has shaken hands properly and sends any bytes it likes from then on. It answers nothing
 * by itself.
 */
export class HostileClient {
  readonly raw: RawSocket
  /** The length of the answer to the handshake. */
  #head = 0

  private constructor (raw: RawSocket) {
    this.raw = raw
  }

  /** Connects and waits for the welcome. */
  static async open (t: Test, port: number): Promise<HostileClient> {
    const client = new HostileClient(await RawSocket.upgrade(t, port))
    const head = await client.raw.until(/\r\n\r\n.*"welcome"/s)
    client.#head = head.indexOf('\r\n\r\n') + 4
    if (!head.startsWith('HTTP/1.1 101 ')) {
      throw new Error(`the handshake was answered with ${head.slice(0, 40)}`)
    }
    return client
  }

  send (bytes: Uint8Array): void {
    this.raw.socket.write(bytes)
  }

  /** Sends, and resolves when the bytes have left this process or the server has ended the connection. */
  async flush (bytes: Uint8Array): Promise<void> {
    await Promise.race([
      this.raw.closed,
      new Promise<void>(resolve => { this.raw.socket.write(bytes, () => { resolve() }) })
    ])
  }

  /** The received frames, the welcome being the first. */
  get frames (): ReceivedFrame[] {
    return decodeFrames(Buffer.from(this.raw.received.slice(this.#head), 'latin1'))
  }

  /** The messages among the frames, the welcome being the first. */
  get messages (): Array<Record<string, any>> {
    return this.frames
      .filter(({ opcode }) => opcode === opcodes.text)
      .map(({ payload }) => JSON.parse(payload.toString()) as Record<string, any>)
  }

  /** The code of the close frame that has been received; 1005: it has none, 1006: there was no such frame. */
  get closeCode (): number {
    const frame = this.frames.find(({ opcode }) => opcode === opcodes.close)
    if (frame === undefined) return 1006
    return frame.payload.length < 2 ? 1005 : frame.payload.readUInt16BE()
  }

  /** Resolves with the code of the server's close frame when the server has ended the connection. */
  async closed (): Promise<number> {
    const late = AbortSignal.timeout(PATIENCE_MS)
    await Promise.race([
      this.raw.closed,
      once(late, 'abort').then(() => { throw new Error('the server keeps the connection') })
    ])
    return this.closeCode
  }

  /** Resolves with the first message that matches, or rejects when the connection ends before it comes. */
  async message (matches: (message: Record<string, any>) => boolean): Promise<Record<string, any>> {
    const late = AbortSignal.timeout(PATIENCE_MS)
    for (;;) {
      const found = this.messages.find(matches)
      if (found !== undefined) return found
      if (this.raw.socket.readableEnded || this.raw.socket.destroyed) {
        throw new Error(`closed with ${this.closeCode} before the message came`)
      }
      await Promise.race([once(this.raw.socket, 'data', { signal: late }), this.raw.closed])
    }
  }
}
