import swagger, { type FastifyDynamicSwaggerOptions } from '@fastify/swagger'
import { Validator } from '@seriousme/openapi-schema-validator'
import { Ajv, type AnySchemaObject } from 'ajv-8'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { noexPlugin, type NoexOptions } from '../../../lib/index.js'
import { serve, startStore } from '../../support/service.js'

/** All routes that the plugin can have. */
const routes = {
  metrics: '/metrics', rpc: '/rpc', events: '/events', client: '/client', console: '/console'
} as const

interface Described {
  readonly tags?: string[]
  readonly summary?: string
  readonly operationId?: string
  readonly responses?: object
}

interface OpenApi {
  readonly openapi: string
  readonly paths: Readonly<Record<string, Readonly<Record<string, Described>>>>
}

/** Registers `@fastify/swagger` and a route for its document. */
async function addSwagger (
  app: FastifyInstance, options: FastifyDynamicSwaggerOptions = {}
): Promise<void> {
  await app.register(swagger, { openapi: { info: { title: 'shop', version: '1.0.0' } }, ...options })
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger())
}

/** Returns the document of an application with the plugin. */
async function documentOf (
  t: Test, options: Partial<NoexOptions>, swaggerOptions?: FastifyDynamicSwaggerOptions
): Promise<OpenApi> {
  const app = Fastify()
  t.teardown(async () => { await app.close() })
  await addSwagger(app, swaggerOptions)
  app.get('/orders', { schema: { response: { 200: { type: 'null' } } } }, async () => null)
  await app.register(noexPlugin, { store: await startStore(t), path: '/live', routes, ...options })
  await app.ready()
  return (await app.inject('/openapi.json')).json<OpenApi>()
}

async function problemsOf (document: object): Promise<unknown> {
  const { valid, errors } = await new Validator().validate(document as Record<string, unknown>)
  return valid ? undefined : errors
}

t.test('@fastify/swagger makes a valid document, with tag, summary and operationId', async t => {
  for (const openapi of ['3.0.3', '3.1.0']) {
    const document = await documentOf(t, {}, { openapi: { openapi, info: { title: 'shop', version: '1' } } })
    t.equal(await problemsOf(document), undefined, openapi)
    t.same(Object.keys(document.paths).sort(), [
      '/client/index.js', '/console/', '/events', '/healthz', '/live', '/livez', '/metrics', '/orders',
      '/readyz', '/rpc', '/stats'
    ])
    const operations = Object.entries(document.paths)
      .filter(([path]) => path !== '/orders')
      .flatMap(([, methods]) => Object.values(methods))
    t.equal(operations.length, 10, 'one method each')
    for (const { tags, summary = '', responses = {} } of operations) {
      t.same(tags, ['noex'])
      t.match(summary, /^[A-Z]/)
      t.ok(Object.keys(responses).length > 0, summary)
    }
    t.same(operations.map(({ operationId }) => operationId).sort(), [
      'noexClient', 'noexConsole', 'noexEvents', 'noexHealthz', 'noexLivez', 'noexMetrics', 'noexReadyz',
      'noexRpc', 'noexSocket', 'noexStats'
    ])
  }
  t.ok(await problemsOf({ openapi: '3.0.3', info: {}, paths: {} }), 'the validator finds what is wrong')
})

t.test('a document leaves the routes out with hideRoutes, and by their tag', async t => {
  t.same(Object.keys((await documentOf(t, { hideRoutes: true })).paths), ['/orders'])
  t.same(Object.keys((await documentOf(t, {}, { hiddenTag: 'noex' })).paths), ['/orders'])
})

t.test('two instances have operations of different names', async t => {
  const app = Fastify()
  t.teardown(async () => { await app.close() })
  await addSwagger(app)
  for (const prefix of ['/first', '/second-desk']) {
    const store = await startStore(t)
    await app.register(async scope => { await scope.register(noexPlugin, { store, prefix, routes }) })
  }
  await app.ready()
  const document = (await app.inject('/openapi.json')).json<OpenApi>()
  t.equal(await problemsOf(document), undefined)
  const ids = Object.values(document.paths).flatMap(methods => Object.values(methods))
    .map(({ operationId }) => operationId)
  t.equal(new Set(ids).size, ids.length)
  t.ok(ids.includes('noexHealthzFirst') && ids.includes('noexHealthzSecondDesk'), ids.join())
})

t.test('the descriptions check no request and change no answer', async t => {
  const hooked = { status: 'ok', added: { by: 'a hook' } }
  const { app } = await serve(t, { routes }, {
    before (app) {
      app.addHook('preSerialization', async (request, _reply, payload) =>
        request.query !== null && 'hooked' in (request.query as object) ? hooked : payload)
      app.setErrorHandler(async (error, _request, reply) =>
        await reply.code(400).send({ mine: true, message: (error as Error).message }))
    }
  })
  for (const path of ['/healthz', '/readyz', '/livez', '/stats', '/']) {
    t.same((await app.inject(`${path}?hooked`)).json(), hooked, `${path} serializes what a hook sends`)
  }
  const stats = (await app.inject('/stats')).json<object>()
  t.same(Object.keys(stats), Object.keys(await app.noex.getStats()), 'no member of the statistics is lost')
  const post = async (body: string): Promise<{ statusCode: number, json: () => unknown }> =>
    await app.inject({ method: 'POST', url: '/rpc', body, headers: { 'content-type': 'application/json' } })
  t.same((await post('5')).json(),
    { id: 0, type: 'error', code: 'PARSE_ERROR', message: 'The frame is not a JSON object' })
  t.match((await post('{"type":"store.get","bucket":"none","key":1,"extra":1}')).json(),
    { code: 'BUCKET_NOT_DEFINED' }, 'and none by the schema of Fastify')
  const refused = await app.inject('/events?query=none&minIntervalMs=x&other=1')
  t.match(refused.json(), { statusCode: 400, message: /minIntervalMs" has a wrong value/ })
  const details = await app.inject('/events?find=%7B%22bucket%22%3A%22none%22%7D')
  t.match(details.json(), { statusCode: 404, code: 'BUCKET_NOT_DEFINED' }, 'code and details are not cut off')
})

t.test('the answers of the probes and of /stats are as they are described', async t => {
  const { app } = await serve(t, { routes, audit: {} }, { before: addSwagger })
  const { paths } = (await app.inject('/openapi.json')).json<OpenApi>()
  for (const path of ['/healthz', '/readyz', '/livez', '/stats']) {
    const { 200: described } = paths[path]?.['get']?.responses as Readonly<Record<number, AnySchemaObject>>
    const schema = described?.['content']['application/json'].schema as AnySchemaObject
    const validate = new Ajv({ strict: false }).compile(schema)
    const answer = (await app.inject(path)).json<Record<string, unknown>>()
    t.ok(validate(answer), `${path}: ${JSON.stringify(validate.errors)}`)
    const named = Object.keys(schema['properties'] as object)
    t.same(Object.keys(answer).filter(name => !named.includes(name)), [], `${path} names each member`)
  }
})
