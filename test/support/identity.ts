import { createHash, randomBytes, scryptSync } from 'node:crypto'
import type { Test } from 'tap'
import type { BuiltInAuth, NoexOptions } from '../../lib/index.js'
import type { TestClient } from './client.js'
import { serve, type Served, type ServeSettings } from './service.js'

export const ADMIN_SECRET = 'the admin secret of the tests'

/** The password of every user that these helpers make. */
export const PASSWORD = 'correct horse battery staple'

const salt = randomBytes(16)
const derivedKey = scryptSync(PASSWORD, salt, 64, { N: 16_384, r: 8, p: 1 })

/** A hash of PASSWORD as `@hamicek/noex-server` keeps it: weak, quick to check, renewed at login. */
export const passwordHash = `$scrypt$16384$8$1$${salt.toString('base64')}$${derivedKey.toString('base64')}`

export interface Accounts extends Served {
  /** Opens a client that is the superadmin. */
  readonly superadmin: () => Promise<TestClient>
  /** Makes a user with these roles, as the application could, and returns its id. */
  readonly user: (username: string, ...roles: string[]) => Promise<string>
  /** A token of a new session of a user, also as the application could make it. */
  readonly token: (userId: string, fields?: object) => Promise<string>
  /** Opens a client that is logged in as this user, by a token. */
  readonly as: (userId: string) => Promise<TestClient>
  /** Makes a user with these roles and opens a client for it. */
  readonly login: (username: string, ...roles: string[]) => Promise<TestClient>
}

/** Serves a store with accounts. */
export async function serveAccounts (
  t: Test,
  auth: Partial<BuiltInAuth> = {},
  options: Omit<NoexOptions, 'store' | 'auth'> = {},
  settings: ServeSettings = {}
): Promise<Accounts> {
  const served = await serve(
    t,
    { ...options, auth: { builtIn: true, adminSecret: ADMIN_SECRET, ...auth } },
    settings
  )
  const { store, connect } = served

  async function superadmin (): Promise<TestClient> {
    const client = await connect()
    await client.ask('identity.loginWithSecret', { secret: ADMIN_SECRET })
    return client
  }

  async function user (username: string, ...roles: string[]): Promise<string> {
    const { id } = await store.bucket('_users').insert({ username, passwordHash })
    for (const name of roles) {
      const role = await store.bucket('_roles').findOne({ name })
      if (role === undefined) throw new Error(`there is no role ${name}`)
      await store.bucket('_user_roles').insert({ userId: id, roleId: role['id'] })
    }
    return String(id)
  }

  async function token (userId: string, fields: object = {}): Promise<string> {
    const text = randomBytes(32).toString('base64url')
    await store
      .bucket('_sessions')
      .insert({
        id: createHash('sha256').update(text).digest('hex'),
        userId,
        expiresAt: Date.now() + 3_600_000,
        ...fields
      })
    return text
  }

  async function as (userId: string): Promise<TestClient> {
    const client = await connect()
    await client.ask('auth.login', { token: await token(userId) })
    return client
  }

  const login = async (username: string, ...roles: string[]): Promise<TestClient> =>
    await as(await user(username, ...roles))
  return { ...served, superadmin, user, token, as, login }
}
