import type { Test } from 'tap'
import WebSocket from 'ws'

/** Time after which a frame that a test waits for counts as missing. */
const PATIENCE_MS = 20_000

/** Any frame of the server. */
export type Frame = Readonly<Record<string, any>>

/** How a connection ended. */
export interface Closed {
  readonly code: number
  readonly reason: string
}

/**
 * A client that keeps every frame until the test looks at it, so that nothing is lost and nothing must be
 * slept for.
 */
export class TestClient {
  readonly ws: WebSocket
  /** Resolves when the connection has ended. */
  readonly closed: Promise<Closed>
  readonly #frames: Frame[] = []
  #arrived: Array<() => void> = []
  #lastId = 0
  /** Whether pings are answered. */
  answersPings = true

  private constructor (ws: WebSocket) {
    this.ws = ws
    this.closed = new Promise(resolve => {
      ws.on('close', (code, reason) => {
        resolve({ code, reason: reason.toString() })
        this.#wake()
      })
    })
    ws.on('error', () => {})
    ws.on('message', data => {
      const frame = JSON.parse(String(data)) as Frame
      if (frame['type'] === 'ping' && this.answersPings) {
        ws.send(JSON.stringify({ type: 'pong', timestamp: frame['timestamp'] }))
      }
      this.#frames.push(frame)
      this.#wake()
    })
  }

  /** Connects without waiting for the welcome. */
  static raw (t: Test, url: string, options?: WebSocket.ClientOptions): TestClient {
    const client = new TestClient(new WebSocket(url, options))
    t.teardown(() => { client.ws.terminate() })
    return client
  }

  /** Connects and takes the welcome off the queue. */
  static async open (t: Test, url: string, options?: WebSocket.ClientOptions): Promise<TestClient> {
    const client = TestClient.raw(t, url, options)
    await client.next(frame => frame['type'] === 'welcome')
    return client
  }

  /** Takes the first frame that matches off the queue, waiting for it. Frames before it stay. */
  async next (matches: (frame: Frame) => boolean = () => true): Promise<Frame> {
    let late = false
    const timer = setTimeout(() => {
      late = true
      this.#wake()
    }, PATIENCE_MS)
    try {
      for (;;) {
        const index = this.#frames.findIndex(matches)
        if (index !== -1) return this.#frames.splice(index, 1)[0] as Frame
        if (late || this.ws.readyState === WebSocket.CLOSED) {
          const left = JSON.stringify(this.#frames.slice(0, 20))
          throw new Error(`${late ? 'no such frame' : 'closed while waiting'}; frames left: ${left}`)
        }
        await new Promise<void>(resolve => { this.#arrived.push(resolve) })
      }
    } finally {
      clearTimeout(timer)
    }
  }

  #wake (): void {
    const arrived = this.#arrived
    this.#arrived = []
    for (const wake of arrived) wake()
  }

  /** Takes the next push off the queue. */
  async push (subscriptionId?: string): Promise<Frame> {
    return await this.next(
      frame =>
        frame['type'] === 'push' &&
        (subscriptionId === undefined || frame['subscriptionId'] === subscriptionId)
    )
  }

  /** Everything that has arrived and was not taken. */
  get waiting (): readonly Frame[] {
    return this.#frames
  }

  /** Sends text, or an object as JSON. */
  send (message: string | object): void {
    this.ws.send(typeof message === 'string' ? message : JSON.stringify(message))
  }

  /** Sends a request and resolves with its reply, result or error. */
  async request (type: string, fields: object = {}): Promise<Frame> {
    const id = ++this.#lastId
    this.send({ ...fields, id, type })
    return await this.next(frame => frame['id'] === id)
  }

  /** Sends a request and resolves with the result's data; rejects when the reply is an error. */
  async ask (type: string, fields: object = {}): Promise<any> {
    const reply = await this.request(type, fields)
    if (reply['type'] !== 'result') throw new Error(`${type}: ${JSON.stringify(reply)}`)
    return reply['data']
  }

  /** Sends a request and resolves with the code of the error reply; rejects when it succeeds. */
  async code (type: string, fields: object = {}): Promise<string> {
    const reply = await this.request(type, fields)
    if (reply['type'] !== 'error') throw new Error(`${type} succeeded: ${JSON.stringify(reply)}`)
    return reply['code'] as string
  }

  /**
   * Resolves when everything that the server has to say about earlier changes has arrived: a request makes
   * the round trip, and pushes leave in the tick after the change.
   */
  async settled (): Promise<void> {
    await this.request('store.buckets')
    await this.request('store.buckets')
  }
}

/** Checks that the connection answers, and that nothing else has arrived. */
export async function assertQuiet (t: Test, client: TestClient): Promise<void> {
  await client.ask('store.buckets')
  t.same(client.waiting, [], 'nothing else was sent')
}
