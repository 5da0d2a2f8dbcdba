import { join } from 'node:path'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import t, { type Test } from 'tap'
import { checkDeployment, noexPlugin, NoexServer, type ServerConfig } from '../../../lib/index.js'
import { startStore } from '../../support/service.js'
import { logInto } from '../../support/log-into.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { environment, sound } from '../../support/deployments.js'

type Line = Record<string, unknown>

/** An application whose log of warnings can be read. */
function build (t: Test, options: FastifyServerOptions = {}): { app: FastifyInstance, advice: () => Line[] } {
  const lines: Line[] = []
  const app = Fastify({ ...options, logger: logInto(lines) })
  t.teardown(async () => { await app.close() })
  return { app, advice: () => lines.filter(line => 'advice' in line) }
}

t.test('advice in the log', t => {
  t.test(
    'is there once, a warning for each risk, when the application listens where others can reach it',
    async t => {
      const { app, advice } = build(t)
      const store = await startStore(t)
      const options = { store, maxPayloadBytes: 65_536 }
      await app.register(noexPlugin, options)
      await app.ready()
      await app.inject('/healthz')
      t.same(advice(), [], 'nothing before')
      await app.listen({ port: 0, host: '0.0.0.0' })
      const found = checkDeployment(options, { host: '0.0.0.0' })
      t.equal(found[0]?.id, 'no-tls')
      t.same(
        advice().map(({ level, advice, option, msg }) => ({ level, advice, option, msg })),
        found.map(({ id, option, message }) => ({ level: 40, advice: id, option, msg: message }))
      )
      t.match(advice()[0]?.['msg'], /without encryption on 0\.0\.0\.0:/)
    }
  )

  t.test('is there for NoexServer, which listens everywhere unless it is told where', async t => {
    const lines: Line[] = []
    const store = await startStore(t)
    const server = await NoexServer.start({
      ...sound,
      store,
      audit: undefined,
      auth: { validate: () => null },
      host: undefined,
      port: 0,
      fastify: { logger: logInto(lines) }
    })
    t.teardown(async () => { await server.stop() })
    t.same(lines.map(line => line['advice']), ['no-tls', 'no-audit'])
  })

  const quiet: Record<string, (app: FastifyInstance, t: Test) => Promise<unknown>> = {
    'an address of this machine': async app => await app.listen({ port: 0, host: '127.0.0.1' }),
    'the name localhost': async app => await app.listen({ port: 0, host: 'localhost' }),
    'a Unix socket': async (app, t) => await app.listen({ path: join(temporaryDirectory(t), 's') }),
    'nothing at all': async app => await app.inject('/healthz')
  }
  for (const [place, listen] of Object.entries(quiet)) {
    t.test(`is left out for ${place}`, async t => {
      const { app, advice } = build(t)
      await app.register(noexPlugin, { store: await startStore(t) })
      await listen(app, t)
      t.same(advice(), [])
    })
  }

  t.test(
    'is there for an address of this machine in production, without what only a public address risks',
    async t => {
      environment(t, 'production')
      const { app, advice } = build(t)
      await app.register(noexPlugin, { store: await startStore(t) })
      await app.listen({ port: 0, host: '127.0.0.1' })
      t.same(advice().map(line => line['advice']), [
        'store-in-memory',
        'default-payload-limit',
        'default-subscription-limit',
        'error-details',
        'no-grace-period'
      ])
    }
  )

  t.test('counts a trusted proxy as access by other machines, in an enclosed scope too', async t => {
    const { app, advice } = build(t, { trustProxy: '127.0.0.1' })
    const store = await startStore(t)
    await app.register(
      async scope => {
        await scope.register(noexPlugin, { ...withoutPlace(sound), store, audit: undefined, auth: undefined })
      },
      { prefix: '/a' }
    )
    await app.listen({ port: 0, host: '127.0.0.1' })
    t.same(advice().map(line => line['advice']), ['no-auth'])
  })

  t.test('detects a server that uses TLS itself', async t => {
    for (const server of [{ https: {} }, { http2: true, https: { allowHTTP1: true } }]) {
      const { app, advice } = build(t, server as FastifyServerOptions)
      await app.register(noexPlugin, {
        ...withoutPlace(sound),
        store: await startStore(t),
        audit: undefined,
        auth: { validate: () => null }
      })
      await app.listen({ port: 0, host: '0.0.0.0' })
      t.same(advice().map(line => line['advice']), ['no-audit'])
    }
  })

  t.test('detects an application that reads cookies', async t => {
    const { app, advice } = build(t, { trustProxy: '10.0.0.1' })
    app.decorateRequest('cookies', null as unknown as object)
    await app.register(noexPlugin, {
      ...withoutPlace(sound),
      store: await startStore(t),
      audit: undefined,
      auth: { validate: () => null }
    })
    await app.listen({ port: 0, host: '0.0.0.0' })
    t.same(advice().map(line => line['advice']), ['any-origin', 'no-audit'])
  })

  t.test('obeys the log level of the scope', async t => {
    const { app, advice } = build(t)
    await app.register(noexPlugin, { store: await startStore(t), logLevel: 'error' })
    await app.listen({ port: 0, host: '0.0.0.0' })
    t.same(advice(), [])
  })

  t.test('is not there twice for a secret that the start has warned of', async t => {
    const { app, advice } = build(t, { trustProxy: '10.0.0.1' })
    await app.register(noexPlugin, {
      ...withoutPlace(sound),
      store: await startStore(t),
      audit: undefined,
      auth: { builtIn: true, adminSecret: 'please-change-me-soon' }
    })
    await app.listen({ port: 0, host: '0.0.0.0' })
    t.same(
      advice().map(({ advice, option }) => [advice, option]),
      [
        ['weak-secret', 'auth.adminSecret'],
        ['no-audit', 'audit']
      ]
    )
  })
  t.end()
})

/** Options for an application that listens by itself. */
function withoutPlace ({
  host: _host,
  port: _port,
  fastify: _fastify,
  ...options
}: ServerConfig): Omit<ServerConfig, 'host' | 'port' | 'fastify'> {
  return options
}
