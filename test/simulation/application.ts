import { createHash } from 'node:crypto'
import type { BucketDefinition, Store } from '@hamicek/noex-store'
import { codeQueries, declaredNames, randomDeclaration } from './queries.js'
import type { Random } from './random.js'
import { roleId, roles, ROOT, users } from './rights.js'

/** The admin secret of the services. */
export const SECRET = 'the secret of the simulation'

/** Fields that the records of each bucket have, besides their key. */
const fields = {
  owner: { type: 'string' },
  state: { type: 'string' },
  n: { type: 'number' },
  rank: { type: 'number' },
  name: { type: 'string' },
  note: { type: 'string' }
} as const

/** Definitions of the buckets at the beginning. */
export const definitions: Readonly<Record<string, BucketDefinition>> = {
  items: {
    key: 'id',
    schema: { id: { type: 'string' }, ...fields },
    indexes: ['owner', 'n']
  },
  counted: {
    key: 'id',
    etsType: 'ordered_set',
    schema: { id: { type: 'number', generated: 'autoincrement' }, ...fields }
  },
  lines: {
    key: 'id',
    maxSize: 25,
    schema: { id: { type: 'string', generated: 'uuid' }, ...fields }
  }
}

/** Makes a session with a token; resolves when it is durable. */
export async function beginSession (store: Store, user: string, token: string): Promise<void> {
  const id = createHash('sha256').update(token).digest('hex')
  const userId = user === ROOT ? '__superadmin__' : user
  await store.bucket('_sessions').insert({ id, userId, expiresAt: Date.now() + 1e12 })
}

/** Defines the queries in code, as each process does. */
export function defineCode (store: Store): void {
  let runs = 0
  for (const [name, { run, variants }] of Object.entries(codeQueries)) {
    store.defineQuery(name, async (ctx, params: unknown) => await run(ctx, params, runs++ % variants))
  }
}

/** Defines buckets and queries in an empty store. */
export async function fill (store: Store, random: Random): Promise<void> {
  for (const [name, definition] of Object.entries(definitions)) await store.defineBucket(name, definition)
  for (const name of declaredNames) store.defineDeclarativeQuery(name, randomDeclaration(random))
}

/** Makes users and roles, as the application could. */
export async function fillIdentity (store: Store): Promise<void> {
  for (const [name, permissions] of Object.entries(roles)) {
    const entries = permissions.map(permission => ({ allow: 'store.*', ...permission }))
    await store.bucket('_roles').insert({ id: roleId(name), name, permissions: entries })
  }
  const names = Object.keys(roles)
  for (const [i, user] of users.entries()) {
    await store.bucket('_users').insert({ id: user, username: `user-${user}`, passwordHash: 'none' })
    const role = names[i % names.length] as string
    await store.bucket('_user_roles').insert({ userId: user, roleId: roleId(role) })
  }
}
