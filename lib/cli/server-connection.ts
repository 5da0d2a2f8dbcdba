import { readFileSync } from 'node:fs'
import { WebSocket } from 'ws'
import { createClient, NoexClient, type Client, type NoexClientError } from '../client/index.js'
import type { WebSocketClass } from '../client/types.js'
import { UsageError } from './command.js'
import type { Login } from './login.js'

/** The server that a command speaks to, and the login. */
export interface ServerAddress {
  readonly url: string
  readonly login: Login | undefined
  /** File with certificates of authorities to trust beside those of Node, as PEM. */
  readonly ca?: string | undefined
  /** Time to connect, and for a reply, in milliseconds. @default 10000 */
  readonly timeoutMs?: number | undefined
}

/** The largest message that a server may send, in bytes. */
const MAX_MESSAGE_BYTES = 268_435_456

/**
 * Opens a client, which connects by itself.
 * @throws {UsageError} for a wrong URL, or a file of certificates that cannot be read
 */
export function openClient ({ url, login, ca, timeoutMs }: ServerAddress): Client {
  const Socket = socketClass(ca)
  const getToken = login && (async () => {
    return login.secret === undefined ? await login.getInput() : await sessionOf(url, login.secret, Socket)
  })
  try {
    return createClient(url, {
      WebSocket: Socket,
      ...(getToken && { getToken }),
      ...(timeoutMs !== undefined && { timeoutMs, connectTimeoutMs: timeoutMs }),
      // Requests over HTTP do not take certificates of their own.
      ...(ca !== undefined && { fallback: false })
    })
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

/** Resolves when the client is connected and logged in. @throws the reason where the first attempt fails */
export async function connected ({ state }: Client): Promise<void> {
  let stop = (): void => {}
  await new Promise<void>((resolve, reject) => {
    const look = (): void => {
      if (state.value === 'open') resolve()
      if (state.value === 'waiting' || state.value === 'refused') reject(state.error)
    }
    stop = state.subscribe(look)
    look()
  }).finally(() => { stop() })
}

/** Whether the server itself has answered a request with this error. */
export function isRefusal ({ code }: NoexClientError): boolean {
  return !['TIMEOUT', 'DISCONNECTED', 'ABORTED', 'REFUSED', 'LOGIN_FAILED'].includes(code)
}

/** Returns the message of an error without the advice to call a function: there is none to call here. */
export function withoutCall (message: string): string {
  return message.replace(/: (remedy that|log in anew), then call reconnect\(\)$/, '')
}

/** Returns what to do about an error of the connection or the login. */
export function withAdvice ({ code, message }: NoexClientError, hasLogin: boolean): string {
  const reason = withoutCall(message)
  switch (code) {
    case 'UNKNOWN_OPERATION':
      return `the server does not know it: is it older than this command? (${reason})`
    case 'UNAUTHORIZED':
      return hasLogin
        ? `the server does not accept the login: ${reason}`
        : 'the server asks for a login: set NOEX_TOKEN, or see --help'
    case 'FORBIDDEN':
      return `this user may not ask: ${reason}`
    default:
      return reason
  }
}

/** Returns a URL without a name, a password and a query, which may be secrets. */
export function shownUrl (url: string): string {
  const { protocol, host, pathname } = new URL(url)
  return `${protocol}//${host}${pathname}`
}

function socketClass (caFile: string | undefined): WebSocketClass {
  const ca = caFile === undefined ? undefined : certificatesOf(caFile)
  return class extends WebSocket {
    constructor (url: string) {
      super(url, { maxPayload: MAX_MESSAGE_BYTES, ...(ca !== undefined && { ca }) })
    }
  }
}

function certificatesOf (file: string): string {
  const text = readFileSync(file, 'utf8')
  if (!text.includes('-----BEGIN CERTIFICATE-----')) {
    throw new UsageError(`--ca: ${file} has no certificate in PEM`)
  }
  return text
}

/** Logs in by the secret of the superadmin; resolves with the token of the session. */
async function sessionOf (url: string, secret: string, Socket: WebSocketClass): Promise<string> {
  const client = new NoexClient(url, { reconnect: false, WebSocket: Socket })
  try {
    await client.connect()
    return (await client.identity.loginWithSecret(secret)).token
  } finally {
    client.disconnect()
  }
}
