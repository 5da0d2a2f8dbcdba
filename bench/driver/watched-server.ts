import { setTimeout } from 'node:timers/promises'
import { ownDialect } from '../workload/dialects.js'
import { BUCKET, ownerOf, QUERY, WRITER, type GrowthCase } from '../workload/growth-cases.js'
import { Client } from './client.js'
import { runClosedLoop } from './closed-loop.js'
import { FrameRing, maskedTextFrame } from './frame-ring.js'
import type { Load } from './rounds.js'
import { ServerProcess } from './server-process.js'

/** Subscriptions of one connection, which is what a server allows. */
const PER_CONNECTION = 100
const IN_FLIGHT = 16
/** A server has nothing left to do when its event loop has waited so long between two looks at it. */
const IDLE_MS = 2
const LOOK_EVERY_MS = 5
/** After a write that took longer, the next one waits until nothing is left to do, which it would share. */
const SLOW_MS = 10

/** How much is written in one turn: whichever comes first, and one record at least. */
export interface Writes {
  readonly atMost: number
  readonly forMs: number
}

/** A server on which a case of growth has some size, with its watchers and the client that writes. */
export class WatchedServer {
  readonly server: ServerProcess
  /** Bytes on the wire of one push, in the last turn. */
  bytesPerPush = NaN
  readonly #growthCase: GrowthCase
  readonly #size: number
  readonly #writer: Client
  readonly #watchers: Client[] = []
  #writes = 0
  #pushes = 0
  #onPush = (): void => {}

  private constructor (server: ServerProcess, growthCase: GrowthCase, size: number, writer: Client) {
    this.server = server
    this.#growthCase = growthCase
    this.#size = size
    this.#writer = writer
  }

  /** Starts the server, fills it and subscribes. */
  static async start (name: string, growthCase: GrowthCase, size: number): Promise<WatchedServer> {
    const server = await ServerProcess.start('noex-growth', {
      args: [name, String(size)], nodeOptions: ['--max-old-space-size=4096']
    })
    const writer = await Client.open(server.port)
    if (growthCase.isByUser === true) await request(writer, [login(WRITER)])
    const watched = new WatchedServer(server, growthCase, size, writer)
    const count = growthCase.watchers(size)
    const perConnection = growthCase.isByUser === true ? 1 : PER_CONNECTION
    for (let first = 0; first < count; first += perConnection) {
      await watched.#watch(first, Math.min(perConnection, count - first))
    }
    return watched
  }

  /**
   * Writes one record after the other, each when the push of the one before has arrived, and resolves when
   * the server has nothing left to do. @throws where a write has led to more pushes than one
   */
  async write ({ atMost, forMs }: Writes): Promise<Load> {
    const tookMs: number[] = []
    const before = { pushes: this.#pushes, bytes: this.#receivedBytes() }
    const until = performance.now() + forMs
    do {
      const took = await this.#writeOne()
      tookMs.push(took)
      if (took > SLOW_MS) await this.#quiet()
    } while (tookMs.length < atMost && performance.now() < until)
    await this.#quiet()
    const pushes = this.#pushes - before.pushes
    if (pushes !== tookMs.length) throw new Error(`${tookMs.length} writes have led to ${pushes} pushes`)
    this.bytesPerPush = (this.#receivedBytes() - before.bytes) / pushes
    return { operations: pushes, tookMs: [tookMs] }
  }

  /** Opens a connection with so many subscriptions. */
  async #watch (first: number, count: number): Promise<void> {
    const { isByUser, params } = this.#growthCase
    const watcher = await Client.open(this.server.port)
    if (isByUser === true) await request(watcher, [login(ownerOf(first))])
    await request(watcher, Array.from({ length: count }, (_, i) =>
      ({ type: 'store.subscribe', query: QUERY, params: params?.(first + i), delta: true })))
    watcher.onMessage = (bytes, start, end) => {
      if (!ownDialect.isPush(bytes, start)) {
        throw new Error(`expected a push, got ${bytes.toString('utf8', start, end)}`)
      }
      this.#pushes++
      this.#onPush()
    }
    this.#watchers.push(watcher)
  }

  async stop (): Promise<void> {
    for (const client of [this.#writer, ...this.#watchers]) client.reset()
    await this.server.stop()
  }

  /** Returns the milliseconds from the request to the push. */
  async #writeOne (): Promise<number> {
    const { key, data } = this.#growthCase.change(this.#writes++, this.#size)
    const pushed = new Promise<void>(resolve => { this.#onPush = resolve })
    const beganAt = performance.now()
    const answered = new Promise<void>((resolve, reject) => {
      this.#writer.onMessage = (bytes, start, end) => {
        if (ownDialect.kindOf(bytes, start, end, 1) === true) resolve()
        else reject(new Error(`expected a result, got ${bytes.toString('utf8', start, end)}`))
      }
    })
    this.#writer.send(maskedTextFrame(ownDialect.update(1, BUCKET, key, data)))
    await Promise.all([answered, pushed])
    return performance.now() - beganAt
  }

  /** Resolves when the server does nothing any more: what a write leads to may go on behind its push. */
  async #quiet (): Promise<void> {
    let { idleMs } = await this.server.read()
    for (;;) {
      await setTimeout(LOOK_EVERY_MS)
      const later = (await this.server.read()).idleMs
      if (later - idleMs >= IDLE_MS) return
      idleMs = later
    }
  }

  #receivedBytes (): number {
    return this.#watchers.reduce((sum, watcher) => sum + watcher.receivedBytes, 0)
  }
}

function login (token: string): object {
  return { type: 'auth.login', token }
}

/** Sends requests and resolves when all have their results. */
async function request (client: Client, requests: readonly object[]): Promise<void> {
  const ring = new FrameRing(requests.map((content, i) => JSON.stringify({ id: i + 1, ...content })))
  await runClosedLoop({
    clients: [client],
    requests: ring,
    inFlight: IN_FLIGHT,
    operations: requests.length,
    kindOf: (bytes, start, end, id) => ownDialect.kindOf(bytes, start, end, id)
  })
  client.onChunk = () => {}
}
