// A million mutated frames and handshakes against a service in a process of its own: it must not end, keep
// what it cannot use, or let others wait. Prints what it measures. MUTATIONS makes it shorter, SEED repeats
// one, RATE is how many a second are sent at most.
import { fork, type ChildProcess } from 'node:child_process'
import { on, once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import WebSocket from 'ws'
import type { ServerMessage } from './attacked-server.js'
import type { Attack, Outcome } from './mutation-driver.js'

const MUTATIONS = Number(process.env['MUTATIONS'] ?? 1_000_000)
const SEED = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)
const RATE = Number(process.env['RATE'] ?? 3_000)
/** The share of the mutations after which memory has found its size. */
const WARM_UP = 0.1
/**
 * The attack comes in parts, between which the same client is measured without it: the other work of the
 * machine meets both.
 */
const PARTS = MUTATIONS < 100_000 ? 3 : 8
/** How long honest requests are sent in between, as a share of the attack, and nothing at all. */
const HONEST = 0.35
const IDLE = 0.12
const MAX_GROWTH_MIB = 64
const MAX_SLOWDOWN = 2
/** A wait that a busy machine's scheduler makes by itself. */
const SCHEDULER_MS = 25
const MIB = 2 ** 20

type Figures = Extract<ServerMessage, { type: 'figures' }>
type Failure = Extract<ServerMessage, { type: 'failure' }>

function start (t: Test, file: string, ...execArgv: string[]): ChildProcess {
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), {
    execArgv: [...process.execArgv, ...execArgv]
  })
  t.teardown(() => { child.kill('SIGKILL') })
  return child
}

/** The service that is attacked. */
class Server {
  readonly #child: ChildProcess
  readonly failures: Failure[] = []
  exit: string | undefined
  port = 0

  constructor (t: Test) {
    this.#child = start(t, './attacked-server.js', '--expose-gc')
    this.#child.on(
      'message',
      (message: ServerMessage) => { if (message.type === 'failure') this.failures.push(message) }
    )
    this.#child.once('exit', (code, signal) => { this.exit = `ended with ${code ?? signal ?? ''}` })
  }

  async #next<Type extends ServerMessage['type']>(
    type: Type
  ): Promise<Extract<ServerMessage, { type: Type }>> {
    for await (const [message] of on(this.#child, 'message', { close: ['exit'] }) as AsyncIterable<
      [ServerMessage]
    >) {
      if (message.type === type) return message as Extract<ServerMessage, { type: Type }>
    }
    throw new Error(`the server ${this.exit ?? 'is gone'}`)
  }

  async listening (): Promise<void> {
    this.port = (await this.#next('listening')).port
  }

  async figures (): Promise<Figures> {
    const figures = this.#next('figures')
    this.#child.send('figures')
    return await figures
  }
}

/** Sends a request every ten milliseconds and notes how long the replies take. */
class MeasuredClient {
  readonly #socket: WebSocket
  #sentAt = new Map<number, number>()
  readonly #times = new Map<string, number[]>()
  #lastId = 0
  #timer: NodeJS.Timeout | undefined
  isClosed = false
  /** The load at the same time; the times are kept apart by it. */
  beside = ''

  constructor (port: number) {
    this.#socket = new WebSocket(`ws://127.0.0.1:${port}/live`)
    this.#socket.on('close', () => { this.isClosed = true })
    this.#socket.on('error', () => {})
    this.#socket.on('message', (data: Buffer) => {
      const { id, type, timestamp } = JSON.parse(data.toString()) as {
        id?: number
        type: string
        timestamp?: number
      }
      if (type === 'ping') this.#socket.send(JSON.stringify({ type: 'pong', timestamp }))
      const sentAt = this.#sentAt.get(id ?? 0)
      if (sentAt === undefined) return
      this.#sentAt.delete(id ?? 0)
      const times = this.#times.get(this.beside) ?? []
      this.#times.set(this.beside, times)
      times.push(performance.now() - sentAt)
    })
  }

  async open (): Promise<void> {
    await once(this.#socket, 'open')
    this.#socket.send(JSON.stringify({ id: 0, type: 'auth.login', token: 'admin' }))
    this.#timer = setInterval(() => {
      const id = ++this.#lastId
      this.#sentAt.set(id, performance.now())
      this.#socket.send(JSON.stringify({ id, type: 'store.get', bucket: 'items', key: 'taken' }))
    }, 10)
  }

  /** Requests without an answer so far. */
  get unanswered (): number {
    return this.#sentAt.size
  }

  /** How long answers took beside something, in milliseconds. */
  times (beside: string): {
    readonly count: number
    readonly p50: number
    readonly p99: number
    readonly max: number
  } {
    const times = [...this.#times.get(beside) ?? []].sort((a, b) => a - b)
    const at = (share: number): number =>
      times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? NaN
    return { count: times.length, p50: at(0.5), p99: at(0.99), max: at(1) }
  }

  close (): void {
    clearInterval(this.#timer)
    this.#socket.terminate()
  }
}

/** Has the driver attack, and resolves when that is over. */
async function attack (driver: ChildProcess, order: Attack): Promise<Outcome> {
  driver.send(order)
  const ended = once(driver, 'exit').then(() => { throw new Error('the driver has ended too early') })
  const [outcome] = await Promise.race([once(driver, 'message'), ended]) as [Outcome]
  ended.catch(() => {})
  return outcome
}

/** Adds up what the parts of an attack have come to. */
function sum (parts: readonly Outcome[]): Outcome {
  const add = (counts: ReadonlyArray<Readonly<Record<string, number>>>): Record<string, number> => {
    const all: Record<string, number> = {}
    for (const [name, count] of counts.flatMap(one => Object.entries(one))) {
      all[name] = (all[name] ?? 0) + count
    }
    return all
  }
  const {
    mutations = 0,
    handshakes = 0,
    connections = 0
  } = add(parts.map(({ mutations, handshakes, connections }) => ({ mutations, handshakes, connections })))
  return {
    mutations,
    handshakes,
    connections,
    outcomes: add(parts.map(({ outcomes }) => outcomes)) as Outcome['outcomes'],
    codes: add(parts.map(({ codes }) => codes)),
    replies: add(parts.map(({ replies }) => replies))
  }
}

const ms = (value: number): string => `${value.toFixed(2)} ms`
const summary = ({ p50, p99, max, count }: ReturnType<MeasuredClient['times']>): string =>
  `p50 ${ms(p50)}, p99 ${ms(p99)}, max ${ms(max)} of ${count}`

const timeout = MUTATIONS / RATE * 6_000 + 300_000

t.test(`${MUTATIONS} mutated frames and handshakes, seed ${SEED}`, { timeout }, async t => {
  const server = new Server(t)
  const driver = start(t, './mutation-driver.js')
  await server.listening()
  const measured = new MeasuredClient(server.port)
  t.teardown(() => { measured.close() })
  await measured.open()
  const order = { port: server.port, path: '/live', seed: SEED, rate: RATE, isHonest: false }

  // Code is compiled and memory is found while it is attacked for the first time.
  const warmUp = Math.ceil(MUTATIONS * WARM_UP)
  await attack(driver, { ...order, count: warmUp })
  const before = await server.figures()
  const began = performance.now()
  const parts: Outcome[] = []
  let attackedMs = 0
  for (let part = 1; part <= PARTS; part++) {
    const count = Math.ceil((MUTATIONS - warmUp) / PARTS)
    measured.beside = 'nothing'
    await sleep(count / RATE * 1_000 * IDLE)
    measured.beside = 'honest requests'
    await attack(driver, { ...order, count: Math.ceil(count * HONEST), isHonest: true })
    measured.beside = 'the attack'
    const partBegan = performance.now()
    parts.push(await attack(driver, { ...order, seed: SEED + part, count }))
    attackedMs += performance.now() - partBegan
    measured.beside = ''
    t.comment(
      `part ${part} of ${PARTS} after ${((performance.now() - began) / 1_000).toFixed(0)} s, ` +
        `${server.failures.length} failures`
    )
  }
  // Clients that have gone silent are ended within the server's own deadlines.
  let after = await server.figures()
  for (let i = 0; i < 20 && after.connections > 1; i++) {
    await sleep(500)
    after = await server.figures()
  }

  const outcome = sum(parts)
  const [idle, honest, attacked] = ['nothing', 'honest requests', 'the attack'].map(beside =>
    measured.times(beside)
  ) as [
    ReturnType<MeasuredClient['times']>,
    ReturnType<MeasuredClient['times']>,
    ReturnType<MeasuredClient['times']>
  ]
  const growth = (name: 'rss' | 'heapUsed' | 'external'): number => (after[name] - before[name]) / MIB
  t.comment(
    `seed ${SEED}; ${outcome.mutations} mutations (${outcome.handshakes} handshakes) after ${warmUp} to ` +
      `warm up, on ${outcome.connections} connections in ${(attackedMs / 1_000).toFixed(1)} s: ` +
      `${((outcome.mutations / attackedMs) * 1_000).toFixed(0)} a second; CPU time of the server ` +
      `${(after.cpuSeconds - before.cpuSeconds).toFixed(1)} s`
  )
  t.comment(`batches: ${JSON.stringify(outcome.outcomes)}`)
  t.comment(`answers: ${JSON.stringify(outcome.codes)}`)
  t.comment(`replies: ${JSON.stringify(outcome.replies)}`)
  t.comment(`round trip beside nothing: ${summary(idle)}`)
  t.comment(`round trip beside as many honest requests: ${summary(honest)}`)
  t.comment(`round trip beside the attack: ${summary(attacked)}`)
  t.comment(
    `p99 is ${(attacked.p99 / idle.p99).toFixed(2)} times that of an idle server, ` +
      `${(attacked.p99 / honest.p99).toFixed(2)} times that beside honest requests`
  )
  t.comment(
    `rss ${(before.rss / MIB).toFixed(1)} to ${(after.rss / MIB).toFixed(1)} MiB, heap ` +
      `${growth('heapUsed').toFixed(1)}, external ${growth('external').toFixed(1)} MiB more; ` +
      `${after.connections} connections, ${after.sockets} sockets left`
  )

  t.ok((outcome.replies['result'] ?? 0) > MUTATIONS / 100, 'the attack gets as far as the operations')
  t.equal(server.exit, undefined, 'the process is alive')
  t.same(
    server.failures.slice(0, 5),
    [],
    `every error was caught, none was logged as a failure of the service (${server.failures.length})`
  )
  t.notOk(measured.isClosed, 'the other client is connected')
  t.ok(
    measured.unanswered <= 3,
    `the other client has its answers, but for ${measured.unanswered} that are on their way`
  )
  t.equal(after.connections, 1, 'no other client is')
  t.equal(after.sockets, 1, 'and the server holds no other socket')
  t.ok(growth('rss') < MAX_GROWTH_MIB, `the process has grown by ${growth('rss').toFixed(1)} MiB`)
  t.ok(
    attacked.p99 < Math.max(MAX_SLOWDOWN * honest.p99, SCHEDULER_MS),
    `the other client waits ${(attacked.p99 / honest.p99).toFixed(2)} times as long as beside honest requests`
  )
})
