// Compiled, not run.
import Fastify from 'fastify'
import noexPlugin, {
  NoexServer, operation, Type, type ApplicationOperation, type NoexOptions, type NoexState, type ServerStats
} from 'fastify-noex'
import { jsonlSink } from 'fastify-noex/audit'
import { createClient, type Client } from 'fastify-noex/client'
import { RuleEngine } from 'fastify-noex/rules'
import { FileAdapter, Store, defineSchema, type RecordOf, type StoreRecord } from 'fastify-noex/store'

const store = await Store.start({ persistence: { adapter: new FileAdapter({ directory: 'data' }) } })
const options: NoexOptions = { store, rules: await RuleEngine.start(), heartbeat: { intervalMs: 30_000 } }
const app = Fastify()
await app.register(noexPlugin, options)
const sinks = [jsonlSink({ path: 'audit.jsonl' })]
await app.register(noexPlugin, { store, prefix: '/b', audit: { sinks } })
export const state: NoexState = app.noex.state
export const stats: Promise<ServerStats> = app.noex.getStats()
export const record: StoreRecord | undefined = await store.bucket('items').get('a')
const fastify = { https: {}, trustProxy: '127.0.0.1', logger: true }
export const server = NoexServer.start({ store, fastify })
// @ts-expect-error: the compiler must know that no such option exists
await app.register(noexPlugin, { store, nope: true })
// @ts-expect-error: and no such method
store.nope()
const schema = defineSchema({
  items: { key: 'id', schema: { id: { type: 'string' }, count: { type: 'number' } } }
})
const typed = await Store.start({ schema })
await app.register(noexPlugin, { store: typed, prefix: '/c' })
declare module 'fastify-noex' {
  interface NoexTypes { schema: typeof schema }
}
const counted = operation({
  name: 'shop.count',
  input: Type.Object({ id: Type.String() }),
  handler: async ({ input, store }) => (await store.bucket('items').get(input.id))?.count ?? 0
})
export const named: ApplicationOperation<'shop.count', { id: string }, number> = counted
await app.register(noexPlugin, { store: typed, prefix: '/d', operations: [counted] })
export const found: number | null | undefined = (await app.noex.store.bucket('items').get('a'))?.count
// @ts-expect-error: the store of the application has the types of the schema
await app.noex.store.bucket('itmes').get('a')
type Item = RecordOf<typeof schema, 'items'>
export const item: Item = await typed.bucket('items').insert({ id: 'a', count: 1 })
// @ts-expect-error: and of a store of a schema its fields
await typed.bucket('items').where({ cuont: 1 })
const operations = [operation({
  name: 'shop.ship', input: Type.Object({ id: Type.String() }), handler: ({ input }) => ({ shipped: input.id })
})]
const client = createClient<typeof schema, typeof operations>('ws://localhost', { connect: false })
export const loose: Client = client
export const shipped: Promise<{ shipped: string }> = client.request('shop.ship', { id: 'a' })
export const rows: readonly Item[] | undefined = client.query({ bucket: 'items' }).getSnapshot()
// @ts-expect-error: and a client those of its server
client.query({ bucket: 'items', filter: { cuont: 1 } })
