import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'

/** A fault of a connection through the relay. */
export type RelayFault =
  /** Both ends are reset. */
  | 'cut'
  /** Nothing passes any more, and neither end is told. */
  | 'stall'
  /** The server hears the client, and no answer comes back; neither end is told. */
  | 'half-open'

/** One connection: from the client, and to the server. */
type Pair = readonly [client: Socket, server: Socket]

/** A network between clients and a server on this machine, which fails when the test says so. */
export class Relay {
  /** New connections are reset. */
  isDown = false
  /** Connections that were accepted. */
  accepted = 0
  readonly port: number
  readonly #server: Server
  readonly #pairs = new Set<Pair>()
  readonly #working = new Set<Pair>()

  private constructor (server: Server, target: number) {
    this.#server = server
    this.port = (server.address() as AddressInfo).port
    server.on('connection', client => {
      if (this.isDown) {
        client.resetAndDestroy()
        return
      }
      this.accepted++
      const pair: Pair = [client, connect(target, '127.0.0.1')]
      this.#pairs.add(pair)
      this.#working.add(pair)
      for (const [index, socket] of pair.entries()) {
        const other = pair[1 - index] as Socket
        socket.setNoDelay(true)
        socket.on('error', () => {})
        socket.on('close', () => {
          this.#pairs.delete(pair)
          this.#working.delete(pair)
          other.destroy()
        })
        socket.pipe(other)
      }
    })
  }

  static async start (target: number): Promise<Relay> {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new Relay(server, target)
  }

  /** Connections that are open at the moment. */
  get open (): number {
    return this.#pairs.size
  }

  /** Connections that are open, and that nothing has been done to. */
  get working (): number {
    return this.#working.size
  }

  /** Does this to one of the working connections, `index` from the oldest on, or to all of them. */
  fail (fault: RelayFault, index?: number): void {
    const pairs = [...this.#working]
    for (const pair of index === undefined ? pairs : pairs.slice(index, index + 1)) {
      const [client, server] = pair
      this.#working.delete(pair)
      if (fault === 'cut') {
        client.resetAndDestroy()
        server.resetAndDestroy()
        continue
      }
      server.unpipe(client).pause()
      if (fault === 'stall') client.unpipe(server).pause()
    }
  }

  async stop (): Promise<void> {
    for (const [client] of this.#pairs) client.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }
}
