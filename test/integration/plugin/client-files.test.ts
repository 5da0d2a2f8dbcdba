import Fastify from 'fastify'
import t from 'tap'
import { noexPlugin, NoexOptionsError } from '../../../lib/index.js'
import { startStore } from '../../support/service.js'

t.test('routes.client serves the client, and every module that it imports', async t => {
  const app = Fastify()
  t.teardown(async () => { await app.close() })
  await app.register(noexPlugin, {
    store: await startStore(t), path: '/live', prefix: '/api', routes: { client: '/client' }
  })
  const waiting = ['/api/client/index.js']
  const seen = new Set<string>()
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (seen.has(path)) continue
    seen.add(path)
    const { statusCode, headers, body } = await app.inject(path)
    t.equal(statusCode, 200, path)
    t.match(headers, {
      'content-type': 'text/javascript; charset=utf-8',
      'access-control-allow-origin': '*',
      'cache-control': 'no-cache',
      'x-content-type-options': 'nosniff'
    })
    const again = await app.inject({ path, headers: { 'if-none-match': String(headers['etag']) } })
    t.same([again.statusCode, again.body], [304, ''])
    const imports = [
      ...body.matchAll(/^(?:import|export)\b(?:[^'"=(;]* from)? ['"]([^'"]+)['"]/gm),
      ...body.matchAll(/\bimport\(['"]([^'"]+)['"]\)/g)
    ]
    for (const [, from] of imports) {
      t.match(from, /^\.\/[\w-]+\.js$/, `${path} imports its neighbours alone`)
      waiting.push(new URL(from as string, `http://host${path}`).pathname)
    }
  }
  for (const name of ['http-transport', 'tab-transport', 'tab-hub']) t.ok(seen.has(`/api/client/${name}.js`))
})

t.test('the client is not served without routes.client, nor over a path that is taken', async t => {
  const app = Fastify()
  t.teardown(async () => { await app.close() })
  const store = await startStore(t)
  await app.register(noexPlugin, { store, path: '/live' })
  t.equal((await app.inject('/client/index.js')).statusCode, 404)
  const other = Fastify()
  t.teardown(async () => { await other.close() })
  other.get('/client/index.js', async () => 'mine')
  await t.rejects(async () => await other.register(noexPlugin, { store, routes: { client: '/client' } }), {
    constructor: NoexOptionsError, message: /GET \/client\/index\.js is taken/
  })
})
