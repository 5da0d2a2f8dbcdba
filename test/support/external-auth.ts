import type { Test } from 'tap'
import type { AuthSession, ExternalAuth, NoexOptions, Origin } from '../../lib/index.js'
import { TestClient } from './client.js'
import { serve, type Served, type ServeSettings } from './service.js'

/** Tokens and whose they are; a test may change them while it runs. */
type Tokens = Record<string, AuthSession | null>

const knownTokens = (): Tokens => ({
  reader: { userId: 'rita', roles: ['reader'] },
  writer: { userId: 'walt', roles: ['writer'] },
  admin: { userId: 'anna', roles: ['admin'] },
  custom: { userId: 'carl', roles: ['clerk'] },
  guest: { userId: 'nina', roles: [] }
})

export interface ServedTokens extends Served {
  readonly tokens: Tokens
  /** The calls of `validate`, in order. */
  readonly asked: Array<{ readonly token: string, readonly origin: Origin }>
  /** Opens a client that is logged in. */
  readonly as: (token: string) => Promise<TestClient>
}

export async function serveTokens (
  t: Test,
  auth: Partial<ExternalAuth> = {},
  options: Omit<NoexOptions, 'store' | 'auth'> = {},
  settings: ServeSettings = {}
): Promise<ServedTokens> {
  const tokens = knownTokens()
  const asked: ServedTokens['asked'] = []
  const validate = async (token: string, origin: Origin): Promise<AuthSession | null> => {
    asked.push({ token, origin })
    return tokens[token] ?? null
  }
  const served = await serve(t, { ...options, auth: { validate, ...auth } }, settings)
  served.store.defineDeclarativeQuery('all-items', { bucket: 'items' })
  const as = async (token: string): Promise<TestClient> => {
    const client = await served.connect(options.path)
    await client.ask('auth.login', { token })
    return client
  }
  return { ...served, tokens, asked, as }
}
