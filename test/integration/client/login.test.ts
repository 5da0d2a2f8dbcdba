import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { clientFor } from '../../support/client-parts.js'
import { serveTokens } from '../../support/external-auth.js'
import { freePort } from '../../support/free-port.js'
import { PASSWORD, serveAccounts } from '../../support/identity.js'
import { startProgram } from '../../support/program.js'
import { projectFile } from '../../support/project-file.js'
import { Relay } from '../../support/relay.js'
import { serve } from '../../support/service.js'
import { until } from '../../support/until.js'

t.test('logs in at each connect, with the token of the moment', async t => {
  const { port, asked } = await serveTokens(t)
  const relay = await Relay.start(port)
  t.teardown(async () => { await relay.stop() })
  let calls = 0
  const client = clientFor(t, `ws://127.0.0.1:${relay.port}`, { getToken: () => ++calls === 1 ? 'writer' : 'admin' })
  t.match(await client.request('auth.whoami'), { userId: 'walt' })
  relay.fail('cut')
  await until(() => client.states.includes('waiting'))
  await client.reached('open')
  t.match(await client.request('auth.whoami'), { userId: 'anna' })
  t.same(asked.map(({ token }) => token), ['writer', 'admin'])
})

t.test('a session that ends is renewed before, and work goes on', async t => {
  const { url, tokens, asked } = await serveTokens(t)
  let calls = 0
  const client = clientFor(t, url, {
    getToken: () => {
      const token = `walt ${++calls}`
      tokens[token] = { userId: 'walt', roles: ['writer'], expiresAt: Date.now() + 3_000 }
      return token
    }
  })
  await client.reached('open')
  let writes = 0
  while (asked.length < 3) {
    await client.request('store.insert', { bucket: 'items', data: { n: ++writes } })
    await sleep(5)
  }
  t.same(client.states, ['connecting', 'open'])
  t.equal(client.state.error, undefined)
  t.equal((await client.request('store.count', { bucket: 'items' })), writes)
})

t.test('a clock that is wrong by a day, either way, changes nothing of that', async t => {
  const port = await freePort()
  await startProgram(
    t, [process.execPath, projectFile('dist/test/support/child-server.js'), String(port), '3000'], port
  )
  const { now } = Date
  t.teardown(() => { Date.now = now })
  for (const wrongMs of [86_400_000, -86_400_000]) {
    Date.now = () => now() + wrongMs
    let calls = 0
    const client = clientFor(t, `ws://127.0.0.1:${port}`, { getToken: () => `token ${++calls}` })
    await client.reached('open')
    await sleep(100)
    t.equal(calls, 1, 'not renewed too early')
    await until(() => calls === 2)
    t.same(client.states, ['connecting', 'open'], 'nor too late')
    client.close()
  }
})

t.test('a renewal that fails is shown, and tried until it succeeds', async t => {
  const { url, tokens } = await serveTokens(t)
  let calls = 0
  const client = clientFor(t, url, {
    getToken: async () => {
      if (++calls === 2) throw new Error('the identity provider is away')
      const ttlMs = calls === 1 ? 3_000 : 60_000
      tokens['walt'] = { userId: 'walt', roles: ['writer'], expiresAt: Date.now() + ttlMs }
      return 'walt'
    }
  })
  await client.reached('open')
  await until(() => client.state.error !== undefined)
  t.match(client.state, { value: 'open', error: { code: 'LOGIN_FAILED', message: /identity provider is away.*tried/ } })
  await until(() => client.state.error === undefined)
  t.same(client.states, ['connecting', 'open'])
})

t.test('a renewal that fails for ever ends in waiting when the session does', async t => {
  const { url, tokens } = await serveTokens(t)
  let isAway = false
  const client = clientFor(t, url, {
    getToken: () => {
      if (isAway) throw new Error('away')
      isAway = true
      tokens['walt'] = { userId: 'walt', roles: ['writer'], expiresAt: Date.now() + 1_500 }
      return 'walt'
    }
  })
  await client.reached('open')
  await until(() => client.states.includes('waiting'))
  t.match(client.problems.at(-1), /away/)
  const written = client.request('store.insert', { bucket: 'items', data: { n: 1 } })
  isAway = false
  t.match(await written, { n: 1 }, 'a request waits for the login')
  t.notOk(client.states.includes('refused'))
})

t.test('a token that the server refuses is a state, and no loop', async t => {
  const { url, asked } = await serveTokens(t)
  let token = 'unknown'
  const client = clientFor(t, url, { getToken: () => token })
  await client.reached('refused')
  t.match(client.state.error, { code: 'UNAUTHORIZED', message: /Invalid token.*log in anew.*reconnect\(\)/ })
  await sleep(100)
  t.equal(asked.length, 1)
  token = 'writer'
  client.reconnect()
  await client.reached('open')
})

t.test('a user who is revoked is told so, and does not come back', async t => {
  const { app, url } = await serveTokens(t, {}, { revocation: {} })
  const client = clientFor(t, url, { getToken: () => 'writer' })
  await client.reached('open')
  app.noex.revokeSession('walt')
  await client.reached('refused')
  t.match(client.state.error, { code: 'SESSION_REVOKED' })
  client.reconnect()
  await until(() => client.states.filter(state => state === 'refused').length === 2)
  t.match(client.state.error, { code: 'SESSION_REVOKED', message: /cannot log in/ })
})

t.test('a getToken that hangs is given up, and tried again', async t => {
  const { url } = await serveTokens(t)
  let calls = 0
  const client = clientFor(t, url, {
    connectTimeoutMs: 100,
    getToken: () => ++calls === 1 ? new Promise<never>(() => {}) : 'writer'
  })
  await client.reached('waiting')
  t.match(client.problems, [/too long/])
  await client.reached('open')
})

t.test('a server without a login takes a client that would log in', async t => {
  const { url } = await serve(t)
  const client = clientFor(t, url, { getToken: () => 'not needed' })
  await client.reached('open')
})

t.test('a name and a password log in where there are accounts, and wrong ones are refused', async t => {
  const { url, user } = await serveAccounts(t)
  const userId = await user('alice', 'writer')
  const client = clientFor(t, url, { getToken: () => ({ username: 'alice', password: PASSWORD }) })
  t.match(await client.request('identity.whoami'), { userId })
  const wrong = clientFor(t, url, { getToken: () => ({ username: 'alice', password: 'wrong' }) })
  await wrong.reached('refused')
  t.match(wrong.state.error, { code: 'UNAUTHORIZED', message: /Invalid credentials/ })
})
