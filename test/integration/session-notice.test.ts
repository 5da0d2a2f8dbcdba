import t from 'tap'
import type { TestClient } from '../support/client.js'
import { serveTokens } from '../support/external-auth.js'
import { PASSWORD, serveAccounts } from '../support/identity.js'
import { until } from '../support/until.js'

const ended = { type: 'system', event: 'session_ended', reason: 'ended' }

/** Logs in as a client that asks for the notice. */
async function noticed (client: TestClient, members: object, type = 'auth.login'): Promise<TestClient> {
  await client.ask(type, { ...members, sessionNotice: true })
  return client
}

t.test('a session that expires is told at once, to a client that has asked for that', async t => {
  const { tokens, connect, app } = await serveTokens(t)
  const [told, other] = await Promise.all([connect(), connect()])
  tokens['short'] = { userId: 'sam', roles: ['reader'], expiresAt: Date.now() + 1_000 }
  await noticed(told, { token: 'short' })
  await other.ask('auth.login', { token: 'short' })
  t.same(await told.next(), { ...ended, reason: 'expired' })
  await until(() => app.noex.getConnections().every(({ authenticated }) => !authenticated))
  await other.settled()
  t.same(other.waiting, [], 'clients that do not know it see nothing of it')
  await told.ask('auth.login', { token: 'reader' })
  t.match(await told.ask('auth.whoami'), { userId: 'rita' }, 'the connection goes on')
})

t.test('it is asked for once for a connection', async t => {
  const { tokens, connect } = await serveTokens(t)
  const client = await noticed(await connect(), { token: 'reader' })
  tokens['short'] = { userId: 'rita', roles: ['reader'], expiresAt: Date.now() + 1_000 }
  await client.ask('auth.login', { token: 'short' })
  t.same(await client.next(), { ...ended, reason: 'expired' })
})

t.test('a token that its issuer takes back is told with the refusal', async t => {
  const { tokens, connect } = await serveTokens(t, { revalidateMs: 0 })
  const client = await noticed(await connect(), { token: 'reader' })
  tokens['reader'] = null
  t.equal(await client.code('store.count', { bucket: 'items' }), 'UNAUTHORIZED')
  t.same(client.waiting, [ended])
})

t.test('the end of an account session is told on its other connections only', async t => {
  const { user, token, connect } = await serveAccounts(t)
  const userId = await user('alice', 'writer')
  const same = await token(userId)
  const [first, second] = [await noticed(await connect(), { token: same }), await connect()]
  await noticed(second, { token: same })
  await first.ask('identity.logout')
  t.same(await second.next(), ended)
  await first.settled()
  t.same(first.waiting, [], 'not of the own logout')

  await noticed(first, { username: 'alice', password: PASSWORD }, 'identity.login')
  await noticed(second, { token: await token(userId) })
  const newPassword = `${PASSWORD} and more`
  await first.ask('identity.changePassword', { userId, currentPassword: PASSWORD, newPassword })
  t.same(await second.next(), ended)
  await first.ask('identity.refreshSession')
  await first.settled()
  t.same(first.waiting, [], 'one that is replaced has not ended')
  t.match(await first.ask('identity.whoami'), { userId })
})

t.test('a logout and a user who is barred are told as ever', async t => {
  const { app, connect } = await serveTokens(t, {}, { revocation: {} })
  const client = await noticed(await connect(), { token: 'writer' })
  await client.ask('auth.logout')
  await client.settled()
  t.same(client.waiting, [])
  await noticed(client, { token: 'writer' })
  app.noex.revokeSession('walt')
  t.match(await client.next(), { event: 'session_revoked' })
})

t.test('a member that is no boolean is refused', async t => {
  const { connect } = await serveTokens(t)
  const client = await connect()
  t.equal(await client.code('auth.login', { token: 'reader', sessionNotice: 1 }), 'VALIDATION_ERROR')
})
