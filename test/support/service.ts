import type { AddressInfo } from 'node:net'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import type { Test } from 'tap'
import { Store, type BucketDefinition, type StoreOptions } from '@hamicek/noex-store'
import { noexPlugin, type NoexOptions } from '../../lib/index.js'
import { TestClient } from './client.js'

/** A store that stops with the test. */
export async function startStore (t: Test, options?: StoreOptions): Promise<Store> {
  const store = await Store.start(options)
  t.teardown(async () => { await store.stop() })
  return store
}

export interface Served {
  readonly app: FastifyInstance
  readonly store: Store
  readonly port: number
  /** `ws://127.0.0.1:<port>` */
  readonly url: string
  /** Opens a client that has received its welcome and closes with the test. */
  readonly connect: (path?: string) => Promise<TestClient>
}

export interface ServedClient extends Served {
  readonly client: TestClient
}

export interface ServeSettings {
  /** Serves this store instead of a fresh one; the caller stops it. */
  readonly store?: Store
  readonly fastify?: FastifyServerOptions
  /** Registers things before the plugin. */
  readonly before?: (app: FastifyInstance) => void | Promise<void>
}

/**
 * Serves a fresh store with an empty bucket `items` (key `id`, generated uuid) on a port of its own; all of
 * it closes with the test.
 */
export async function serve (
  t: Test,
  options: Omit<NoexOptions, 'store'> = {},
  settings: ServeSettings = {}
): Promise<Served> {
  const store = settings.store ?? await startStore(t)
  if (!store.hasBucket('items')) {
    await store.defineBucket('items', {
      key: 'id',
      schema: { id: { type: 'string', generated: 'uuid' }, name: { type: 'string' }, n: { type: 'number' } }
    })
  }
  const app = Fastify({ forceCloseConnections: true, ...settings.fastify })
  t.teardown(async () => { await app.close() })
  await settings.before?.(app)
  await app.register(noexPlugin, { ...options, store })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const url = `ws://127.0.0.1:${port}`
  return {
    app,
    store,
    port,
    url,
    connect: async (path = options.path ?? '/') => await TestClient.open(t, url + path)
  }
}

/** Serves as `serve` does, with these buckets beside `items`, and opens a client. */
export async function serveBuckets (
  t: Test,
  buckets: Readonly<Record<string, BucketDefinition>> = {}
): Promise<ServedClient> {
  const served = await serve(t)
  for (const [name, definition] of Object.entries(buckets)) await served.store.defineBucket(name, definition)
  return { ...served, client: await served.connect() }
}
