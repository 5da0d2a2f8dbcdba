import type { FastifyRequest } from 'fastify'
import t, { type Test } from 'tap'
import type { AuditEntry, AuthSession, ExternalAuth, NoexOptions, Origin } from '../../../lib/index.js'
import { serveAccounts } from '../../support/identity.js'
import { logInto, type LogLine } from '../../support/log-into.js'
import { serve, type Served, type ServeSettings } from '../../support/service.js'
import { until } from '../../support/until.js'

const anna = { userId: 'anna', roles: ['admin'] }
const rita = { userId: 'rita', roles: ['reader'] }
const count = ['store.count', { bucket: 'items' }] as const

async function serveTokens (
  t: Test, auth: Partial<ExternalAuth> = {}, options: Omit<NoexOptions, 'store' | 'auth'> = {},
  settings: ServeSettings = {}
): Promise<Served> {
  const validate = async (token: string): Promise<AuthSession | null> => token === 'anna' ? anna : null
  return await serve(t, { ...options, auth: { validate, ...auth } }, settings)
}

t.test('a call is made with the rights of the session that the application vouches for', async t => {
  const { app } = await serveTokens(t)
  t.equal(await app.noex.call(rita, ...count), 0)
  const insert = ['store.insert', { bucket: 'items', data: {} }] as const
  await t.rejects(app.noex.call(rita, ...insert), { code: 'FORBIDDEN', statusCode: 403 })
  t.match(await app.noex.call(anna, ...insert), { _version: 1 })
  await t.rejects(app.noex.call(null, ...count), {
    code: 'UNAUTHORIZED', statusCode: 401, headers: { 'www-authenticate': 'Bearer' }
  })
  const whole = { ...rita, metadata: { a: 1 }, expiresAt: Date.now() + 60_000 }
  t.match(await app.noex.call(whole, 'auth.whoami'), { userId: 'rita', roles: ['reader'] })
})

t.test('a session that is over, or of a user who is revoked, is refused', async t => {
  const { app } = await serveTokens(t)
  const expired = { ...anna, expiresAt: Date.now() - 1 }
  await t.rejects(app.noex.call(expired, ...count), { code: 'UNAUTHORIZED', message: 'Session expired' })
  app.noex.revokeSession('anna')
  await t.rejects(app.noex.call(anna, ...count), { code: 'SESSION_REVOKED', statusCode: 403 })
  t.equal(await app.noex.call(rita, ...count), 0)
})

t.test('permissions.check is asked with the metadata of the session', async t => {
  const asked: unknown[] = []
  const { app } = await serveTokens(t, {
    permissions: {
      check (session, operation, resource) {
        asked.push([session?.metadata, operation, resource])
        return session?.userId === 'anna'
      }
    }
  })
  const metadata = { team: 'a' }
  t.equal(await app.noex.call({ ...anna, metadata }, ...count), 0)
  await t.rejects(app.noex.call(rita, ...count), { code: 'FORBIDDEN' })
  t.match(asked[0], [metadata, 'store.count'])
})

t.test('a session that ends while a call is under way ends its rights', async t => {
  const { app, store } = await serveTokens(t)
  let goOn: (() => void) | undefined
  store.defineQuery('slow', async ctx => {
    await new Promise<void>(resolve => { goOn = resolve })
    return await ctx.bucket('items').count()
  })
  const pending = app.noex.call(rita, 'store.query', { query: 'slow' })
  const failure = pending.catch((error: unknown) => error)
  await until(() => goOn !== undefined)
  app.noex.revokeSessions({ role: 'reader' })
  goOn?.()
  t.match(await failure, { code: 'SESSION_REVOKED' })
  await t.rejects(app.noex.call(rita, ...count), { code: 'SESSION_REVOKED' }, 'as is the user from now on')
})

t.test('an account that is disabled or loses a role is refused, also in the middle of a call', async t => {
  const { app, store, user, superadmin } = await serveAccounts(t)
  const admin = await superadmin()
  const userId = await user('alice', 'writer')
  const alice = { userId, roles: ['writer'] }
  t.equal(await app.noex.call(alice, ...count), 0)
  let goOn: (() => void) | undefined
  store.defineQuery('slow', async ctx => {
    await new Promise<void>(resolve => { goOn = resolve })
    return await ctx.bucket('items').count()
  })
  const failure = app.noex.call(alice, 'store.query', { query: 'slow' }).catch((error: unknown) => error)
  await until(() => goOn !== undefined)
  await admin.ask('identity.removeRole', { userId, roleName: 'writer' })
  goOn?.()
  t.match(await failure, { code: 'FORBIDDEN' })
  await admin.ask('identity.disableUser', { userId })
  await t.rejects(app.noex.call(alice, ...count), { code: 'SESSION_REVOKED' })
})

t.test('a change of rights waits for the write of a call, so that none follows it', async t => {
  const { app, store, user, superadmin } = await serveAccounts(t)
  const admin = await superadmin()
  const userId = await user('alice', 'writer')
  let goOn: (() => void) | undefined
  await store.defineBucket('checked', {
    key: 'id',
    schema: { id: { type: 'string', generated: 'uuid' }, name: { type: 'string' } },
    validate: async () => { await new Promise<void>(resolve => { goOn = resolve }) }
  })
  const alice = { userId, roles: ['writer'] }
  const writing = app.noex.call(alice, 'store.insert', { bucket: 'checked', data: { name: 'a' } })
    .then(() => 'done', (error: { code: string }) => error.code)
  await until(() => goOn !== undefined)
  let isRemoved = false
  const removed = admin.ask('identity.removeRole', { userId, roleName: 'writer' })
    .then(() => { isRemoved = true })
  await until(async () => await store.bucket('_user_roles').count() === 0)
  t.notOk(isRemoved)
  goOn?.()
  t.equal(await writing, 'FORBIDDEN')
  await removed
  t.equal(await store.bucket('checked').count(), 0)
})

t.test('a request of Fastify brings its token, address and logger, and is asked about once', async t => {
  const lines: LogLine[] = []
  const entries: AuditEntry[] = []
  const asked: Origin[] = []
  const { app } = await serveTokens(t, {
    async validate (token, origin) {
      asked.push(origin)
      return token === 'anna' ? anna : null
    }
  }, {
    allowedOrigins: ['https://app.example'],
    audit: { tiers: ['read', 'admin'], onEntry: entry => { entries.push(entry) } }
  }, {
    fastify: { logger: logInto(lines, 'info'), genReqId: () => 'req-of-test' },
    before (app) {
      app.get('/count', async (request: FastifyRequest) => [
        await app.noex.call(request, ...count), await app.noex.call(request, ...count)
      ])
    }
  })
  const ask = async (headers: Record<string, string>) => await app.inject({ url: '/count', headers })
  t.same((await ask({ authorization: 'Bearer anna', cookie: 'a=b' })).json(), [0, 0])
  t.equal(asked.length, 1)
  t.match(asked[0], { remoteAddress: '127.0.0.1', connectionId: null })
  t.notOk('cookie' in (asked[0]?.headers ?? {}))
  t.match(entries, [{ userId: 'anna', operation: 'store.count', sessionId: null }, {}])
  const logged = lines.filter(({ audit }) => audit !== undefined)
  t.same(logged.map(({ reqId }) => reqId), ['req-of-test', 'req-of-test'])
  const wrong = await ask({ authorization: 'Bearer other' })
  t.match(wrong, { statusCode: 401, headers: { 'www-authenticate': 'Bearer' } })
  t.match(wrong.json(), { message: 'Invalid token' })
  t.equal((await ask({})).statusCode, 401)
  t.equal((await ask({ authorization: 'Bearer anna', origin: 'https://evil.example' })).statusCode, 403)
  t.equal((await ask({ authorization: 'Bearer anna', origin: 'https://app.example' })).statusCode, 200)
  t.match(entries.at(-3), { operation: 'connection.refuse', error: 'the origin is not allowed' })
})

t.test('wrong parameters are refused by a TypeError that names them', async t => {
  const { app } = await serveTokens(t)
  const call = app.noex.call.bind(app.noex) as (...parameters: unknown[]) => Promise<unknown>
  const throwing = { get userId () { throw new Error('of a getter') }, roles: [] }
  const circle: Record<string, unknown> = { bucket: 'items' }
  circle['filter'] = circle
  const cases: ReadonlyArray<readonly [parameters: unknown[], message: RegExp]> = [
    [[undefined, 'store.count'], /^call: the caller must be a request of Fastify, a session/],
    [['anna', 'store.count'], /^call: the caller/],
    [[{}, 'store.count'], /userId must be/],
    [[{ userId: '', roles: [] }, 'store.count'], /userId must be/],
    [[{ userId: 'a'.repeat(257), roles: [] }, 'store.count'], /userId must be/],
    [[{ userId: '\ud800', roles: [] }, 'store.count'], /userId must be/],
    [[{ userId: 'anna' }, 'store.count'], /roles must be/],
    [[{ userId: 'anna', roles: 'admin' }, 'store.count'], /roles must be/],
    [[{ userId: 'anna', roles: [1] }, 'store.count'], /roles must be/],
    [[{ userId: 'anna', roles: Array(2) }, 'store.count'], /roles must be/],
    [[{ userId: 'anna', roles: Array(101).fill('a') }, 'store.count'], /roles must be/],
    [[{ ...anna, metadata: 'a' }, 'store.count'], /metadata must be/],
    [[{ ...anna, expiresAt: 1_764_000_000 }, 'store.count'], /expiresAt must be in milliseconds/],
    [[{ ...anna, expiresAt: new Date() }, 'store.count'], /expiresAt must be a number/],
    [[throwing, 'store.count'], /of a getter/],
    [[anna], /^call: operation/],
    [[anna, ''], /^call: operation/],
    [[anna, {}], /^call: operation/],
    [[anna, 'store.count', null], /^call: fields must be an object/],
    [[anna, 'store.count', [1]], /^call: fields must be an object/],
    [[anna, 'store.count', { bucket: Symbol('a') }], /^fields.bucket must be what JSON can hold/],
    [[anna, 'store.count', { filter: { a: [1, 2n] } }], /^fields.filter.a\[1\] must be .* bigint/],
    [[anna, 'store.count', { filter: { a: NaN } }], /^fields.filter.a .* the number NaN/],
    [[anna, 'store.count', { filter: new Map() }], /^fields.filter .* an instance of a class/],
    [[anna, 'store.count', { filter: [undefined] }], /^fields.filter\[0\] .* undefined/],
    [[anna, 'store.count', { at: new Date(NaN) }], /^fields.at .* an invalid date/],
    [[anna, 'store.count', circle], /a circle/],
    [[anna, 'store.count', {}, 'key'], /^call: options must be an object/],
    [[anna, 'store.count', {}, { key: 'a' }], /^call: there is no option key/],
    [[anna, 'store.count', { idempotencyKey: 'a' }, { idempotencyKey: 'b' }], /another one/]
  ]
  for (const [parameters, message] of cases) {
    await t.rejects(call(...parameters), { constructor: TypeError, message }, String(message))
  }
  await t.rejects(call(anna, 'store.insert', { bucket: 'items', data: {} }, { idempotencyKey: 7 }), {
    code: 'VALIDATION_ERROR'
  })
})

t.test('the fields cannot say another operation, and are read once', async t => {
  const { app } = await serveTokens(t)
  const fields = JSON.parse('{"type":"store.clear","id":7,"bucket":"items"}')
  t.equal(await app.noex.call(anna, 'store.count', fields), 0)
  let reads = 0
  const changing = { get bucket () { return reads++ === 0 ? 'items' : 'other' } }
  t.equal(await app.noex.call(anna, 'store.count', changing), 0)
  t.equal(reads, 1)
  const data = { name: 'a', n: undefined }
  t.match(await app.noex.call(anna, 'store.insert', { bucket: 'items', data }), { name: 'a' })
  const bare = Object.assign(Object.create(Object.create(null)), { bucket: 'items' })
  t.equal(await app.noex.call(anna, 'store.count', bare), 1, 'as Fastify makes those of a query string')
})
