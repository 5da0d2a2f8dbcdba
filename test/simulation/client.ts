import { LiveConnection, LiveView, type LiveCounts, type LiveFrame, type LiveListener } from '../support/live-client.js'
import { closeFrame, textFrame } from '../support/web-socket-frame.js'
import { FrameReader } from './frames.js'
import { loop } from './globals.js'
import type { Break, Wire } from './network.js'
import type { Random } from './random.js'
import type { SimulatedServer } from './server.js'


/** What a client has to do with. */
export interface ClientWorld {
  /** The process that serves at the moment, where there is one. */
  readonly server: SimulatedServer | undefined
  readonly counts: LiveCounts
  /** Called with all that a client shows after a step. */
  readonly onShown: (client: SimulatedClient, views: readonly LiveView[], cause: LiveFrame) => void
}

/** A client that connects again whenever it has lost its connection, and resumes what it watches. */
export class SimulatedClient implements LiveListener {
  readonly name: string
  readonly isDelta: boolean
  user: string
  /** What it watches, or wants to. */
  readonly views = new Set<LiveView>()
  /** Reasons for which subscriptions have ended or were refused. */
  readonly refusals = new Map<LiveView, string>()
  isLoggedIn = false
  isReading = true
  connection: LiveConnection | undefined
  /** Messages of the present connection. */
  readonly trace: string[] = []
  readonly #world: ClientWorld
  readonly #random: Random
  #wire: Wire | undefined
  #isLoggingIn = false
  #logins = 0

  constructor (name: string, user: string, isDelta: boolean, world: ClientWorld, random: Random) {
    this.name = name
    this.user = user
    this.isDelta = isDelta
    this.#world = world
    this.#random = random
  }

  /** Whether it has a connection on which nothing is under way. */
  get isQuiet (): boolean {
    if (this.connection === undefined || this.#wire === undefined) return false
    return this.isLoggedIn && this.connection.waiting === 0 && !this.#wire.isBusy
  }

  start (): void {
    loop.after(this.#random.next() * 20, () => { this.#connect() }, 'outside')
  }

  #connect (): void {
    const { server } = this.#world
    if (this.#wire !== undefined) return
    if (server === undefined || server.life.isOver) {
      this.#comeBack()
      return
    }
    this.trace.length = 0
    const reader = new FrameReader(text => {
      this.#note('<', text)
      connection.receive(text)
    }, code => {
      this.#note('<', `close ${code}`)
      this.#wire?.send(closeFrame(code === 1005 ? 1000 : code))
    })
    const wire = server.connect(this.#random, {
      onData: bytes => {
        try {
          reader.take(bytes)
        } catch (error) {
          loop.fail(this.failure(error))
        }
      },
      onEnd: () => {
        server.forget(wire)
        if (this.#wire === wire) this.#lost()
      }
    })
    const connection = new LiveConnection(text => {
      this.#note('>', text)
      wire.send(textFrame(text))
    }, this, this.#world.counts)
    this.#wire = wire
    this.connection = connection
    wire.isReading = this.isReading
    this.#begin(connection).catch(error => { loop.fail(this.failure(error)) })
  }

  async #begin (connection: LiveConnection): Promise<void> {
    await connection.welcomed()
    await this.logIn(this.user)
    if (this.connection !== connection) return
    for (const view of [...this.views]) this.subscribe(view)
  }

  /** Logs in as a user; where the server does not take it now, the connection is given up. */
  async logIn (user: string): Promise<void> {
    const { connection } = this
    const { server } = this.#world
    if (connection === undefined || server === undefined || this.#isLoggingIn) return
    this.#isLoggingIn = true
    const token = `${this.name} ${++this.#logins}`
    const hasSession = await server.beginSession(user, token)
    if (this.connection !== connection) return
    const reply = hasSession ? await connection.request('auth.login', { token }) : undefined
    this.#isLoggingIn = false
    if (reply === undefined || reply['type'] === 'error') {
      this.break('end')
      return
    }
    this.user = user
    this.isLoggedIn = true
  }

  async logOut (): Promise<void> {
    this.isLoggedIn = false
    await this.connection?.request('auth.logout')
    // A login may have been answered meanwhile.
    this.isLoggedIn = false
  }

  /** Subscribes a view, unless it is subscribed. */
  subscribe (view: LiveView): void {
    this.views.add(view)
    const { connection } = this
    if (connection === undefined || view.state !== 'ended') return
    this.refusals.delete(view)
    connection.subscribe(view).then(reply => {
      if (reply['type'] !== 'error') return
      this.refusals.set(view, reply['code'])
      // What was shown may not be shown any more.
      view.forget()
    }, error => { loop.fail(this.failure(error)) })
  }

  unsubscribe (view: LiveView): void {
    this.views.delete(view)
    if (view.state !== 'live') return
    this.connection?.unsubscribe(view).catch(error => { loop.fail(this.failure(error)) })
  }

  /** Sends a request of which only the reply matters. */
  send (type: string, fields: object): void {
    this.connection?.request(type, fields).then(reply => {
      const isFault = reply['code'] === 'INTERNAL_ERROR' && reply['details']?.reason !== 'store_unavailable'
      if (isFault) throw new Error(`the server has failed: ${JSON.stringify([type, fields, reply])}`)
    }).catch(error => { loop.fail(this.failure(error)) })
  }

  /** Stops reading, or goes on. */
  read (isReading: boolean): void {
    this.isReading = isReading
    if (this.#wire !== undefined) this.#wire.isReading = isReading
  }

  /** Loses the connection. */
  break (how: Break): void {
    this.#wire?.break(how)
  }

  #lost (): void {
    this.#wire = undefined
    this.connection = undefined
    this.isLoggedIn = this.#isLoggingIn = false
    for (const view of this.views) view.state = 'ended'
    this.#comeBack()
  }

  #comeBack (): void {
    const delayMs = this.#random.chance(0.2) ? this.#random.next() * 2_000 : this.#random.next() * 100
    loop.after(delayMs, () => { this.#connect() }, 'outside')
  }

  onShown (views: readonly LiveView[], cause: LiveFrame): void {
    this.#world.onShown(this, views, cause)
  }

  onEnded (view: LiveView, reason: string): void {
    this.refusals.set(view, reason)
    view.forget()
  }

  /** Returns an error that says where it has happened, with the last messages of the connection. */
  failure (error: unknown, view?: LiveView): Error {
    const about = view === undefined ? '' : ` ${JSON.stringify(view.request)} (${view.subscriptionId})`
    const own = view === undefined ? this.trace : this.trace.filter(line => line.includes(view.subscriptionId ?? '-'))
    const cause = error instanceof Error ? error : new Error(String(error))
    if (process.env['TRACE'] !== undefined) own.unshift(...this.trace.splice(0))
    return new Error(
      `${this.name} (${this.user})${about}: ${cause.message}\n${own.slice(process.env['TRACE'] === undefined ? -12 : 0).join('\n')}`, { cause }
    )
  }

  #note (direction: string, text: string): void {
    this.trace.push(`${loop.now.toFixed(3)} ${direction} ${text.slice(0, 1_500)}`)
    if (this.trace.length > 400) this.trace.splice(0, 200)
  }
}
