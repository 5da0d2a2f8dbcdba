import WebSocket from 'ws'
import { LiveView, noCounts } from '../support/live-client.js'
import { WatchingClient, type ClientWorld, type Line, type LineEnd } from '../simulation/client.js'
import type { StateAt } from '../simulation/history.js'
import { isRightAtRest } from '../simulation/oracle.js'
import { randomRequest } from '../simulation/queries.js'
import { Random } from '../simulation/random.js'
import { ROOT, users } from '../simulation/rights.js'

/** Where the clients of a fleet find their server. */
export interface FleetServer {
  /** `undefined` while it does not run. */
  readonly url: string | undefined
  beginSession: (user: string, token: string) => Promise<boolean>
}

/** Clients over real sockets, which come back and resume whenever they have lost their connection. */
export class LiveFleet implements ClientWorld {
  readonly counts = noCounts()
  readonly clients: readonly WatchingClient[]
  /** The first fault that a client has found. */
  fault: unknown
  compared = 0
  readonly #server: FleetServer
  readonly #random: Random
  readonly #views: number
  #isStopped = false

  constructor (server: FleetServer, seed: number, { clients, views }: { clients: number, views: number }) {
    this.#server = server
    this.#random = new Random(seed, 'fleet')
    this.#views = views
    this.clients = Array.from({ length: clients }, (_, i) => {
      const user = i % 5 === 0 ? ROOT : users[i % users.length] as string
      return new WatchingClient(`client-${i}`, user, i % 6 !== 5, this, new Random(seed, `client ${i}`))
    })
  }

  start (): void {
    for (const client of this.clients) client.start()
  }

  /** Has each client watch as much as it may. */
  watch (): void {
    for (const client of this.clients) {
      while (client.connection !== undefined && client.views.size < this.#views) {
        client.subscribe(new LiveView(randomRequest(this.#random, client.isDelta), client.isDelta))
      }
    }
  }

  get now (): number {
    return performance.now()
  }

  after (delayMs: number, run: () => void): void {
    if (!this.#isStopped) setTimeout(run, delayMs)
  }

  /** Ends all connections for good. */
  stop (): void {
    this.#isStopped = true
    for (const client of this.clients) client.break('reset')
  }

  fail (error: unknown): void {
    this.fault ??= error
  }

  connect (_random: Random, end: LineEnd): Line | undefined {
    const { url } = this.#server
    if (url === undefined) return undefined
    const ws = new WebSocket(url)
    ws.on('message', data => { end.onText(String(data)) })
    ws.on('error', () => {})
    ws.on('close', () => { end.onEnd() })
    let isReading = true
    const early: string[] = []
    const apply = (): void => {
      if (ws.readyState === WebSocket.CONNECTING) return
      if (isReading) ws.resume()
      else ws.pause()
    }
    ws.on('open', () => {
      for (const text of early) ws.send(text)
      apply()
    })
    return {
      isBusy: false,
      send: text => {
        if (ws.readyState === WebSocket.OPEN) ws.send(text)
        else early.push(text)
      },
      read: wanted => {
        isReading = wanted
        apply()
      },
      break: how => {
        if (how === 'end') ws.close()
        else ws.terminate()
      }
    }
  }

  async beginSession (user: string, token: string): Promise<boolean> {
    return await this.#server.beginSession(user, token)
  }

  onShown (): void {}

  /** Subscribes again what has ended, logs in, and reads. */
  comeToRest (): void {
    for (const client of this.clients) {
      client.read(true)
      if (client.connection !== undefined && !client.isLoggedIn && client.connection.waiting === 0) {
        client.logIn(client.user).catch(error => { this.fail(error) })
      }
      if (client.isQuiet) for (const view of client.views) client.subscribe(view)
    }
  }

  /** The clients that are not at rest, with the last messages of each. */
  get restless (): string[] {
    return this.clients.filter(({ isQuiet }) => !isQuiet).map(client => {
      const state = client.connection === undefined
        ? 'not connected'
        : `${client.isLoggedIn ? '' : 'not '}logged in, ${client.connection.waiting} requests wait`
      return client.failure(new Error(state)).message
    })
  }

  /** Returns what views show that they should not at one state; `undefined` before all is at rest. */
  async differences (state: StateAt): Promise<readonly Error[] | undefined> {
    if (this.clients.some(({ isQuiet }) => !isQuiet)) return undefined
    const different: Error[] = []
    this.compared = 0
    for (const client of this.clients) {
      for (const view of client.views) {
        this.compared++
        if (await isRightAtRest(client, view, state)) continue
        different.push(client.failure(new Error(`${view.state}: ${JSON.stringify(view.data)}`), view))
      }
    }
    return different
  }
}
