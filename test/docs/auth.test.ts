import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'
import { SignJWT } from 'jose'
import t from 'tap'
import type { Store } from '@hamicek/noex-store'
import { noexPlugin, NoexServer, type ExternalAuth, type PermissionConfig } from '../../lib/index.js'
import { TestClient } from '../support/client.js'
import { serve, startStore } from '../support/service.js'
import { anyPort, runBody, runSample, sample, setEnvironment } from '../support/documents.js'

const document = 'docs/auth.md'

t.test('its JWT sample lets in the user that the issuer names, until the token expires', async t => {
  const secret = 'a secret of thirty-two bytes or more'
  setEnvironment(t, 'JWT_SECRET', secret)
  const { server, store } = await runSample(t, document, 'jwt', ['server', 'store'], anyPort) as {
    server: NoexServer, store: Store
  }
  t.teardown(async () => { await store.stop() })
  t.teardown(async () => { await server.stop() })
  await store.defineBucket('orders', { key: 'id', schema: { id: { type: 'string', generated: 'uuid' } } })
  store.defineDeclarativeQuery('all-orders', { bucket: 'orders' })
  const token = (): SignJWT => new SignJWT({ roles: ['user'] }).setProtectedHeader({ alg: 'HS256' })
    .setSubject('alice').setIssuer('https://login.example.com').setAudience('noex')
  const sign = async (jwt: SignJWT): Promise<string> => await jwt.sign(new TextEncoder().encode(secret))
  const client = await TestClient.open(t, `ws://127.0.0.1:${server.port}`)
  const endless = await sign(token())
  t.equal(await client.code('auth.login', { token: endless }), 'UNAUTHORIZED', 'a token must expire')
  const anHour = await sign(token().setExpirationTime('1h'))
  t.match(await client.ask('auth.login', { token: anHour }), { userId: 'alice', roles: ['user'] })
  t.same(await client.ask('store.all', { bucket: 'orders' }), [])
  t.equal(await client.code('store.insert', { bucket: 'orders', data: {} }), 'FORBIDDEN')
  const { subscriptionId } = await client.ask('store.subscribe', { query: 'all-orders' })
  await store.bucket('orders').insert({})
  await client.push(subscriptionId)
  await client.ask('store.unsubscribe', { subscriptionId })
  const twoSeconds = await sign(token().setExpirationTime(Math.floor(Date.now() / 1_000) + 2))
  t.match(await client.ask('auth.login', { token: twoSeconds }), { userId: 'alice' })
  await store.bucket('orders').insert({})
  let answer = await client.request('store.all', { bucket: 'orders' })
  while (answer['type'] === 'result') answer = await client.request('store.all', { bucket: 'orders' })
  t.match(answer, { code: 'UNAUTHORIZED', message: 'Session expired' })
})

t.test('its sample of another kind of token is an option', async t => {
  const users: Record<string, unknown> = { good: { id: 'alice', roles: ['writer'], expiresAt: undefined } }
  const withUsers = (code: string): string =>
    `const lookUp = token => (${JSON.stringify(users)})[token]\n${code}`
  const { auth } = await runSample(t, document, 'external', ['auth'], withUsers) as { auth: ExternalAuth }
  const { connect } = await serve(t, { auth })
  const client = await connect()
  t.equal(await client.code('auth.login', { token: 'bad' }), 'UNAUTHORIZED')
  t.match(await client.ask('auth.login', { token: 'good' }), { userId: 'alice' })
})

t.test('its gateway sample lets in the user that the gateway names', async t => {
  setEnvironment(t, 'GATEWAY_SECRET', 'known-to-the-gateway')
  const app = Fastify({ forceCloseConnections: true })
  t.teardown(async () => { await app.close() })
  const here = sample(document, 'gateway').replace('10.1.2.3', '127.0.0.1')
  await runBody(here, { app, noexPlugin, store: await startStore(t) })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const url = `ws://127.0.0.1:${(app.server.address() as AddressInfo).port}`
  const headers = {
    origin: 'https://desk.example.com',
    'x-forwarded-user': 'alice',
    'x-forwarded-groups': 'user',
    'x-gateway-secret': 'known-to-the-gateway'
  }
  const client = await TestClient.open(t, url, { headers })
  t.match(await client.ask('auth.whoami'), { userId: 'alice', roles: ['user'] })
  await t.rejects(TestClient.open(t, url), 'and no other client')
})

t.test('its sample of accounts serves, with the secret from the environment', async t => {
  setEnvironment(t, 'ADMIN_SECRET', 'from the environment')
  const store = await startStore(t)
  const code = `${anyPort(sample(document, 'built-in'))}; return server`
  const server = await runBody(code, { NoexServer, store }) as NoexServer
  t.teardown(async () => { await server.stop() })
  const client = await TestClient.open(t, `ws://127.0.0.1:${server.port}`)
  await client.ask('identity.loginWithSecret', { secret: 'from the environment' })
  const tooShort = { username: 'alice', password: 'too short' }
  t.equal(await client.code('identity.createUser', tooShort), 'VALIDATION_ERROR')
  const alice = { username: 'alice', password: 'long enough for this' }
  const { id } = await client.ask('identity.createUser', alice)
  await client.ask('identity.assignRole', { userId: id, roleName: 'writer' })
  t.match(await client.ask('identity.login', alice), { user: { roles: ['writer'] } })
})

t.test('the sample of docs/permissions.md says what the text says', async t => {
  const { permissions } = await runSample(t, 'docs/permissions.md', 'permissions', ['permissions']) as {
    permissions: PermissionConfig
  }
  const { connect, store } = await serve(t, { auth: { validate: token => JSON.parse(token), permissions } })
  await store.defineBucket('orders', {
    key: 'id',
    schema: {
      id: { type: 'string', generated: 'uuid' }, clerk: { type: 'string' }, status: { type: 'string' }
    }
  })
  await store.bucket('orders').insertMany(['carl', 'cleo'].map(clerk => ({ clerk, status: 'new' })))
  const aggregate = { function: 'count', groupBy: 'status' } as const
  store.defineDeclarativeQuery('orders-by-status', { bucket: 'orders', aggregate })
  const client = await connect()
  const as = async (userId: string, role: string): Promise<unknown> =>
    await client.ask('auth.login', { token: JSON.stringify({ userId, roles: [role] }) })
  await as('carl', 'clerk')
  t.match(await client.ask('store.all', { bucket: 'orders' }), [{ clerk: 'carl' }])
  t.equal(await client.code('store.insert', { bucket: 'orders', data: { clerk: 'cleo' } }), 'FORBIDDEN')
  await as('bea', 'board')
  const counts = { data: [{ key: { status: 'new' }, value: 2 }] }
  t.match(await client.ask('store.subscribe', { query: 'orders-by-status' }), counts)
  t.equal(await client.code('store.all', { bucket: 'orders' }), 'FORBIDDEN')
  await as('max', 'manager')
  t.equal(await client.ask('store.count', { bucket: 'orders' }), 2)
})
