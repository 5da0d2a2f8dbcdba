import type { Test } from 'tap'
import type { OpenTransport, Transport } from '../../lib/client/transport.js'
import type { Closed, Frame } from './client.js'

/** Time after which a message that a test waits for counts as missing. */
const PATIENCE_MS = 20_000

/** Any end of a transport. */
export interface TransportEnd extends Closed {
  readonly problem: string | undefined
}

/** A client over any transport, which does what `TestClient` does. */
export class TransportClient {
  readonly transport: Transport
  /** Resolves when the transport has ended by itself. */
  readonly closed: Promise<TransportEnd>
  answersPings = true
  readonly #messages: Frame[] = []
  #arrived: Array<() => void> = []
  #isOver = false
  #lastId = 0

  /** Does not wait for the welcome. */
  constructor (t: Test, open: OpenTransport) {
    let onClosed!: (end: TransportEnd) => void
    this.closed = new Promise(resolve => { onClosed = resolve })
    this.transport = open({
      onMessage: text => {
        const message = JSON.parse(text) as Frame
        if (message['type'] === 'ping' && this.answersPings) {
          this.send({ type: 'pong', timestamp: message['timestamp'] })
        }
        this.#messages.push(message)
        this.#wake()
      },
      onClose: (code, reason, problem) => {
        this.#isOver = true
        onClosed({ code, reason, problem })
        this.#wake()
      }
    })
    t.teardown(() => { this.transport.close() })
  }

  #wake (): void {
    for (const wake of this.#arrived.splice(0)) wake()
  }

  /** Takes the first message that matches off the queue, waiting for it. */
  async next (matches: (message: Frame) => boolean = () => true): Promise<Frame> {
    const patience = AbortSignal.timeout(PATIENCE_MS)
    patience.addEventListener('abort', () => { this.#wake() })
    for (;;) {
      const index = this.#messages.findIndex(matches)
      if (index !== -1) return this.#messages.splice(index, 1)[0] as Frame
      if (this.#isOver || patience.aborted) {
        throw new Error(`no such message; left: ${JSON.stringify(this.#messages.slice(0, 20))}`)
      }
      await new Promise<void>(resolve => { this.#arrived.push(resolve) })
    }
  }

  async push (): Promise<Frame> {
    return await this.next(({ type }) => type === 'push')
  }

  send (message: object): void {
    this.transport.send(JSON.stringify(message))
  }

  async request (type: string, fields: object = {}): Promise<Frame> {
    const id = ++this.#lastId
    this.send({ ...fields, id, type })
    return await this.next(message => message['id'] === id)
  }

  async ask (type: string, fields: object = {}): Promise<any> {
    const reply = await this.request(type, fields)
    if (reply['type'] !== 'result') throw new Error(`${type}: ${JSON.stringify(reply)}`)
    return reply['data']
  }
}
