import { Duplex } from 'node:stream'
import type { Break } from './client.js'
import type { Life } from './event-loop.js'
import { loop } from './globals.js'
import type { Random } from './random.js'

/** The client's end of a connection. */
export interface ClientEnd {
  onData: (bytes: Buffer) => void
  /** The connection has ended, from either side. */
  onEnd: () => void
}

/**
 * One connection between a client and the server: bytes take time, come in pieces of any size, and wait on
 * the way as long as the other side does not read.
 */
export class Wire {
  /** The server's end. */
  readonly socket: ServerSocket
  readonly #random: Random
  readonly #client: ClientEnd
  readonly #toClient: Way
  readonly #toServer: Way
  readonly #serverLife: Life
  #isBroken = false

  constructor (random: Random, client: ClientEnd, serverLife: Life) {
    this.#random = random
    this.#client = client
    this.#serverLife = serverLife
    this.socket = new ServerSocket(this)
    this.#toServer = new Way(random, serverLife, bytes => this.socket.destroyed || this.socket.push(bytes))
    this.#toClient = new Way(random, 'outside', bytes => {
      client.onData(bytes)
      return true
    })
  }

  get isBroken (): boolean {
    return this.#isBroken
  }

  /** Whether bytes are on their way, or wait to be read. */
  get isBusy (): boolean {
    return !this.#isBroken && (this.#toClient.bytes > 0 || this.#toServer.bytes > 0)
  }

  /** Called by the client. */
  send (bytes: Buffer): void {
    if (!this.#isBroken) this.#toServer.add(bytes)
  }

  /** Stops reading on the client's side, or goes on. */
  read (isReading: boolean): void {
    if (isReading) this.#toClient.resume()
    else this.#toClient.pause()
  }

  /** Breaks the connection; bytes on their way are lost. */
  break (how: Break): void {
    if (this.#isBroken) return
    this.#isBroken = true
    this.#toClient.close()
    this.#toServer.close()
    const { socket } = this
    if (how !== 'silent') {
      loop.after(this.#random.next() * 5, () => {
        if (socket.destroyed) return
        if (how === 'end') socket.push(null)
        else socket.destroy(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }))
      }, this.#serverLife)
    }
    loop.after(0, () => { this.#client.onEnd() }, 'outside')
  }

  /** Called by the server's end. */
  write (bytes: Buffer, written: () => void): void {
    if (this.#isBroken) return
    this.#toClient.add(bytes, () => { loop.after(0, written, this.#serverLife) })
  }

  readMore (): void {
    this.#toServer.resume()
  }

  /** Called when the server's end has said all it will. */
  end (): void {
    this.#toClient.afterAll(() => {
      if (this.#isBroken) return
      this.#isBroken = true
      this.#toClient.close()
      this.#toServer.close()
      this.#client.onEnd()
      loop.after(0, () => { if (!this.socket.destroyed) this.socket.push(null) }, this.#serverLife)
    })
  }
}

/** The server's end of a connection, as `net.Socket` would be. */
export class ServerSocket extends Duplex {
  readonly #wire: Wire

  constructor (wire: Wire) {
    super({ allowHalfOpen: false, highWaterMark: 2_048 })
    this.#wire = wire
    this.on('error', () => {})
  }

  override _read (): void {
    this.#wire.readMore()
  }

  override _write (chunk: Buffer, _encoding: string, done: () => void): void {
    this.#wire.write(chunk, done)
  }

  override _writev (chunks: Array<{ readonly chunk: Buffer }>, done: () => void): void {
    this.#wire.write(Buffer.concat(chunks.map(({ chunk }) => chunk)), done)
  }

  override _final (done: () => void): void {
    this.#wire.end()
    done()
  }

  override _destroy (error: Error | null, done: (error: Error | null) => void): void {
    this.#wire.end()
    done(error)
  }
}

/** Bytes that the network and the kernels of both sides hold for one direction. */
const CAPACITY = 1_500

/** One direction of a connection. */
class Way {
  readonly #random: Random
  /** The life of those who take the bytes. */
  readonly #life: Life | 'outside'
  /** Takes bytes; returns whether more may come. */
  readonly #deliver: (bytes: Buffer) => boolean
  #parts: Buffer[] = []
  /** Writes that are taken over when there is room: the number of bytes that must be left, and the call. */
  #writes: Array<readonly [end: number, written: () => void]> = []
  #added = 0
  #delivered = 0
  #isPaused = false
  #hasAsked = false
  #isScheduled = false
  #isClosed = false
  #ended: (() => void) | undefined

  constructor (random: Random, life: Life | 'outside', deliver: (bytes: Buffer) => boolean) {
    this.#random = random
    this.#life = life
    this.#deliver = deliver
  }

  get bytes (): number {
    return this.#added - this.#delivered
  }

  add (bytes: Buffer, written?: () => void): void {
    this.#parts.push(bytes)
    this.#added += bytes.length
    if (written !== undefined) {
      if (this.bytes <= CAPACITY) written()
      else this.#writes.push([this.#added, written])
    }
    this.#schedule()
  }

  pause (): void {
    this.#isPaused = true
  }

  resume (): void {
    this.#hasAsked = true
    this.#isPaused = false
    this.#schedule()
  }

  close (): void {
    this.#isClosed = true
    this.#parts = []
    this.#writes = []
  }

  /** Calls `ended` when all bytes have been read. */
  afterAll (ended: () => void): void {
    this.#ended ??= ended
    this.#schedule()
  }

  #schedule (): void {
    if (this.#isScheduled || this.#isClosed || this.#isPaused) return
    if (this.bytes === 0 && this.#ended === undefined) return
    this.#isScheduled = true
    const delayMs = this.#random.chance(0.02) ? this.#random.next() * 200 : this.#random.next() * 3
    loop.after(delayMs, () => { this.#step() }, this.#life)
  }

  #step (): void {
    this.#isScheduled = false
    if (this.#isClosed || this.#isPaused) return
    if (this.bytes === 0) {
      const ended = this.#ended
      this.#ended = undefined
      ended?.()
      return
    }
    const all = Buffer.concat(this.#parts)
    const size = this.#random.chance(0.8) ? all.length : 1 + this.#random.below(all.length)
    this.#parts = size === all.length ? [] : [all.subarray(size)]
    this.#delivered += size
    // The taker may ask for more before it has answered, and the client stop reading.
    this.#hasAsked = false
    if (!this.#deliver(all.subarray(0, size)) && !this.#hasAsked) this.#isPaused = true
    while (this.#writes.length > 0) {
      const [end, written] = this.#writes[0] as readonly [number, () => void]
      if (end - this.#delivered > CAPACITY) break
      this.#writes.shift()
      written()
    }
    this.#schedule()
  }
}
