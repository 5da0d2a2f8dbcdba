import {
  LiveConnection, LiveView, type LiveCounts, type LiveFrame, type LiveListener
} from '../support/live-client.js'
import type { Random } from './random.js'

/** How a connection breaks: the server hears of it at once, as of an end, or not at all. */
export type Break = 'reset' | 'end' | 'silent'

/** A connection to the server, of whichever kind. */
export interface Line {
  /** Whether messages are on their way, as far as that is known. */
  readonly isBusy: boolean
  send: (text: string) => void
  /** Stops reading, or goes on. */
  read: (isReading: boolean) => void
  break: (how: Break) => void
}

/** Hears what comes over a line. */
export interface LineEnd {
  onText: (text: string) => void
  /** Called once, when the line has ended from either side. */
  onEnd: () => void
}

/** The world of a client. */
export interface ClientWorld {
  readonly counts: LiveCounts
  /** Milliseconds since the start. */
  readonly now: number
  after: (delayMs: number, run: () => void) => void
  /** Ends the run with an error. */
  fail: (error: unknown) => void
  /** Connects to the server; `undefined` where there is none at the moment. */
  connect: (random: Random, end: LineEnd) => Line | undefined
  /** Makes a session with a token; resolves with whether there is one. */
  beginSession: (user: string, token: string) => Promise<boolean>
  /** Called when a client is told that all of its views show a state of at least this revision. */
  onRevision?: (client: WatchingClient, revision: number) => void
  /** Called with all that a client shows after a step. */
  onShown: (client: WatchingClient, views: readonly LiveView[], cause: LiveFrame) => void
}

/** Whether a failure tells all messages of the connection: `TRACE=1`. */
const hasWholeTrace = process.env['TRACE'] === '1'

/** A client that connects again whenever it has lost its connection, and resumes what it watches. */
export class WatchingClient implements LiveListener {
  readonly name: string
  readonly isDelta: boolean
  user: string
  /** The views that it watches, or wants to. */
  readonly views = new Set<LiveView>()
  /** Reasons for which subscriptions have ended or were refused. */
  readonly refusals = new Map<LiveView, string>()
  isLoggedIn = false
  /** The token of its last login. */
  session = ''
  isReading = true
  connection: LiveConnection | undefined
  /** Messages of the present connection. */
  readonly trace: string[] = []
  readonly #world: ClientWorld
  readonly #random: Random
  #line: Line | undefined
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
    if (this.connection === undefined || this.#line === undefined) return false
    return this.isLoggedIn && this.connection.waiting === 0 && !this.#line.isBusy
  }

  /** Whether it is quiet, and nothing is yet to come. */
  get isAtRest (): boolean {
    return this.isQuiet && this.connection?.isAwaitingNotice !== true
  }

  start (): void {
    this.#world.after(this.#random.next() * 20, () => { this.#connect() })
  }

  #connect (): void {
    if (this.#line !== undefined) return
    this.trace.length = 0
    const end: LineEnd = {
      onText: text => {
        this.#note('<', text)
        try {
          connection.receive(text)
        } catch (error) {
          this.#fail(error)
        }
      },
      onEnd: () => { if (this.#line === line) this.#lost() }
    }
    const line = this.#world.connect(this.#random, end)
    if (line === undefined) {
      this.#comeBack()
      return
    }
    const connection = new LiveConnection(text => {
      this.#note('>', text)
      line.send(text)
    }, this, this.#world.counts)
    this.#line = line
    this.connection = connection
    line.read(this.isReading)
    this.#begin(connection).catch(error => { this.#fail(error) })
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
    if (connection === undefined || this.#isLoggingIn) return
    this.#isLoggingIn = true
    const token = `${this.name} ${++this.#logins}`
    const hasSession = await this.#world.beginSession(user, token)
    if (this.connection !== connection) return
    // What comes after the reply is the user's.
    const onResult = (): void => {
      this.user = user
      this.session = token
    }
    const reply = hasSession
      ? await connection.request('auth.login', { token }, undefined, onResult)
      : undefined
    this.#isLoggingIn = false
    if (reply === undefined || reply['type'] === 'error') {
      this.break('end')
      return
    }
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
    }, error => { this.#fail(error) })
  }

  unsubscribe (view: LiveView): void {
    this.views.delete(view)
    if (view.state !== 'live') return
    this.connection?.unsubscribe(view).catch(error => { this.#fail(error) })
  }

  /** Sends a request of which only the reply matters. */
  send (type: string, fields: object): void {
    this.connection?.request(type, fields).then(reply => {
      const isFault = reply['code'] === 'INTERNAL_ERROR' && reply['details']?.reason !== 'store_unavailable'
      if (isFault) throw new Error(`the server has failed: ${JSON.stringify([type, fields, reply])}`)
    }).catch(error => { this.#fail(error) })
  }

  /** Stops reading, or goes on. */
  read (isReading: boolean): void {
    this.isReading = isReading
    this.#line?.read(isReading)
  }

  /** Loses the connection. */
  break (how: Break): void {
    this.#line?.break(how)
  }

  #lost (): void {
    this.#line = undefined
    this.connection = undefined
    this.isLoggedIn = this.#isLoggingIn = false
    for (const view of this.views) view.state = 'ended'
    this.#comeBack()
  }

  #comeBack (): void {
    const delayMs = this.#random.chance(0.2) ? this.#random.next() * 2_000 : this.#random.next() * 100
    this.#world.after(delayMs, () => { this.#connect() })
  }

  onShown (views: readonly LiveView[], cause: LiveFrame): void {
    this.#world.onShown(this, views, cause)
  }

  onRevision (revision: number): void {
    this.#world.onRevision?.(this, revision)
  }

  onEnded (view: LiveView, reason: string): void {
    this.refusals.set(view, reason)
    view.forget()
  }

  /** Returns an error that says where it has happened, with the last messages of the connection. */
  failure (error: unknown, view?: LiveView): Error {
    const cause = error instanceof Error ? error : new Error(String(error))
    const about = view === undefined ? '' : ` ${JSON.stringify(view.request)} (${view.subscriptionId})`
    const isOwn = (line: string): boolean => view === undefined || line.includes(view.subscriptionId ?? '-')
    const last = hasWholeTrace ? this.trace : this.trace.filter(isOwn).slice(-12)
    const message = `${this.name} (${this.user})${about}: ${cause.message}\n${last.join('\n')}`
    return new Error(message, { cause })
  }

  #fail (error: unknown): void {
    this.#world.fail(this.failure(error))
  }

  #note (direction: string, text: string): void {
    this.trace.push(`${this.#world.now.toFixed(3)} ${direction} ${text.slice(0, 1_500)}`)
    if (this.trace.length > 400) this.trace.splice(0, 200)
  }
}
