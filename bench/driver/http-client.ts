import { ClientSocket } from './client-socket.js'
import type { OnMessage } from './frame-reader.js'

const HEADER_END = Buffer.from('\r\n\r\n')
const LENGTH = /\r\ncontent-length: (\d+)\r\n/i
const SUCCESS = 'HTTP/1.1 200 '
const NOTHING = Buffer.alloc(0)

/**
 * An HTTP client that does as little as possible: prepared requests go out on one connection that is kept,
 * one behind the other without waiting, and answers come in the same order.
 */
export class HttpClient extends ClientSocket {
  /** Called with each whole answer, from its status to its end. */
  onMessage: OnMessage = () => {}
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
      this.onMessage(bytes, start, next)
      start = next
    }
    this.#rest = start === bytes.length ? NOTHING : Buffer.from(bytes.subarray(start))
  }
}

/** Builds a request that posts JSON. */
export function jsonPost (path: string, body: string): Buffer {
  return Buffer.from(`POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n` +
    `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
}

/** Whether the status of an answer is 200. */
export function isSuccess (bytes: Buffer, start: number): boolean {
  return bytes.toString('latin1', start, start + SUCCESS.length) === SUCCESS
}
