import type { Test } from 'tap'
import WebSocket from 'ws'
import { LiveConnection, LiveView, type LiveFrame, type LiveRequest } from './live-client.js'
import { until } from './until.js'

/** A strict client of live queries over a socket, which keeps what it is sent. */
export class LiveSocket {
  readonly ws: WebSocket
  readonly connection: LiveConnection
  /** Pushes, in the order of their arrival. */
  readonly pushes: LiveFrame[] = []
  /** Ids and reasons of the subscriptions that the server has ended. */
  readonly ends: Array<readonly [view: LiveView, reason: string]> = []
  /** Revisions that all views show, as the server says, in the order of their arrival. */
  readonly notices: number[] = []
  /** The results that each step has shown, by view. */
  readonly shown = new Map<LiveView, unknown[]>()
  /** The first message that the protocol does not allow. */
  #violation: unknown

  private constructor (ws: WebSocket) {
    this.ws = ws
    this.connection = new LiveConnection(text => { ws.send(text) }, {
      onShown: views => {
        for (const view of views) this.shown.set(view, [...this.shown.get(view) ?? [], view.data])
      },
      onEnded: (view, reason) => { this.ends.push([view, reason]) },
      onRevision: revision => { this.notices.push(revision) }
    })
    ws.on('message', data => {
      const text = String(data)
      const frame = JSON.parse(text) as LiveFrame
      if (frame['type'] === 'push') this.pushes.push(frame)
      try {
        this.connection.receive(text)
      } catch (error) {
        this.#violation ??= error
      }
    })
    ws.on('error', () => {})
  }

  /** Connects; the connection closes with the test, which fails where a message was not allowed. */
  static async open (t: Test, url: string): Promise<LiveSocket> {
    const socket = new LiveSocket(new WebSocket(url))
    t.teardown(() => {
      socket.ws.terminate()
      socket.assertAllowed()
    })
    await socket.connection.welcomed()
    return socket
  }

  assertAllowed (): void {
    if (this.#violation !== undefined) throw this.#violation
  }

  /** Sends a request; returns the data of its result. Rejects when the reply is an error. */
  async ask (type: string, fields: object = {}): Promise<any> {
    const reply = await this.connection.request(type, fields)
    this.assertAllowed()
    if (reply['type'] !== 'result') throw new Error(`${type}: ${JSON.stringify(reply)}`)
    return reply['data']
  }

  /** Subscribes with deltas, or without. Rejects when the reply is an error. */
  async watch (request: LiveRequest, isDelta = true): Promise<LiveView> {
    const view = new LiveView(request, isDelta)
    await this.resume(view)
    return view
  }

  /** Subscribes a view, of another connection maybe, from what it shows; returns the data of the reply. */
  async resume (view: LiveView): Promise<any> {
    const reply = await this.connection.subscribe(view)
    this.assertAllowed()
    if (reply['type'] !== 'result') throw new Error(JSON.stringify(reply))
    return reply['data']
  }

  /** Waits until something holds; fails at once for a message that is not allowed. */
  async until (holds: () => boolean | Promise<boolean>): Promise<void> {
    await until(async () => {
      this.assertAllowed()
      return await holds()
    })
  }

  /** Resolves when pushes of earlier changes have arrived. */
  async settled (): Promise<void> {
    await this.connection.request('store.buckets')
    await this.connection.request('store.buckets')
  }

  /** Ends the connection without a word. */
  drop (): void {
    this.ws.terminate()
  }
}

/** Returns the keys of the rows that a view shows, in their order. */
export function keysShown (view: LiveView, key = 'id'): unknown[] {
  return (view.data as ReadonlyArray<Readonly<Record<string, unknown>>>).map(row => row[key])
}
