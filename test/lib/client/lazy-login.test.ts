import t from 'tap'
import WebSocket from 'ws'
import { serveTokens } from '../../support/external-auth.js'
import { clientWithout } from '../../support/missing-chunk.js'
import { until } from '../../support/until.js'

t.test('a page without the code of logins waits and tries again, and says why', async t => {
  const { createClient } = await clientWithout(t, 'login')
  const { url } = await serveTokens(t)
  const client = createClient(url, { WebSocket, getToken: () => 'admin', minDelayMs: 10, fallback: false })
  t.teardown(() => { client.close() })
  const states = new Set<string>()
  client.state.subscribe(() => { states.add(client.state.value) })
  await until(() => client.state.value === 'waiting')
  t.match(client.state.error, { code: 'LOGIN_FAILED', message: /login.*\.mjs/ })
  const request = client.request('store.buckets', {}, { timeoutMs: 200 })
  await t.rejects(request, { code: 'TIMEOUT', outcome: 'not-done' })
  t.notOk(states.has('refused'))
})

t.test('a final close without the texts says its code', async t => {
  const { createClient } = await clientWithout(t, 'remedies')
  const { url } = await serveTokens(t, {}, { maxConnectionsPerIp: 1 })
  const clients = [1, 2].map(() => {
    const client = createClient(url, { WebSocket, getToken: () => 'admin', fallback: false })
    t.teardown(() => { client.close() })
    return client
  })
  const refused = (): typeof clients => clients.filter(({ state }) => state.value === 'refused')
  await until(() => refused().length === 1)
  t.match(refused()[0]?.state.error, { code: 'REFUSED', message: /closed with 4003 too_many_connections: remedy/ })
})
