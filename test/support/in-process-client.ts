import { EventEmitter } from 'node:events'
import { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import type { NoexService } from '../../lib/service/service.js'
import type { Frame } from './client.js'

/** Takes what the server writes, at once. */
class Wire extends Duplex {
  readonly frames: Frame[] = []
  #arrived: Array<() => void> = []

  override _read (): void {}

  override _write (chunk: Buffer, _encoding: string, done: () => void): void {
    for (let at = 0; at < chunk.length;) {
      const short = chunk[at + 1] as number
      const [start, length] = short === 126 ? [at + 4, chunk.readUInt16BE(at + 2)] : [at + 2, short]
      this.frames.push(JSON.parse(chunk.toString('utf8', start, start + length)) as Frame)
      at = start + length
    }
    for (const arrived of this.#arrived) arrived()
    done()
  }

  onFrames (arrived: () => void): void {
    this.#arrived.push(arrived)
  }
}

/** As much of a WebSocket as a connection uses. */
class LocalWebSocket extends EventEmitter {
  readonly OPEN = 1
  readyState = 1
  isPaused = false
  readonly _socket = new Wire()

  pause (): void { this.isPaused = true }
  resume (): void { this.isPaused = false }
  terminate (): void { this.close(1006) }
  close (code: number): void {
    this.readyState = 3
    queueMicrotask(() => { this.emit('close', code) })
  }
}

/**
 * A client without a network: what it sends has arrived, and what is sent to it too. Its messages are below
 * 64 KB.
 */
export class InProcessClient {
  readonly #ws = new LocalWebSocket()
  #lastId = 0

  constructor (service: NoexService) {
    service.admit({ ip: '127.0.0.1', peer: '127.0.0.1', rawHeaders: [], headers: {} })
    service.accept(this.#ws as unknown as WebSocket, {
      remoteAddress: '127.0.0.1',
      requestId: 'req',
      headers: {},
      session: undefined
    })
  }

  /** Everything that the server has sent. */
  get frames (): readonly Frame[] {
    return this.#ws._socket.frames
  }

  get pushes (): number {
    return this.frames.filter(({ type }) => type === 'push').length
  }

  /** Sends a request; what is sent on a closed connection is lost. */
  send (type: string, fields: object = {}): number {
    const id = ++this.#lastId
    this.#ws.emit('message', Buffer.from(JSON.stringify({ ...fields, id, type })), false)
    return id
  }

  /** Resolves with the reply, result or error. */
  async request (type: string, fields: object = {}): Promise<Frame> {
    const id = this.send(type, fields)
    const find = (): Frame | undefined => this.frames.find(frame => frame['id'] === id)
    return find() ?? await new Promise(resolve => {
      this.#ws._socket.onFrames(() => {
        const found = find()
        if (found !== undefined) resolve(found)
      })
    })
  }

  leave (): void {
    this.#ws.terminate()
  }
}
