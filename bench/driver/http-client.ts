import { ClientSocket } from './client-socket.js'

const HEADER_END = Buffer.from('\r\n\r\n')
const LENGTH = /\r\ncontent-length: (\d+)\r\n/i
const NOTHING = Buffer.alloc(0)

/**
 * An HTTP client that does as little as possible: prepared requests go out on one connection that is kept,
 * one behind the other without waiting, and answers come in the same order.
 */
export class HttpClient extends ClientSocket {
  /** Called with each answer: whether its status is 200. */
  onAnswer: (succeeded: boolean) => void = () => {}
  #rest: Buffer = NOTHING

  /** Connects. */
  static async open (port: number): Promise<HttpClient> {
    const client = new HttpClient(port)
    await new Promise<void>(resolve => { client.socket.once('connect', () => { resolve() }) })
    return client
  }

  protected read (read: Buffer, length: number): void {
    const chunk = read.subarray(0, length)
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
  }
}
