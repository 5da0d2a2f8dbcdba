import { Client } from '../driver/client.js'
import { runClosedLoop } from '../driver/closed-loop.js'
import { alternate } from '../driver/rounds.js'
import { isPush, isResultOf } from '../driver/reply.js'
import { ServerProcess } from '../driver/server-process.js'
import { BOARD_ROWS } from '../workload/records.js'
import { boardUpdates, subscribe } from '../workload/requests.js'
import { compareCosts, type Row } from './row.js'

const SUBSCRIBERS = 500
const ROUNDS = 9
const UPDATES = 10

/** Measures a push: one client changes a row of a live query with 20 rows, and 500 others hear of it. */
export async function fanOut (): Promise<Row[]> {
  const servers = { bare: await ServerProcess.start('bare-ws'), noex: await ServerProcess.start('noex') }
  const audiences = new Map<ServerProcess, Audience>()
  for (const server of Object.values(servers)) audiences.set(server, await Audience.gather(server))

  const counts: Row[] = []
  const noex = audiences.get(servers.noex) as Audience
  counts.push(await evaluationsPerChange(servers.noex, noex))
  for (const audience of audiences.values()) await audience.growTo(SUBSCRIBERS)
  counts.push(await evaluationsPerChange(servers.noex, noex))

  const cost = await alternate(servers, { warmUp: 1, rounds: ROUNDS }, async server => ({
    operations: UPDATES * SUBSCRIBERS,
    tookMs: await (audiences.get(server) as Audience).watch(UPDATES)
  }))

  for (const audience of audiences.values()) audience.reset()
  await Promise.all(Object.values(servers).map(async server => { await server.stop() }))
  return [
    compareCosts(`fan-out, a push to ${SUBSCRIBERS} × ${BOARD_ROWS} rows`, cost.bare, cost.noex, 1.2),
    ...counts
  ]
}

async function evaluationsPerChange (server: ServerProcess, audience: Audience): Promise<Row> {
  const before = await server.read()
  await audience.watch(UPDATES)
  const after = await server.read()
  return {
    name: `query runs a change, ${audience.size} subscriber${audience.size === 1 ? '' : 's'}`,
    unit: 'runs',
    noex: (after.evaluations - before.evaluations) / UPDATES,
    target: { exactly: 1 }
  }
}

/** The subscribers of the board on one server, and the client that changes it. */
class Audience {
  readonly #server: ServerProcess
  readonly #writer: Client
  readonly #updates = boardUpdates()
  readonly #subscribers: Client[] = []
  #delivered = (): void => {}

  private constructor (server: ServerProcess, writer: Client) {
    this.#server = server
    this.#writer = writer
  }

  /** Starts with a writer and one subscriber. */
  static async gather (server: ServerProcess): Promise<Audience> {
    const audience = new Audience(server, await Client.open(server.port))
    await audience.growTo(1)
    return audience
  }

  get size (): number {
    return this.#subscribers.length
  }

  async growTo (size: number): Promise<void> {
    while (this.#subscribers.length < size) {
      const client = await Client.open(this.#server.port)
      await runClosedLoop({ clients: [client], requests: subscribe, inFlight: 1, operations: 1 })
      client.onChunk = () => {}
      client.onMessage = (bytes, start, end) => {
        if (!isPush(bytes, start)) {
          throw new Error(`expected a push, got ${bytes.toString('utf8', start, end)}`)
        }
        this.#delivered()
      }
      this.#subscribers.push(client)
    }
  }

  /**
   * Makes changes, each when every subscriber has heard of the one before, and returns the milliseconds from
   * change to push.
   */
  async watch (updates: number): Promise<Float64Array[]> {
    const tookMs = new Float64Array(updates * this.size)
    let delivered = 0
    for (let i = 0; i < updates; i++) {
      const changedAt = performance.now()
      const all = new Promise<void>(resolve => {
        this.#delivered = () => {
          tookMs[delivered++] = performance.now() - changedAt
          if (delivered === (i + 1) * this.size) resolve()
        }
      })
      await Promise.all([this.#change(i), all])
    }
    return [tookMs]
  }

  async #change (index: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#writer.onMessage = (bytes, start, end) => {
        if (isResultOf(bytes, start, index + 1)) resolve()
        else reject(new Error(`expected a result, got ${bytes.toString('utf8', start, end)}`))
      }
      this.#writer.send(this.#updates.at(index))
    })
  }

  reset (): void {
    for (const client of [this.#writer, ...this.#subscribers]) client.reset()
  }
}
