import { setImmediate } from 'node:timers/promises'
import type { Test } from 'tap'
import type { AuthSession, ExternalAuth, NoexOptions, Origin } from '../../lib/index.js'
import { TestClient } from './client.js'
import { serve, type Served } from './service.js'

/** Tokens and whose they are; a test may change them while it runs. */
export type Tokens = Record<string, AuthSession | null>

export const people = (): Tokens => ({
  reader: { userId: 'rita', roles: ['reader'] },
  writer: { userId: 'walt', roles: ['writer'] },
  admin: { userId: 'anna', roles: ['admin'] },
  custom: { userId: 'carl', roles: ['clerk'] },
  nobody: { userId: 'nina', roles: [] }
})

export interface Desk extends Served {
  readonly tokens: Tokens
  /** What `validate` has been asked. */
  readonly asked: Array<{ readonly token: string, readonly origin: Origin }>
  /** Opens a client that is logged in. */
  readonly as: (token: string) => Promise<TestClient>
}

export async function serveTokens (
  t: Test,
  auth: Partial<ExternalAuth> = {},
  options: Omit<NoexOptions, 'store' | 'auth'> = {}
): Promise<Desk> {
  const tokens = people()
  const asked: Desk['asked'] = []
  const validate = async (token: string, origin: Origin): Promise<AuthSession | null> => {
    asked.push({ token, origin })
    return tokens[token] ?? null
  }
  const served = await serve(t, { ...options, auth: { validate, ...auth } })
  served.store.defineDeclarativeQuery('all-items', { bucket: 'items' })
  const as = async (token: string): Promise<TestClient> => {
    const client = await served.connect(options.path)
    await client.ask('auth.login', { token })
    return client
  }
  return { ...served, tokens, asked, as }
}

/** Waits for something that no event tells of, at most five seconds. */
export async function until (condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 5_000
  while (!await condition()) {
    if (Date.now() > deadline) throw new Error('it did not happen')
    await setImmediate()
  }
}
