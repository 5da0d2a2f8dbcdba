import { setTimeout } from 'node:timers/promises'
import type { FastifyBaseLogger } from 'fastify'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import type { AuthSession, NoexOptions } from '../../lib/index.js'
import { serve, type Served } from '../support/service.js'
import { watchUncaughtErrors } from '../support/uncaught-errors.js'
import { logInto, logText } from '../support/log-into.js'

const uncaught = watchUncaughtErrors(t)

/** A logger that throws from the moment at which it is broken. */
function breakable () {
  const state = { isBroken: false }
  const write = (): void => { if (state.isBroken) throw new Error('the worker has exited') }
  const logger = {
    level: 'info',
    fatal: write,
    error: write,
    warn: write,
    info: write,
    debug: write,
    trace: write,
    silent () {},
    child () {
      if (state.isBroken) throw new Error('no children')
      return logger
    }
  }
  return { state, logger: logger as unknown as FastifyBaseLogger }
}

const users: NoexOptions['auth'] = {
  validate (token) {
    if (token === 'boom') throw new Error('boom')
    return token === 'bad' ? null : { userId: token, roles: ['writer'] }
  },
  required: false
}

async function serveBroken (t: Test, options: Omit<NoexOptions, 'store'> = {}) {
  const { state, logger } = breakable()
  const settings = { fastify: { loggerInstance: logger, disableRequestLogging: true } }
  const served = await serve(t, { auth: users, queryTimeoutMs: 50, ...options }, settings)
  served.store.defineQuery('bad', async () => { throw new Error('x') })
  served.store.defineQuery('never', async () => await new Promise(() => {}))
  return { ...served, state }
}

t.test('each request has its answer though the logger throws, and the process is warned once', async t => {
  const warnings: Array<Error & { readonly code?: string }> = []
  const onWarning = (warning: Error): void => { warnings.push(warning) }
  process.on('warning', onWarning)
  t.teardown(() => process.off('warning', onWarning))
  const onEntry = (): never => { throw new Error('onEntry') }
  const audit = { onEntry, tiers: ['admin' as const, 'write' as const, 'read' as const] }
  const { app, connect, state } = await serveBroken(t, { audit })
  const client = await connect()
  state.isBroken = true
  const requests = [
    ['auth.login', { token: 'boom' }, 'INTERNAL_ERROR'],
    ['auth.login', { token: 'bad' }, 'UNAUTHORIZED'],
    ['store.query', { query: 'bad' }, 'INTERNAL_ERROR'],
    ['store.query', { query: 'never' }, 'INTERNAL_ERROR'],
    ['store.subscribe', { query: 'bad' }, 'INTERNAL_ERROR']
  ] as const
  for (const [type, fields, code] of requests) t.match(await client.request(type, fields), { code }, type)
  t.equal(await client.ask('store.count', { bucket: 'items' }), 0)
  app.noex.revokeSession('nadia')
  await app.close()
  await setTimeout(10)
  t.same(uncaught, [])
  t.match(warnings.filter(({ code }) => code === 'NOEX_LOGGER_FAILED'), [
    { message: /^the logger has failed, so lines of the log, or parts of them, are missing: / }
  ])
})

t.test('an unauthenticated client that sends a binary frame is closed though the logger throws', async t => {
  const { url, state, connect } = await serveBroken(t, { auth: { validate: () => null } })
  const other = await connect()
  const ws = new WebSocket(url)
  await new Promise(resolve => ws.once('message', resolve))
  state.isBroken = true
  const closed = new Promise(resolve => ws.once('close', resolve))
  ws.send(Buffer.from('x'))
  t.equal(await closed, 1003)
  t.match(await other.request('auth.whoami'), { type: 'result' }, 'and others are served')
  t.same(uncaught, [])
})

t.test('refusals by our routes are answered though the loggers of requests throw', async t => {
  const { state, logger } = breakable()
  const child = { ...logger, child: () => child } as unknown as FastifyBaseLogger
  const { port } = await serve(
    t,
    { auth: users, allowedOrigins: ['https://good.example'] },
    {
      fastify: {
        loggerInstance: { ...logger, child: () => child } as unknown as FastifyBaseLogger,
        disableRequestLogging: true
      }
    }
  )
  state.isBroken = true
  const headers = { authorization: 'Bearer bad' }
  t.equal((await fetch(`http://127.0.0.1:${port}/stats`, { headers })).status, 401)
  const ws = new WebSocket(`ws://127.0.0.1:${port}/`, { origin: 'https://bad.example' })
  const status = await new Promise(resolve => {
    ws.once('error', () => {})
    ws.once('unexpected-response', (_request, response) => { resolve(response.statusCode) })
  })
  t.equal(status, 403)
})

t.test('a failure is answered, and logged as a text, where a serializer of errors throws', async t => {
  const lines: Array<{ readonly msg: string, readonly error?: string }> = []
  const err = (error: object): number => (error as { readonly response: { status: number } }).response.status
  const serializers = { err }
  const { connect, store } = await serve(t, {}, {
    fastify: { logger: { ...logInto(lines, 'info'), serializers } as never }
  })
  store.defineQuery('bad', async () => { throw new Error('the reason') })
  const client = await connect()
  t.match(await client.request('store.query', { query: 'bad' }), { code: 'INTERNAL_ERROR' })
  t.match(lines.filter(({ msg }) => msg === 'operation failed'), [{ error: 'the reason' }])
})

const trap = (): never => { throw new Error('trapped') }
const hostileThrown: Readonly<Record<string, () => unknown>> = {
  'an error whose stack throws': () => Object.defineProperty(new Error('e'), 'stack', { get: trap }),
  'an error whose message throws': () => Object.defineProperty(new Error('e'), 'message', { get: trap }),
  'an error whose name throws': () => Object.defineProperty(new Error('e'), 'name', { get: trap }),
  'an error whose issues throw': () =>
    Object.defineProperties(new Error('e'), { name: { value: 'ValidationError' }, issues: { get: trap } }),
  'an error whose cause cannot be read': () => new Error('e', { cause: new Proxy({}, { get: trap }) }),
  'a proxy': () => new Proxy({}, { get: trap, getPrototypeOf: trap }),
  'a proxy of an error': () => new Proxy(new Error('e'), { get: trap, getPrototypeOf: trap }),
  'no object': () => Symbol('x')
}

for (const [title, make] of Object.entries(hostileThrown)) {
  t.test(`${title}, thrown by functions of the application, is answered and logged`, async t => {
    const { logger, logged } = logText()
    let isArmed = false
    const check = (): true => {
      if (isArmed) throw make()
      return true
    }
    const auth = {
      validate (token: string): AuthSession {
        if (token === 'boom') throw make()
        return { userId: token, roles: ['writer'] }
      },
      permissions: { check },
      required: false
    }
    const { connect, store } = await serve(t, { auth }, { fastify: { logger } })
    store.defineQuery('bad', async () => { throw make() })
    const client = await connect()
    for (const type of ['store.query', 'store.subscribe']) {
      t.match(await client.request(type, { query: 'bad' }), { code: 'INTERNAL_ERROR' }, type)
    }
    t.equal(logged().match(/"msg":"operation failed"/g)?.length, 2)
    t.match(await client.request('auth.login', { token: 'boom' }), { code: 'INTERNAL_ERROR' })
    t.match(logged(), /"callback":"auth.validate"/)
    isArmed = true
    t.match(await client.request('store.count', { bucket: 'items' }), { code: 'INTERNAL_ERROR' })
    t.match(logged(), /"callback":"auth.permissions.check"/)
    t.same(uncaught, [])
  })
}

t.test('routes log no more than the application does', async t => {
  const counts: Record<string, number> = {}
  for (const level of ['info', 'warn', 'error', 'silent']) {
    const { logger, logged } = logText(level)
    const routes = { metrics: '/metrics' }
    const { port }: Served = await serve(t, { auth: users, routes }, { fastify: { logger } })
    const before = logged().length
    for (const path of ['stats', 'metrics']) {
      const headers = { authorization: 'Bearer bad' }
      t.equal((await fetch(`http://127.0.0.1:${port}/${path}`, { headers })).status, 401)
    }
    await fetch(`http://127.0.0.1:${port}/healthz`)
    counts[level] = logged().slice(before).split('\n').filter(line => line !== '').length
  }
  const expected = { info: 2, warn: 2, error: 0, silent: 0 }
  t.same(counts, expected, 'requests are logged nowhere, refusals from warn on')
})
