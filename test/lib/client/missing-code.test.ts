import { writeFileSync } from 'node:fs'
import t from 'tap'
import WebSocket from 'ws'
import { serveTokens } from '../../support/external-auth.js'
import { clientWithout } from '../../support/missing-chunk.js'
import { servePlainly } from '../../support/noex-client.js'
import { serve } from '../../support/service.js'
import { until } from '../../support/until.js'

/** Has a chunk that comes from a server that does not answer. */
function stall (path: string): void {
  writeFileSync(path, 'await new Promise(() => {})')
}

// As after a deployment: the chunks of the page have other names by now.
t.test('without the code of optimistic changes a page is live all the same, and says so', async t => {
  const { createClient } = await clientWithout(t, 'optimistic')
  const { url, store } = await serve(t)
  const client = createClient(url, { WebSocket })
  t.teardown(() => { client.close() })
  const query = client.query({ bucket: 'items' })
  query.subscribe(() => {})
  await until(() => query.status === 'live' && client.state.value === 'open')
  const change = client.optimistic(tx => { tx.bucket('items').insert({ n: 1 }) })
  await t.rejects(change, { code: 'DISCONNECTED', outcome: 'not-done', message: /cannot be loaded/ })
  t.equal(await store.bucket('items').count(), 0)
  t.same(query.getSnapshot(), [])
  t.match(await client.request('store.insert', { bucket: 'items', data: { n: 2 } }), { n: 2 })
})

t.test('code of logins that does not come is given up in its time, and tried again', async t => {
  const { createClient } = await clientWithout(t, 'login', stall)
  const { url } = await serveTokens(t)
  const client = createClient(url, { WebSocket, getToken: () => 'writer', connectTimeoutMs: 100 })
  t.teardown(() => { client.close() })
  await until(() => client.state.value === 'waiting')
  t.match(client.state.error, { code: 'DISCONNECTED', message: /no welcome or login/ })
})

t.test('a final close does not wait for its text for long', async t => {
  const { createClient } = await clientWithout(t, 'remedies', stall)
  const { url } = await servePlainly(t, (_message, socket) => { socket.close(4002, 'session_revoked') })
  const client = createClient(url, { WebSocket, fallback: false })
  t.teardown(() => { client.close() })
  const query = client.query('q')
  query.subscribe(() => {})
  await until(() => client.state.value === 'refused')
  t.match(query.state, { status: 'error', error: { code: 'SESSION_REVOKED', message: /log in anew/ } })
})
