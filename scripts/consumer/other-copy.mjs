// A store and a rule engine of another copy of the packages, in the folder that is the argument, serve as
// well as our own.
import { pathToFileURL } from 'node:url'
import Fastify from 'fastify'
import noexPlugin from 'fastify-noex'
import { Store as OwnStore } from 'fastify-noex/store'

const load = async name => await import(pathToFileURL(`${process.argv[2]}/dist/lib/exports/${name}.js`).href)
const { Store } = await load('store')
const { RuleEngine } = await load('rules')
if (Store === OwnStore) throw new Error('this is the same copy')

const store = await Store.start()
await store.defineBucket('items', { key: 'id', schema: { id: { type: 'string' } } })
const rules = await RuleEngine.start()
const app = Fastify()
await app.register(noexPlugin, { store, rules })
await app.ready()
const { store: figures, rulesEnabled } = await app.noex.getStats()
await app.close()
await rules.stop()
await store.stop()
if (!rulesEnabled || figures?.buckets.names[0] !== 'items') {
  throw new Error('a store of another copy is not served')
}
console.log(JSON.stringify({ otherCopy: 'works' }))
