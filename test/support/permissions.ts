import type { Test } from 'tap'
import type { PermissionConfig } from '../../lib/index.js'
import type { TestClient } from './client.js'
import { serve, type Served } from './service.js'

export interface ServedPermissions extends Served {
  /** Opens a client that is logged in as a user of this name with these roles. */
  readonly as: (userId: string, ...roles: string[]) => Promise<TestClient>
}

/** Serves the buckets `items`, `secrets` and `orders` (with an owner), and queries over them. */
export async function servePermissions (t: Test, permissions?: PermissionConfig): Promise<ServedPermissions> {
  const served = await serve(t, {
    auth: {
      validate: token => JSON.parse(token),
      permissions
    }
  })
  const { store, connect } = served
  await store.defineBucket('secrets', { key: 'id', schema: { id: { type: 'string' } } })
  await store.defineBucket('orders', {
    key: 'number',
    etsType: 'ordered_set',
    schema: {
      number: { type: 'number', generated: 'autoincrement' },
      owner: { type: 'string' },
      total: { type: 'number', default: 0 }
    },
    indexes: ['owner']
  })
  await store.bucket('secrets').insert({ id: 's' })
  store.defineDeclarativeQuery('all-items', { bucket: 'items' })
  store.defineDeclarativeQuery('all-secrets', { bucket: 'secrets' })
  store.defineDeclarativeQuery('all-orders', { bucket: 'orders' })
  store.defineDeclarativeQuery('order-count', { bucket: 'orders', aggregate: { function: 'count' } })
  store.defineQuery('items-by-code', async ctx => await ctx.bucket('items').all())
  store.defineQuery('both-by-code', async ctx => [
    await ctx.bucket('items').count(),
    await ctx.bucket('secrets').count()
  ])
  store.defineQuery('orders-by-code', async ctx => ({
    first: await ctx.bucket('orders').first(1),
    last: await ctx.bucket('orders').last(1),
    page: await ctx.bucket('orders').paginate({ limit: 2 }),
    one: await ctx.bucket('orders').get(1)
  }))
  const as = async (userId: string, ...roles: string[]): Promise<TestClient> => {
    const client = await connect()
    await client.ask('auth.login', { token: JSON.stringify({ userId, roles }) })
    return client
  }
  return { ...served, as }
}

/** The code of the answer, or `ok`. */
export async function outcomeOf (client: TestClient, type: string, fields: object = {}): Promise<string> {
  const reply = await client.request(type, fields)
  return reply['type'] === 'result' ? 'ok' : reply['code'] as string
}
