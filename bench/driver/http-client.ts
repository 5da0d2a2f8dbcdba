import { connect, type Socket } from 'node:net'

const HEADER_END = Buffer.from('\r\n\r\n')
const LENGTH = /\r\ncontent-length: (\d+)\r\n/i
const NOTHING = Buffer.alloc(0)

/** Reads are handled before the next one begins, so all sockets can share the buffer. */
const readBuffer = Buffer.allocUnsafe(65_536)

/**
 * An HTTP client that does as little as possible: prepared requests go out on one connection that is kept,
 * one behind the other without waiting, and answers come in the same order.
 */
export class HttpClient {
  /** Called with each answer: whether its status is 200. */
  onAnswer: (succeeded: boolean) => void = () => {}
  /** Called when all answers that arrived together have been handed on. */
  onChunk: () => void = () => {}
  readonly #socket: Socket
  #rest: Buffer = NOTHING
  #leaving = false

  private constructor (port: number) {
    this.#socket = connect({
      port,
      host: '127.0.0.1',
      noDelay: true,
      onread: { buffer: readBuffer, callback: length => this.#read(length) }
    })
    this.#socket.on('error', error => { if (!this.#leaving) throw error })
    this.#socket.on('close', () => {
      if (!this.#leaving) throw new Error('the server has closed a connection')
    })
  }

  /** Connects. */
  static async open (port: number): Promise<HttpClient> {
    const client = new HttpClient(port)
    await new Promise<void>(resolve => { client.#socket.once('connect', () => { resolve() }) })
    return client
  }

  send (request: Buffer): void {
    this.#socket.write(request)
  }

  /** Takes an end of the connection for no error from now on. */
  expectEnd (): void {
    this.#leaving = true
  }

  /** Ends the socket at once and leaves nothing behind in the TCP stack. */
  reset (): void {
    this.#leaving = true
    this.#socket.resetAndDestroy()
  }

  #read (length: number): boolean {
    const chunk = readBuffer.subarray(0, length)
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    let start = 0
    for (;;) {
      const end = bytes.indexOf(HEADER_END, start)
      if (end === -1) break
      const head = bytes.toString('latin1', start, end + 2)
      const next = end + HEADER_END.length + Number(LENGTH.exec(head)?.[1])
      if (Number.isNaN(next)) throw new Error(`an answer does not tell its length: ${head}`)
      if (next > bytes.length) break
      this.onAnswer(head.startsWith('HTTP/1.1 200 '))
      start = next
    }
    this.#rest = start === bytes.length ? NOTHING : Buffer.from(bytes.subarray(start))
    this.onChunk()
    return true
  }
}
