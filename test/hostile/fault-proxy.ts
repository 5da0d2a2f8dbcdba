import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { setImmediate, setTimeout } from 'node:timers/promises'
import type { Test } from 'tap'

/** Upstream is what the client sends, downstream what the server does. */
export type Direction = 'upstream' | 'downstream'

/**
 * A fault of the network in one direction. Times are milliseconds.
 * - `latency`: everything comes `delayMs` later, as much of it as before.
 * - `bandwidth`: no more than `bytesPerSecond` pass.
 * - `slicer`: the stream comes in pieces of at most `bytes`, each `delayMs` after the one before; 0: each in
 *   a turn of its own.
 * - `limit-data`: the connection ends, orderly, when `bytes` have passed since the toxic was added.
 * - `half-open`: nothing passes: both sockets stay, no matter what the other side does.
 * - `timeout`: nothing passes, and after `afterMs` the connection ends.
 * - `reset`: after `afterMs` both sockets are reset.
 */
export type Toxic =
  | { readonly type: 'latency', readonly delayMs: number }
  | { readonly type: 'bandwidth', readonly bytesPerSecond: number }
  | { readonly type: 'slicer', readonly bytes: number, readonly delayMs: number }
  | { readonly type: 'limit-data', readonly bytes: number }
  | { readonly type: 'half-open' }
  | { readonly type: 'timeout', readonly afterMs: number }
  | { readonly type: 'reset', readonly afterMs: number }

/** Bytes that a lane holds before it stops reading, so that the sender feels what the network does. */
const MAX_HELD_BYTES = 65_536

/** Waits, for 0 until other sockets have had their turn. */
async function pause (ms: number): Promise<void> {
  if (ms === 0) await setImmediate()
  else await setTimeout(ms, undefined, { ref: false })
}

/** One direction of one connection: takes from one socket and gives to the other, as the toxics want it. */
class Lane {
  readonly #from: Socket
  readonly #to: Socket
  readonly #toxics: Set<Toxic>
  readonly #end: (kind: 'end' | 'reset') => void
  readonly #held: Array<{ readonly chunk: Buffer, readonly at: number }> = []
  readonly #passed = new Map<Toxic, number>()
  readonly #timers = new Set<NodeJS.Timeout>()
  #heldBytes = 0
  #ended = false
  #wake: () => void = () => {}

  constructor (from: Socket, to: Socket, toxics: Set<Toxic>, end: (kind: 'end' | 'reset') => void) {
    this.#from = from
    this.#to = to
    this.#toxics = toxics
    this.#end = end
    from.on('data', (chunk: Buffer) => {
      this.#held.push({ chunk, at: performance.now() })
      this.#heldBytes += chunk.length
      if (this.#heldBytes >= MAX_HELD_BYTES) from.pause()
      this.#wake()
    })
    from.on('end', () => {
      this.#ended = true
      this.#wake()
    })
    for (const toxic of toxics) this.added(toxic)
    this.#run().catch(() => { end('reset') })
  }

  /** A toxic is there from now on. */
  added (toxic: Toxic): void {
    if (toxic.type !== 'reset' && toxic.type !== 'timeout') return
    const timer = globalThis.setTimeout(() => {
      if (this.#toxics.has(toxic)) this.#end(toxic.type === 'reset' ? 'reset' : 'end')
    }, toxic.afterMs)
    this.#timers.add(timer.unref())
  }

  /** A toxic is gone, or the connection is. */
  changed (): void {
    this.#wake()
    if (this.#to.destroyed) for (const timer of this.#timers) clearTimeout(timer)
  }

  #find<Type extends Toxic['type']> (type: Type): Extract<Toxic, { type: Type }> | undefined {
    return [...this.#toxics].find((toxic): toxic is Extract<Toxic, { type: Type }> => toxic.type === type)
  }

  async #run (): Promise<void> {
    while (this.#to.writable) {
      const next = this.#held[0]
      if (
        this.#find('half-open') !== undefined ||
        this.#find('timeout') !== undefined ||
        (next === undefined && !this.#ended)
      ) {
        await new Promise<void>(resolve => { this.#wake = resolve })
      } else if (next === undefined) {
        this.#to.end()
        return
      } else {
        const early = next.at + (this.#find('latency')?.delayMs ?? 0) - performance.now()
        if (early > 0) {
          await pause(early)
        } else {
          this.#held.shift()
          await this.#pass(next.chunk)
          this.#heldBytes -= next.chunk.length
          if (this.#heldBytes < MAX_HELD_BYTES) this.#from.resume()
        }
      }
    }
  }

  async #pass (chunk: Buffer): Promise<void> {
    for (let at = 0; at < chunk.length && this.#to.writable;) {
      const slicer = this.#find('slicer')
      const bandwidth = this.#find('bandwidth')
      const limit = this.#find('limit-data')
      const left = limit === undefined ? Infinity : limit.bytes - (this.#passed.get(limit) ?? 0)
      // A tenth of a second's worth at most, so that the rate is even.
      const piece = chunk.subarray(
        at,
        at +
          Math.min(
            slicer?.bytes ?? Infinity,
            left,
            bandwidth === undefined ? Infinity : Math.ceil(bandwidth.bytesPerSecond / 10)
          )
      )
      at += piece.length
      if (limit !== undefined) this.#passed.set(limit, (this.#passed.get(limit) ?? 0) + piece.length)
      if (piece.length > 0 && !this.#to.write(piece)) {
        await Promise.race([once(this.#to, 'drain'), once(this.#to, 'close')])
      }
      if (piece.length === left) {
        this.#end('end')
        return
      }
      if (slicer !== undefined) await pause(slicer.delayMs)
      if (bandwidth !== undefined) await pause(piece.length / bandwidth.bytesPerSecond * 1_000)
    }
  }
}

/** A TCP proxy in front of a server, and all that can go wrong on the way. */
export class FaultProxy {
  readonly #server: Server
  readonly #toxics = { upstream: new Set<Toxic>(), downstream: new Set<Toxic>() }
  readonly #links = new Set<Record<Direction, Lane> & { readonly end: (kind: 'end' | 'reset') => void }>()

  private constructor (targetPort: number) {
    this.#server = createServer(
      { allowHalfOpen: true, noDelay: true },
      client => { this.#link(client, targetPort) }
    )
  }

  /** Starts a proxy that ends with the test. */
  static async start (t: Test, targetPort: number): Promise<FaultProxy> {
    const proxy = new FaultProxy(targetPort)
    t.teardown(() => {
      proxy.#server.close()
      proxy.reset()
    })
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  get port (): number {
    return (this.#server.address() as AddressInfo).port
  }

  get url (): string {
    return `ws://127.0.0.1:${this.port}`
  }

  /** Connections that are open on at least one side. */
  get size (): number {
    return this.#links.size
  }

  /** Adds a toxic to connections that are open and to those that will be. Returns what takes it away. */
  add (direction: Direction, toxic: Toxic): () => void {
    const toxics = this.#toxics[direction]
    toxics.add(toxic)
    for (const link of this.#links) link[direction].added(toxic)
    return () => {
      toxics.delete(toxic)
      for (const link of this.#links) link[direction].changed()
    }
  }

  /** Resets all connections now. */
  reset (): void {
    for (const link of this.#links) link.end('reset')
  }

  #link (client: Socket, targetPort: number): void {
    const server = connect({ port: targetPort, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    const sockets = [client, server]
    const end = (kind: 'end' | 'reset'): void => {
      for (const socket of sockets) {
        if (kind === 'reset') socket.resetAndDestroy()
        else socket.destroySoon()
      }
    }
    const link = {
      upstream: new Lane(client, server, this.#toxics.upstream, end),
      downstream: new Lane(server, client, this.#toxics.downstream, end),
      end
    }
    this.#links.add(link)
    for (const socket of sockets) {
      socket.on('error', () => {})
      socket.on('close', isBroken => {
        if (sockets.every(({ destroyed }) => destroyed)) this.#links.delete(link)
        // An orderly end goes the way of the data.
        else if (isBroken && !this.#isSilent) end('reset')
        link.upstream.changed()
        link.downstream.changed()
      })
    }
  }

  /** Whether one side does not hear of the end of the other. */
  get #isSilent (): boolean {
    return [...this.#toxics.upstream, ...this.#toxics.downstream].some(({ type }) => type === 'half-open')
  }
}
