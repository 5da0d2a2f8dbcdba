// The process that attacks: it sends mutated frames and handshakes to a port, at a steady rate at most, and
// tells what came of them.
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { mutatedFrame, mutatedHandshake, mutatedMessage, Random } from './mutations.js'
import { encodeFrame, textFrame } from '../support/web-socket-frame.js'
import { upgradeHeaders } from '../support/raw-socket.js'

/** The order that the driver carries out. */
export interface Attack {
  readonly port: number
  readonly path: string
  readonly seed: number
  readonly count: number
  /** Mutations a second that are not exceeded. */
  readonly rate: number
  /** Sends the requests as they are, so that it can be seen what the same load without hostility does. */
  readonly isHonest: boolean
}

/** The outcome of an attack. */
export interface Outcome {
  /** Mutations that the server has had the chance to read: what follows a violation does not count. */
  readonly mutations: number
  readonly handshakes: number
  readonly connections: number
  /** Batches that were answered, that ended the connection, and after which nothing came. */
  readonly outcomes: Readonly<Record<'answered' | 'closed' | 'silent', number>>
  /** Close codes and HTTP statuses of the server. */
  readonly codes: Readonly<Record<string, number>>
  /** Results, and errors by their codes. */
  readonly replies: Readonly<Record<string, number>>
}

const marker = textFrame({ id: 987_654_321, type: 'auth.whoami' })
const markerReply = Buffer.from('"id":987654321,')
/** Time after which a connection that says nothing is given up: half a frame lets a server wait. */
const SILENCE_MS = 25
const LANES = 6
const MAX_BATCH = 12

/** Requests that are right, and that reach into every part of the service. */
const requests: readonly object[] = [
  { type: 'store.insert', bucket: 'items', data: { name: 'x', n: 1 } },
  { type: 'store.insertMany', bucket: 'items', data: [{ name: 'x' }, { name: 'y', n: 2 }] },
  { type: 'store.upsert', bucket: 'items', data: { id: 'taken', n: 3 } },
  { type: 'store.update', bucket: 'items', key: 'taken', data: { n: 2 } },
  { type: 'store.increment', bucket: 'items', key: 'taken', field: 'n', by: 2 },
  { type: 'store.updateMany', bucket: 'items', filter: { name: 'y' }, data: { n: 2 } },
  { type: 'store.delete', bucket: 'notes', key: 'none' },
  { type: 'store.deleteMany', bucket: 'notes', filter: { item: { $in: ['a', 'b'] } } },
  { type: 'store.get', bucket: 'items', key: 'taken' },
  { type: 'store.where', bucket: 'items', filter: { $or: [{ name: 'x' }, { n: { $gt: 1, $lte: 5 } }] } },
  { type: 'store.findOne', bucket: 'items', filter: { name: { $regex: '^x' } } },
  { type: 'store.count', bucket: 'items', filter: { n: { $ne: null } } },
  { type: 'store.first', bucket: 'items', n: 3 },
  { type: 'store.paginate', bucket: 'items', limit: 2, after: 'taken' },
  { type: 'store.sum', bucket: 'items', field: 'n' },
  { type: 'store.groupBy', bucket: 'items', field: ['name'], aggregate: { function: 'sum', field: 'n' } },
  {
    type: 'store.transaction',
    operations: [
      { op: 'insert', bucket: 'items', data: { name: 'x' } },
      { op: 'get', bucket: 'items', key: 'taken' },
      { op: 'update', bucket: 'items', key: 'taken', data: { n: 9 } }
    ]
  },
  {
    type: 'store.defineBucket',
    name: 'fresh',
    config: {
      key: 'id',
      schema: {
        id: { type: 'string', generated: 'uuid' },
        t: { type: 'string', pattern: '^a+$', minLength: 1 }
      }
    }
  },
  { type: 'store.updateBucket', name: 'notes', updates: { indexes: ['item'] } },
  { type: 'store.getBucketSchema', bucket: 'items' },
  { type: 'store.dropBucket', name: 'fresh' },
  {
    type: 'store.defineQuery',
    name: 'mine',
    config: { bucket: 'items', filter: { name: '{{ params.name }}' } }
  },
  { type: 'store.subscribe', query: 'named', params: { name: 'x' } },
  { type: 'store.unsubscribe', subscriptionId: 'sub-1' },
  { type: 'store.listQueries' }, { type: 'store.buckets' }, { type: 'store.stats' },
  { type: 'rules.emit', topic: 'order.placed', data: { sku: 'A', n: 1 }, correlationId: 'c' },
  { type: 'rules.setFact', key: 'order:1:state', value: { open: true } },
  { type: 'rules.queryFacts', pattern: 'order:*:state' },
  {
    type: 'rules.registerRule',
    rule: {
      id: 'r',
      name: 'r',
      trigger: { type: 'event', topic: 'order.*' },
      conditions: [{ source: { type: 'event', field: 'n' }, operator: 'gte', value: 1 }],
      actions: [{ type: 'set_fact', key: 'order:2', value: { ref: 'event.n' } }]
    }
  },
  {
    type: 'rules.validateRule',
    rule: { id: 'v', name: 'v', trigger: { type: 'fact', pattern: 'a:*' }, actions: [] }
  },
  { type: 'rules.unregisterRule', ruleId: 'r' },
  { type: 'rules.subscribe', pattern: 'order.*' }, { type: 'rules.getRules' }, { type: 'rules.stats' },
  {
    type: 'procedures.register',
    procedure: {
      name: 'p',
      input: { a: { type: 'string' } },
      steps: [
        { action: 'store.where', bucket: 'items', filter: { name: '{{ input.a }}' }, as: 'found' },
        { action: 'return', value: '{{ found }}' }
      ]
    }
  },
  { type: 'procedures.call', name: 'p', input: { a: 'x' } },
  { type: 'procedures.get', name: 'p' }, { type: 'procedures.list' },
  { type: 'procedures.unregister', name: 'p' },
  { type: 'audit.query', filter: { operation: 'store.insert' }, limit: 5 },
  { type: 'server.stats' }, { type: 'server.connections' },
  { type: 'auth.whoami' }, { type: 'auth.login', token: 'clerk' }, { type: 'auth.logout' },
  { type: 'identity.login', username: 'a', password: 'b' },
  { type: 'pong', timestamp: 1 }, { type: 'no.such' }
].map((request, i) => ({ id: i + 1, ...request }))

/** Mutations that are under way at the same time; together they keep to the rate. */
class Driver {
  readonly #attack: Attack
  readonly #random: Random
  readonly #began = performance.now()
  readonly #outcomes = { answered: 0, closed: 0, silent: 0 }
  readonly #codes: Record<string, number> = {}
  readonly #replies: Record<string, number> = {}
  #mutations = 0
  #handshakes = 0
  #connections = 0

  constructor (attack: Attack) {
    this.#attack = attack
    this.#random = new Random(attack.seed)
  }

  get outcome (): Outcome {
    return {
      mutations: this.#mutations,
      handshakes: this.#handshakes,
      connections: this.#connections,
      outcomes: this.#outcomes,
      codes: this.#codes,
      replies: this.#replies
    }
  }

  async run (): Promise<void> {
    await Promise.all(Array.from({ length: LANES }, async () => { await this.#lane() }))
  }

  async #lane (): Promise<void> {
    while (this.#mutations < this.#attack.count) {
      if (!this.#attack.isHonest && this.#random.next() < 0.6) await this.#attackHandshake()
      else await this.#attackFrames()
    }
  }

  /** Waits until it is time for so many more mutations, and counts them. */
  async #take (count: number): Promise<void> {
    this.#mutations += count
    const early = this.#mutations / this.#attack.rate * 1_000 - (performance.now() - this.#began)
    if (early > 1) await sleep(early)
  }

  async #attackHandshake (): Promise<void> {
    await this.#take(1)
    this.#handshakes++
    const line = await this.#open()
    line.socket.write(mutatedHandshake(this.#random, this.#attack.path))
    await line.until(/\r\n\r\n/)
    this.#count(this.#codes, /^HTTP\/1\.1 (\d+)/.exec(line.received)?.[1] ?? 'no answer')
    line.end(this.#random)
  }

  async #attackFrames (): Promise<void> {
    const line = await this.#open()
    line.socket.write(
      `GET ${this.#attack.path} HTTP/1.1\r\nHost: localhost\r\n${upgradeHeaders.join('\r\n')}\r\n\r\n`
    )
    await line.until(/"welcome"[^}]*}/)
    if (this.#random.next() < 0.95) {
      line.socket.write(
        textFrame({ id: 0, type: 'auth.login', token: this.#random.next() < 0.7 ? 'admin' : 'clerk' })
      )
    }
    while (!line.isClosed && this.#mutations < this.#attack.count) {
      const frames = Array.from({ length: 1 + this.#random.below(MAX_BATCH) }, () =>
        this.#attack.isHonest
          ? textFrame(this.#random.pick(requests))
          : mutatedMessage(this.#random, requests)
      )
      if (!this.#attack.isHonest && this.#random.next() < 0.5) {
        frames.push(mutatedFrame(this.#random, requests))
      }
      await this.#take(frames.length)
      line.received = ''
      line.socket.write(Buffer.concat([...frames, marker]))
      const outcome = await line.until(markerPattern)
      this.#outcomes[outcome]++
      for (const [, type, code] of line.received.matchAll(/"type":"(?:(result)|error","code":"(\w+))"/g)) {
        this.#count(this.#replies, type ?? code as string)
      }
      if (outcome !== 'answered') break
    }
    this.#count(this.#codes, line.closeCode)
    line.end(this.#random)
  }

  #count (counts: Record<string, number>, name: string): void {
    counts[name] = (counts[name] ?? 0) + 1
  }

  async #open (): Promise<Line> {
    this.#connections++
    return await Line.open(this.#attack.port)
  }
}

const markerPattern = new RegExp(markerReply.toString())

/** One connection to the server. */
class Line {
  readonly socket: Socket
  received = ''
  isClosed = false
  #wake: () => void = () => {}

  private constructor (socket: Socket) {
    this.socket = socket
    socket.setEncoding('latin1')
    socket.on('data', chunk => {
      this.received += String(chunk)
      this.#wake()
    })
    const closed = (): void => {
      this.isClosed = true
      this.#wake()
    }
    socket.on('end', closed)
    socket.on('close', closed)
    socket.on('error', () => {})
  }

  static async open (port: number): Promise<Line> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    const line = new Line(socket)
    await new Promise<void>(resolve => {
      socket.once('connect', resolve)
      socket.once('close', resolve)
    })
    return line
  }

  /** Waits for a text. */
  async until (pattern: RegExp): Promise<'answered' | 'closed' | 'silent'> {
    let last = performance.now()
    while (!pattern.test(this.received)) {
      if (this.isClosed) return 'closed'
      const length = this.received.length
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, SILENCE_MS)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
      if (this.received.length > length) last = performance.now()
      else if (!this.isClosed && performance.now() - last >= SILENCE_MS) return 'silent'
    }
    return 'answered'
  }

  /** The code of a close frame at the end of what was received. */
  get closeCode (): string {
    if (!this.isClosed) return 'open'
    const tail = Buffer.from(this.received.slice(-127), 'latin1')
    for (let at = 0; at + 4 <= tail.length; at++) {
      if (tail[at] === 0x88 && tail[at + 1] === tail.length - at - 2) return String(tail.readUInt16BE(at + 2))
    }
    return 'no close frame'
  }

  /** Leaves in one of the ways in which clients leave. */
  end (random: Random): void {
    switch (random.below(3)) {
      case 0: this.socket.destroy(); break
      case 1: this.socket.resetAndDestroy(); break
      default:
        this.socket.end(encodeFrame(0x8))
        setTimeout(() => { this.socket.destroy() }, 1_000).unref()
    }
  }
}

process.on('message', (attack: Attack) => {
  const driver = new Driver(attack)
  driver.run().then(() => { process.send?.(driver.outcome) }, error => { throw error })
})
process.once('disconnect', () => { process.exit() })
