import { createClient, NoexClient, type Client, type Whoami } from '../client/index.js'
import { person } from './format.js'
import type { User } from './page.js'

/** The settings that the server has written into the page. */
export interface Settings {
  readonly socket: string
  readonly login: 'accounts' | 'token' | 'optional' | 'gateway' | 'none'
  readonly name: string
}

/** The fields of the login form. */
export type LoginFields =
  | { readonly username: string, readonly password: string }
  | { readonly secret: string }
  | { readonly token: string }

/** A client that is logged in as far as the server wants it. */
export interface Session {
  readonly client: Client
  readonly user: User
  /** Ends the session on the server where it has one, and the connection. */
  readonly end: () => Promise<void>
}

/** Reads the settings of the page. */
export function readSettings ({ dataset }: HTMLElement): Settings {
  const { socket = './', login = 'none', name = '' } = dataset
  return { socket, name, login: login as Settings['login'] }
}

/** Opens a session without a login, or with the token that the fields are or are exchanged for. */
export async function openSession (settings: Settings, fields?: LoginFields): Promise<Session> {
  const login = fields && await tokenFor(settings, fields)
  let token = login?.token
  const client: Client = createClient(settings.socket, {
    fallback: false,
    ...(token !== undefined && {
      getToken: async () => {
        // Called in an open connection, the session is about to end: one of accounts can be renewed.
        if (login?.isAccount === true && client.state.value === 'open') {
          token = (await client.request<{ readonly token: string }>('identity.refreshSession')).token
        }
        return token
      }
    })
  })
  try {
    await isOpen(client)
    const user = settings.login === 'none' ? anonymous : await whoIs(client, login?.name)
    return {
      client: token === undefined ? client : watched(client),
      user,
      end: async () => { await end(client) }
    }
  } catch (error) {
    client.close()
    throw error
  }
}

/** Returns the token to log in with: a password or a secret is sent once, and kept nowhere. */
async function tokenFor (
  { socket }: Settings, fields: LoginFields
): Promise<{ readonly token: string, readonly name?: string, readonly isAccount: boolean }> {
  if ('token' in fields) return { token: fields.token, isAccount: false }
  const client = new NoexClient(new URL(socket, location.href).href, { reconnect: false })
  try {
    await client.connect()
    const { token, user } = 'secret' in fields
      ? await client.identity.loginWithSecret(fields.secret)
      : await client.identity.login(fields.username, fields.password)
    return { token, name: user.displayName ?? user.username, isAccount: true }
  } finally {
    await client.disconnect()
  }
}

/** Resolves when the client can be used; rejects with the reason why the first attempt has failed. */
async function isOpen ({ state }: Client): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    let unsubscribe = (): void => {}
    const look = (): void => {
      if (state.value === 'connecting') return
      unsubscribe()
      if (state.value === 'open') resolve()
      else reject(state.error ?? new Error('There is no connection to the server.'))
    }
    unsubscribe = state.subscribe(look)
    look()
  })
}

/** The user where none logs in. */
const anonymous: User = { userId: undefined, name: undefined, roles: [] }

/** Least time between two attempts to find out whether the session is over, in milliseconds. */
const DOUBT_MS = 5_000

/** Returns the client, which logs in anew when the server says that there is no session. */
function watched (client: Client): Client {
  let triedAt = -Infinity
  const onError = (error: { readonly code?: string }): never => {
    if (error.code === 'UNAUTHORIZED' && performance.now() - triedAt > DOUBT_MS) {
      triedAt = performance.now()
      // Where the token is no good any more, this ends as `refused`, and the console asks for a login.
      client.reconnect()
    }
    throw error
  }
  const request: Client['request'] = async (...args): Promise<any> =>
    await client.request(...args).catch(onError)
  return { ...client, request }
}

async function whoIs (client: Client, name: string | undefined): Promise<User> {
  const { userId, roles = [] } = await client.request<Whoami>('auth.whoami')
  return { userId, roles, name: person({ userName: name, userId }) }
}

async function end (client: Client): Promise<void> {
  // Where that cannot be, the session ends with its time.
  await client.request('auth.logout', {}, { timeoutMs: 2_000 }).catch(() => {})
  client.close()
}
