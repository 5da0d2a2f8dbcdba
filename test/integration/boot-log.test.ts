import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import t, { type Test } from 'tap'
import {
  checkDeployment,
  noexPlugin,
  NoexServer,
  type NoexOptions,
  type ServerConfig
} from '../../lib/index.js'
import { startStore } from '../support/service.js'

interface ProcessWarning extends Error {
  readonly code?: string
  readonly detail?: string
}

/** Collects the warnings of the process that this package makes, until the test is over. */
function listenForWarnings (t: Test): () => Promise<ProcessWarning[]> {
  const warnings: ProcessWarning[] = []
  const note = (warning: Error): void => {
    if (warning.name === 'FastifyNoexWarning') warnings.push(warning)
  }
  process.on('warning', note)
  t.teardown(() => {
    process.off('warning', note)
  })
  return async () => {
    await new Promise(resolve => {
      setImmediate(resolve)
    })
    return warnings
  }
}

async function startServer (t: Test, config: Partial<ServerConfig>): Promise<NoexServer> {
  const server = await NoexServer.start({ port: 0, host: '127.0.0.1', store: await startStore(t), ...config })
  t.teardown(async () => {
    await server.stop()
  })
  return server
}

async function listen (
  t: Test,
  options: Omit<NoexOptions, 'store'>,
  fastify: FastifyServerOptions = {},
  add: (app: FastifyInstance) => void = () => {}
): Promise<FastifyInstance> {
  const app = Fastify({ forceCloseConnections: true, ...fastify })
  t.teardown(async () => {
    await app.close()
  })
  add(app)
  await app.register(noexPlugin, { store: await startStore(t), ...options } as NoexOptions)
  await app.listen({ port: 0, host: '127.0.0.1' })
  return app
}

t.test('without a logger the process itself warns of what is wrong at boot', t => {
  t.test('of a server that others can reach, with the advice for each risk', async t => {
    const warnings = listenForWarnings(t)
    const server = await startServer(t, { host: '0.0.0.0' })
    t.ok(server.isRunning)
    const advice = checkDeployment({ store: await startStore(t) }, { host: '0.0.0.0' })
    t.same(
      (await warnings()).map(({ code, message }) => [code, message]),
      advice.map(({ id, message }) => [id, message])
    )
    t.match(await warnings(), [{ code: 'no-tls', detail: '{"option":"host"}' }])
  })

  t.test('of nothing on a port of this machine', async t => {
    const warnings = listenForWarnings(t)
    await startServer(t, {})
    t.same(await warnings(), [])
  })

  t.test('of a secret that can be guessed, wherever the server listens', async t => {
    const warnings = listenForWarnings(t)
    await startServer(t, { auth: { builtIn: true, adminSecret: 'short' } })
    await startServer(t, {
      allowedOrigins: [],
      auth: {
        gateway: {
          userHeader: 'X-User',
          trustedProxies: ['10.0.0.1'],
          secretHeader: 'X-Secret',
          secret: 'short'
        }
      }
    })
    t.match(await warnings(), [
      { code: 'weak-secret', detail: '{"option":"auth.adminSecret"}' },
      { code: 'weak-secret', detail: '{"option":"auth.gateway.secret"}' }
    ])
  })

  t.test('of records in the store that do not count', async t => {
    const store = await startStore(t)
    const first = await NoexServer.start({ store, port: 0, host: '127.0.0.1' })
    await store.bucket('_procedures').insert({ name: 'odd', definition: {} })
    await first.stop()
    const warnings = listenForWarnings(t)
    await startServer(t, { store })
    t.match(await warnings(), [
      { message: /a stored procedure is not what it should be/, detail: /"procedure":"odd"/ }
    ])
  })

  t.test('of another upgrade listener', async t => {
    const warnings = listenForWarnings(t)
    await listen(t, { path: '/live' }, {}, app => {
      app.server.on('upgrade', () => {})
    })
    t.match(await warnings(), [{ message: /another upgrade listener .* \/live/ }])
    t.equal((await warnings()).length, 1)
  })

  t.test('and of nothing that happens later', async t => {
    const warnings = listenForWarnings(t)
    const store = await startStore(t)
    const app = await listen(t, { allowedOrigins: [], ...{ store } })
    store.getStats = async () => {
      throw new Error('bucket is broken')
    }
    t.equal((await app.inject('/stats')).statusCode, 200)
    t.same(await warnings(), [])
  })
  t.end()
})

t.test('with a logger the process does not warn', async t => {
  const warnings = listenForWarnings(t)
  const lines: string[] = []
  const stream = {
    write: (line: string) => {
      lines.push(line)
    }
  }
  const config = { host: '0.0.0.0', auth: { builtIn: true, adminSecret: 'short' } } as const
  await startServer(t, { ...config, fastify: { logger: { level: 'warn', stream } } })
  t.ok(lines.length > 1)

  t.comment('nor when the logger is silenced')
  for (const level of ['silent', 'fatal']) {
    await startServer(t, { ...config, fastify: { logger: { level, stream } } })
  }
  const told = lines.length
  const app = Fastify({ logger: { level: 'warn', stream } })
  t.teardown(async () => {
    await app.close()
  })
  await app.register(noexPlugin, { store: await startStore(t), auth: config.auth, logLevel: 'silent' })
  await app.listen({ port: 0, host: '0.0.0.0' })
  t.equal(lines.length, told)
  t.same(await warnings(), [])
})
