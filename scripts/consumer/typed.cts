// Compiled, not run.
import Fastify = require('fastify')
import noexPlugin = require('fastify-noex')
import byDefault, { NoexServer, type NoexOptions } from 'fastify-noex'
import { jsonlSink } from 'fastify-noex/audit'
import { createClient, type Client } from 'fastify-noex/client'
import { RuleEngine } from 'fastify-noex/rules'
import { Store, type StoreRecord } from 'fastify-noex/store'

export async function main (): Promise<void> {
  const store: Store = await Store.start()
  const options: NoexOptions = { store, rules: await RuleEngine.start(), heartbeat: { intervalMs: 30_000 } }
  const same: noexPlugin.NoexOptions = options
  const app = Fastify()
  await app.register(noexPlugin, same)
  await app.register(byDefault, { store, prefix: '/b' })
  await app.register(noexPlugin.noexPlugin, { store, prefix: '/c' })
  await app.register(require('fastify-noex'), { store, prefix: '/d' })
  // @ts-expect-error: the compiler must know that no such option exists
  await app.register(noexPlugin, { store, nope: true })
  const state: noexPlugin.NoexState = app.noex.state
  const server: noexPlugin.NoexServer = await NoexServer.start({ store })
  const sink: noexPlugin.AuditSink = jsonlSink({ path: 'audit.jsonl' })
  const record: StoreRecord | undefined = await store.bucket('items').get('a')
  const client: Client = createClient('ws://localhost', { connect: false })
  console.log(state, server.port, sink, record, client.state.value)
}
