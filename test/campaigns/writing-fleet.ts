import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import WebSocket from 'ws'
import { certificate } from '../support/proxy.js'

/** Each client writes about once in this time, one write after the other. */
export const WRITE_EVERY_MS = 1_000
/**
 * Time over which clients that were cut off without a word come back: what a server that says a word spreads
 * them over, too.
 */
const RETURN_WINDOW_MS = 5_000
const RETURN_PACE_MS = 20
const FIRST_RETRY_MS = 1_500
const LONGEST_RETRY_MS = 5_000
/** Time after which a connection that does not come about, or a write that is not answered, is given up. */
const PATIENCE_MS = 20_000
const BUCKET_MS = 100

const ca = readFileSync(certificate)

/** The history of a fleet since a moment; times are milliseconds of `performance.now()`. */
export class Episode {
  readonly began = performance.now()
  /** When the first client was told that the server stops; `undefined` when none was. */
  firstNotice: number | undefined
  /** When a client first lost its connection, or gave it up. */
  firstClose: number | undefined
  cuts = 0
  failedAttempts = 0
  /** When clients meant to come back. */
  readonly due: number[] = []
  /** When they did try: later, where this process is busy. */
  readonly attempts: number[] = []
  /** When they were welcomed. */
  readonly returns: number[] = []

  /** The largest share of `size` clients that has come in one tenth of a second. */
  static largestShare (times: readonly number[], size: number): number {
    const buckets = new Map<number, number>()
    for (const time of times) {
      buckets.set(Math.floor(time / BUCKET_MS), (buckets.get(Math.floor(time / BUCKET_MS)) ?? 0) + 1)
    }
    return Math.max(0, ...buckets.values()) / size
  }
}

/** Many clients that write without a pause, and know what was acknowledged. */
export class WritingFleet {
  readonly size: number
  readonly url: string
  readonly #clients: WritingClient[]
  /** Keys of the records whose insert was acknowledged. */
  readonly acknowledged = new Set<string>()
  /** Replies that were errors. */
  refused = 0
  ended = false
  episode = new Episode()

  constructor (size: number, port: number) {
    this.size = size
    this.url = `wss://localhost:${port}/`
    this.#clients = Array.from({ length: size }, (_, i) => new WritingClient(this, i))
  }

  get returnWindowMs (): number {
    return Math.min(RETURN_WINDOW_MS, this.size * RETURN_PACE_MS)
  }

  /** Connects all clients over the return window, and resolves when all write. */
  async start (): Promise<void> {
    for (const client of this.#clients) client.comeBackIn(Math.random() * this.returnWindowMs)
    await this.#allWrite(0)
  }

  /** Begins to watch what happens. */
  watch (): Episode {
    this.episode = new Episode()
    return this.episode
  }

  /**
   * Resolves when every client is connected and has had a write acknowledged since `episode` began, and was
   * cut off at least once if `isCut`.
   */
  async recovered (episode: Episode, { isCut }: { readonly isCut: boolean }): Promise<void> {
    if (isCut) await until('every client has lost its connection', () => episode.returns.length >= this.size)
    await this.#allWrite(episode.began)
  }

  /** Lets writes that are under way be answered, then closes all connections. */
  async end (): Promise<void> {
    this.ended = true
    await until('every write is answered', () => this.#clients.every(({ isIdle }) => isIdle))
    this.stop()
  }

  /** Ends all connections at once. */
  stop (): void {
    this.ended = true
    for (const client of this.#clients) client.stop()
  }

  async #allWrite (since: number): Promise<void> {
    await until('every client writes', () =>
      this.#clients.every(client => client.isOpen && client.lastAcknowledged > since)
    )
  }
}

async function until (what: string, condition: () => boolean): Promise<void> {
  for (const deadline = performance.now() + 3 * PATIENCE_MS; !condition();) {
    if (performance.now() > deadline) throw new Error(`it took too long until ${what}`)
    await sleep(20)
  }
}

class WritingClient {
  readonly #fleet: WritingFleet
  readonly #name: string
  #ws: WebSocket | undefined
  #sequence = 0
  /** The key of the write that has no answer yet: it is sent again by the next connection. */
  #pending: string | undefined
  #writeTimer: NodeJS.Timeout | undefined
  #returnTimer: NodeJS.Timeout | undefined
  #retries = 0
  /** When the server wants clients back, from its message that it stops. */
  #returnAfterMs: number | undefined
  isOpen = false
  lastAcknowledged = 0

  constructor (fleet: WritingFleet, index: number) {
    this.#fleet = fleet
    this.#name = String(index)
  }

  get isIdle (): boolean {
    return this.#pending === undefined
  }

  comeBackIn (delayMs: number): void {
    this.#fleet.episode.due.push(performance.now() + delayMs)
    this.#returnTimer = setTimeout(this.#connect, delayMs)
  }

  stop (): void {
    this.#pending = undefined
    clearTimeout(this.#returnTimer)
    clearTimeout(this.#writeTimer)
    this.#ws?.terminate()
  }

  readonly #connect = (): void => {
    this.#fleet.episode.attempts.push(performance.now())
    const ws = new WebSocket(this.#fleet.url, {
      ca,
      family: 4,
      handshakeTimeout: PATIENCE_MS,
      perMessageDeflate: false
    })
    this.#ws = ws
    ws.on('message', (data: Buffer) => { this.#receive(JSON.parse(String(data))) })
    ws.on('error', () => {})
    ws.on('close', () => { this.#closed() })
  }

  #receive (frame: Record<string, any>): void {
    switch (frame['type']) {
      case 'welcome':
        this.isOpen = true
        this.#retries = 0
        this.#fleet.episode.returns.push(performance.now())
        if (this.#pending !== undefined) this.#send(this.#pending)
        else this.#writeLater()
        break
      case 'ping':
        this.#ws?.send(JSON.stringify({ type: 'pong', timestamp: frame['timestamp'] }))
        break
      case 'system':
        if (frame['event'] === 'shutdown') this.#leave(frame['reconnectAfterMs'])
        break
      case 'result':
        this.#acknowledge()
        break
      case 'error':
        // It was applied when the connection ended before the answer.
        if (frame['code'] === 'ALREADY_EXISTS') this.#acknowledge()
        else {
          this.#fleet.refused += 1
          this.#writeLater()
        }
    }
  }

  #acknowledge (): void {
    this.#fleet.acknowledged.add(String(this.#pending))
    this.#pending = undefined
    this.lastAcknowledged = performance.now()
    if (this.#returnAfterMs !== undefined) this.#ws?.close(1000)
    else this.#writeLater()
  }

  /** The server stops: what is under way is waited for, and nothing more is begun. */
  #leave (reconnectAfterMs: number): void {
    this.#fleet.episode.firstNotice ??= performance.now()
    this.#returnAfterMs = reconnectAfterMs
    clearTimeout(this.#writeTimer)
    if (this.isIdle) this.#ws?.close(1000)
  }

  #closed (): void {
    const { episode } = this.#fleet
    clearTimeout(this.#writeTimer)
    if (this.#fleet.ended && this.isIdle) return
    if (this.isOpen) {
      episode.cuts += 1
      episode.firstClose ??= performance.now()
      this.isOpen = false
      this.comeBackIn(this.#returnAfterMs ?? Math.random() * this.#fleet.returnWindowMs)
    } else {
      episode.failedAttempts += 1
      this.comeBackIn(
        Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#retries++) * (0.5 + Math.random())
      )
    }
    this.#returnAfterMs = undefined
  }

  #writeLater (): void {
    this.#writeTimer = setTimeout(() => {
      if (this.#fleet.ended && this.isIdle) return
      this.#pending ??= `${this.#name}-${++this.#sequence}`
      this.#send(this.#pending)
    }, WRITE_EVERY_MS * (0.5 + Math.random()))
  }

  #send (key: string): void {
    this.#ws?.send(
      JSON.stringify({ id: this.#sequence, type: 'store.insert', bucket: 'writes', data: { id: key } })
    )
  }
}
