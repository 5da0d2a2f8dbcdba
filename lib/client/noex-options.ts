import { checkOptions, MILLISECONDS, mustBe, mustBeOneOf, TEXT } from './checks.js'
import type { NoexClientEvents, NoexClientOptions, ReconnectOptions } from './noex-types.js'

/** The options, checked, with their defaults; `reconnect` is false where no connection is made again. */
export interface ResolvedNoexOptions extends NoexClientOptions {
  readonly auth: NonNullable<NoexClientOptions['auth']>
  readonly reconnect: Required<ReconnectOptions> | false
  readonly heartbeat: boolean
  readonly requestTimeoutMs: number
  readonly connectTimeoutMs: number
}

const NATURAL = '0 or a greater number'

const kinds = {
  auth: 'an object { token } or { credentials }',
  reconnect: 'a boolean or an object',
  heartbeat: 'a boolean',
  WebSocket: 'a class (a function)',
  requestTimeoutMs: MILLISECONDS,
  connectTimeoutMs: MILLISECONDS
}

const authKinds = { token: TEXT, credentials: 'an object { username, password }' }

const reconnectKinds = {
  maxRetries: NATURAL,
  initialDelayMs: NATURAL,
  maxDelayMs: NATURAL,
  backoffMultiplier: NATURAL,
  jitterMs: NATURAL
}

/** The option `reconnect` with its defaults. */
export const reconnectDefaults: Required<ReconnectOptions> =
  { maxRetries: Infinity, initialDelayMs: 1_000, maxDelayMs: 30_000, backoffMultiplier: 2, jitterMs: 500 }

const events: Readonly<Record<keyof NoexClientEvents, true>> = {
  connected: true,
  disconnected: true,
  reconnecting: true,
  reconnected: true,
  error: true,
  welcome: true,
  session_revoked: true
}

/** Checks the options of a `NoexClient`. @throws `TypeError` that names one and says what it must be */
export function resolveNoexOptions (given: NoexClientOptions): ResolvedNoexOptions {
  const options = checkOptions('NoexClient', given, kinds)
  const { reconnect = true } = options
  const delays: ReconnectOptions = typeof reconnect === 'object' ? reconnect : {}
  const auth = checkOptions('NoexClient: auth', options.auth ?? {}, authKinds)
  if (auth.credentials) {
    mustBe('NoexClient: auth.credentials.username', auth.credentials.username, TEXT)
    mustBe('NoexClient: auth.credentials.password', auth.credentials.password, TEXT)
  }
  return {
    heartbeat: true,
    requestTimeoutMs: 10_000,
    connectTimeoutMs: 5_000,
    ...options,
    auth,
    reconnect: reconnect !== false &&
      { ...reconnectDefaults, ...checkOptions('NoexClient: reconnect', delays, reconnectKinds) }
  }
}

/** @throws `TypeError` for an event that there is not, or a handler that is no function */
export function checkHandler (event: unknown, handler: unknown): void {
  mustBe('on: event', event, TEXT)
  mustBeOneOf('on: there is no event', event as string, Object.keys(events))
  mustBe('on: handler', handler, 'a function')
}
