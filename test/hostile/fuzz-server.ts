import { RuleEngine } from '@hamicek/noex-rules'
import type { Test } from 'tap'
import { serveAccounts } from '../support/identity.js'
import { serve, type Served } from '../support/service.js'
import type { TestClient } from '../support/client.js'
import type { NoexOptions } from '../../lib/index.js'

/** Whose requests a server gets. */
export type Mode =
  | 'no login is needed'
  | 'a clerk by token'
  | 'an administrator by token'
  | 'a reader with an account'
  | 'the superadmin'

/** A server that is sent hostile requests, and what must not have come of it. */
export interface FuzzServer extends Served {
  /** Sees to it that what the requests name is there, as it was at first. */
  readonly plant: () => Promise<void>
  /** Logs a client in as the user of this mode, again if it was. */
  readonly logIn: (client: TestClient) => Promise<void>
  /** The lines of the log that tell of a failure inside the server. */
  readonly failures: readonly string[]
  readonly hasAccounts: boolean
  /**
   * Returns what the requests of this mode must leave as it is: the server's own buckets, the system's roles
   * and, but for the superadmin, all accounts.
   */
  readonly untouched: () => Promise<object>
}

/** Buckets of the accounts, apart from sessions. */
const accountBuckets = ['_users', '_roles', '_user_roles', '_acl', '_resource_owners'] as const

const systemBuckets = ['_procedures', '_sessions', ...accountBuckets] as const

/**
 * Matches what no reply may hold: the admin's secret, the beginnings of password hashes, tokens of others,
 * and the location of the program.
 */
export const secrets = new RegExp([
  'the admin secret of the tests', String.raw`\$scrypt\$`, String.raw`\$argon2`, "clerk's own token",
  "admin's own token", String.raw`\n\s+at `, String.raw`\\n\s+at `, 'node_modules', 'file://',
  '/lib/[a-z-]+/', String.raw`\.[jt]s:\d`
].join('|'))

const isFailure = (line: string): boolean => /"level":(?:50|60)\b/.test(line)

/** Serves what the base requests name, to be asked by `mode`. */
export async function serveFuzz (t: Test, mode: Mode): Promise<FuzzServer> {
  const rules = await RuleEngine.start()
  t.teardown(async () => { await rules.stop() })
  const failures: string[] = []
  const fastify = {
    logger: {
      level: 'error',
      stream: {
        write (line: string) {
          if (isFailure(line)) failures.push(line)
        }
      }
    }
  }
  const options: Omit<NoexOptions, 'store' | 'auth'> = {
    rules,
    connectionLimits: { maxSubscriptionsPerConnection: 20 },
    audit: { tiers: ['read', 'write', 'admin'] }
  }
  const served = await serveMode(t, mode, options, fastify)
  const { store } = served

  async function plant (): Promise<void> {
    for (const name of ['named', 'freshQuery']) store.undefineQuery(name)
    for (const name of ['notes', 'items', 'scratch', 'fresh']) {
      if (store.hasBucket(name)) await store.dropBucket(name)
    }
    const id = { type: 'string', generated: 'uuid' } as const
    await store.defineBucket('items', {
      key: 'id',
      schema: { id, name: { type: 'string' }, n: { type: 'number' } }
    })
    await store.defineBucket('scratch', { key: 'id', schema: { id } })
    await store.defineBucket('notes', {
      key: 'id',
      schema: { id, item: { type: 'string', ref: 'items', onDelete: 'cascade' } }
    })
    await store.bucket('items').insertMany([
      { id: 'taken', name: 'x', n: 1 },
      { id: 'other', name: 'y', n: 2 }
    ])
    await store.bucket('notes').insert({ id: 'kept', item: 'taken' })
    if (await store.bucket('_procedures').get('kept') === undefined) {
      await store
        .bucket('_procedures')
        .insert({
          name: 'kept',
          definition: {
            name: 'kept',
            steps: [{ action: 'store.where', bucket: 'items', filter: { id: '{{ input.id }}' }, as: 'items' }]
          }
        })
    }
    store.defineDeclarativeQuery('named', { bucket: 'items', filter: { name: '{{ params.name }}' } })
    if (rules.getRule('kept') === undefined) {
      rules.registerRule({ id: 'kept', name: 'kept', trigger: { type: 'fact', pattern: '*' } })
    }
  }

  const hasAccounts = store.hasBucket('_users')

  async function untouched (): Promise<object> {
    const schemas = systemBuckets
      .filter(name => store.hasBucket(name))
      .map(name => [name, store.getBucketSchema(name)])
    if (!hasAccounts) return { schemas }
    if (mode === 'the superadmin') {
      return { schemas, roles: await store.bucket('_roles').where({ system: true }) }
    }
    return {
      schemas,
      accounts: await Promise.all(accountBuckets.map(async name => await store.bucket(name).all()))
    }
  }

  return { ...served, plant, untouched, hasAccounts, failures }
}

async function serveMode (
  t: Test,
  mode: Mode,
  options: Omit<NoexOptions, 'store' | 'auth'>,
  fastify: object
): Promise<Served & Pick<FuzzServer, 'logIn'>> {
  switch (mode) {
    case 'no login is needed':
      return { ...await serve(t, options, { fastify }), logIn: async () => {} }
    case 'a clerk by token':
    case 'an administrator by token': {
      const token = mode === 'a clerk by token' ? "the clerk's own token" : "the admin's own token"
      const auth: NoexOptions['auth'] = {
        validate: given =>
          given === token
            ? { userId: 'alice', roles: [mode === 'a clerk by token' ? 'clerk' : 'admin'] }
            : null,
        permissions: {
          default: 'deny',
          rules: [
            { role: 'admin', allow: '*' },
            { role: 'clerk', allow: 'store.*', buckets: ['notes', 'scratch'] },
            {
              role: 'clerk',
              allow: ['store.get', 'store.where', 'store.update', 'store.subscribe'],
              buckets: ['items'],
              where: { name: { $in: ['x', '$userId'] } }
            },
            { role: 'clerk', allow: 'rules.*', topics: ['order.*', 'order:*'] },
            { role: 'clerk', allow: ['procedures.call', 'procedures.list'] }
          ]
        }
      }
      return {
        ...(await serve(t, { ...options, auth }, { fastify })),
        logIn: async client => { await client.ask('auth.login', { token }) }
      }
    }
    case 'a reader with an account':
    case 'the superadmin': {
      // Guesses are refused soon, so that not all of the time is spent hashing.
      const served = await serveAccounts(t, {}, options, { fastify })
      const { store, user, token } = served
      await store
        .bucket('_users')
        .insertMany(
          ['alice', 'bob'].map(id => ({ id, username: `${id} of the tests`, passwordHash: 'none' }))
        )
      const userId =
        mode === 'the superadmin' ? '__superadmin__' : await user('reader of the tests', 'reader')
      return {
        ...served,
        logIn: async client => { await client.ask('auth.login', { token: await token(userId) }) }
      }
    }
  }
}
