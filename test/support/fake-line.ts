import type { Environment } from '../../lib/client/environment.js'
import type { OpenTransport, Transport, TransportListener } from '../../lib/client/transport.js'
import { FakeClock } from './fake-clock.js'
// Loaded by now: a test waits for a turn, and not for a file.
import '../../lib/client/login.js'

/** A message of either side. */
export type LineMessage = Readonly<Record<string, any>>

/** The surroundings of a client, which change only when the test says so. */
export class FakeEnvironment implements Environment {
  readonly clock = new FakeClock()
  /** Tell that the network is back or the page is seen again, and that there is no network. */
  wake: () => void = () => {}
  goOffline: () => void = () => {}
  watchers = 0

  /** Never 0, as in life. */
  readonly now = (): number => this.clock.ticks() + 1

  readonly after = (delayMs: number, run: () => void): (() => void) => this.clock.after(delayMs, run)

  readonly watch = (onWake: () => void, onOffline: () => void): (() => void) => {
    this.watchers++
    this.wake = onWake
    this.goOffline = onOffline
    return () => { this.watchers-- }
  }
}

/** The server's end of one transport. */
export class FakeLine implements Transport {
  kind: Transport['kind'] = 'websocket'
  readonly sent: LineMessage[] = []
  isClosed = false
  readonly #listener: TransportListener

  constructor (listener: TransportListener) {
    this.#listener = listener
  }

  send (text: string): void {
    if (!this.isClosed) this.sent.push(JSON.parse(text))
  }

  close (): void {
    this.isClosed = true
  }

  /** Sends a message, or text as it is, to the client. */
  say (message: LineMessage | string): void {
    this.#listener.onMessage(typeof message === 'string' ? message : JSON.stringify(message))
  }

  welcome (members: LineMessage = {}): void {
    this.say({
      type: 'welcome',
      version: '1.0.0',
      serverTime: 1_764_000_000_000,
      requiresAuth: false,
      extensions: ['idempotency'],
      ...members
    })
  }

  /** Takes the requests that have been sent since, without pings and pongs. */
  requests (): LineMessage[] {
    return this.sent.splice(0).filter(({ type }) => !/^p[io]ng$/.test(type))
  }

  answer ({ id }: LineMessage, data: unknown = {}): void {
    this.say({ id, type: 'result', data })
  }

  refuse ({ id }: LineMessage, code: string, message = code, details?: unknown): void {
    this.say({ id, type: 'error', code, message, details })
  }

  /** Ends it from the server's side. */
  drop (code = 1006, reason = '', problem?: string): void {
    if (this.isClosed) return
    this.isClosed = true
    this.#listener.onClose(code, reason, problem)
  }
}

/** Transports that a test opens by hand, one after the other. */
export class FakeLines {
  readonly all: FakeLine[] = []

  readonly open: OpenTransport = listener => {
    const line = new FakeLine(listener)
    this.all.push(line)
    return line
  }

  /** The newest. */
  get last (): FakeLine {
    const line = this.all.at(-1)
    if (line === undefined) throw new Error('no transport has been opened')
    return line
  }
}
