import assert from 'node:assert/strict'
import { isUtf8 } from 'node:buffer'
import { EventEmitter } from 'node:events'
import { Duplex } from 'node:stream'
import { setImmediate } from 'node:timers/promises'

/** The network side of a socket: takes a write at once, or keeps it until the test lets it go. */
export class FakeStream extends Duplex {
  /** One entry for each system call. */
  readonly writes: Buffer[] = []
  blocked = false
  #release: Array<() => void> = []

  override _read (): void {}

  override _write (chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.#take(chunk, callback)
  }

  override _writev (chunks: Array<{ chunk: Buffer }>, callback: (error?: Error | null) => void): void {
    this.#take(Buffer.concat(chunks.map(({ chunk }) => chunk)), callback)
  }

  #take (chunk: Buffer, callback: (error?: Error | null) => void): void {
    this.writes.push(chunk)
    if (this.blocked) this.#release.push(callback)
    else callback()
  }

  /** Lets the write that is under way go, and holds the next. */
  unblockOne (): void {
    this.#release.shift()?.()
  }

  /** Lets the write that is under way go, and those that follow it. */
  async unblock (): Promise<void> {
    this.blocked = false
    for (const release of this.#release.splice(0)) release()
    await setImmediate()
  }

  /** The texts of all frames so far, all of them shorter than 64 KiB. */
  get texts (): string[] {
    const bytes = Buffer.concat(this.writes)
    const texts: string[] = []
    for (let offset = 0; offset < bytes.length;) {
      const short = bytes[offset + 1] as number
      const start = offset + (short < 126 ? 2 : 4)
      const length = short < 126 ? short : bytes.readUInt16BE(offset + 2)
      texts.push(bytes.toString('utf8', start, start + length))
      offset = start + length
    }
    return texts
  }
}

/** Returns the messages in the bytes that were sent, each with the number of its frames. */
export function messagesIn (bytes: Buffer): Array<{ readonly text: string, readonly frames: number }> {
  const messages: Array<{ text: string, frames: number }> = []
  let payloads: Buffer[] = []
  for (let offset = 0; offset < bytes.length;) {
    const first = bytes[offset] as number
    assert.equal(first & 0x0f, payloads.length === 0 ? 1 : 0, 'a text, then its continuation')
    const short = bytes[offset + 1] as number
    const start = offset + (short < 126 ? 2 : short === 126 ? 4 : 10)
    const extended = () => short === 126 ? bytes.readUInt16BE(offset + 2) : bytes.readUInt32BE(offset + 6)
    const length = short < 126 ? short : extended()
    payloads.push(bytes.subarray(start, start + length))
    // A part that is no whole text would not survive this.
    assert.ok(isUtf8(payloads.at(-1) as Buffer))
    offset = start + length
    if ((first & 0x80) === 0) continue
    messages.push({ text: Buffer.concat(payloads).toString(), frames: payloads.length })
    payloads = []
  }
  assert.equal(payloads.length, 0)
  return messages
}

/** The part of a WebSocket that a connection uses. */
export class FakeWebSocket extends EventEmitter {
  readonly OPEN = 1
  readyState = 1
  isPaused = false
  readonly closes: Array<readonly [number, string]> = []
  readonly _socket = new FakeStream()

  pause (): void { this.isPaused = true }
  resume (): void { this.isPaused = false }
  terminate (): void { this.closes.push([1006, '']) }
  close (code: number, reason: string): void {
    this.closes.push([code, reason])
    this.readyState = 2
  }

  receive (message: object | Buffer): void {
    if (Buffer.isBuffer(message)) this.emit('message', message, true)
    else this.emit('message', Buffer.from(JSON.stringify(message)), false)
  }
}
