// The package as CommonJS uses it: what require() returns is the plugin, and has all other exports.
const Fastify = require('fastify')
const { NoexServer, noexPlugin, default: byDefault } = require('fastify-noex')
const { jsonlSink } = require('fastify-noex/audit')
const { createClient } = require('fastify-noex/client')
const { RuleEngine } = require('fastify-noex/rules')
const { Store } = require('fastify-noex/store')

async function main () {
  const store = await Store.start()
  const rules = await RuleEngine.start()
  const app = Fastify()
  await app.register(require('fastify-noex'), { store, rules, path: '/live' })
  const { statusCode } = await app.inject('/healthz')
  await app.close()
  await rules.stop()
  await store.stop()
  const isWhole =
    noexPlugin === require('fastify-noex') &&
    byDefault === noexPlugin &&
    typeof NoexServer.start === 'function' &&
    typeof createClient === 'function'
  if (statusCode !== 200 || !isWhole || typeof jsonlSink !== 'function') {
    throw new Error('require() does not work')
  }
  console.log(JSON.stringify({ require: 'works' }))
}

main()
