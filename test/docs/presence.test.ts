import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import type { Store } from '@hamicek/noex-store'
import { TestClient } from '../support/client.js'
import { anyPort, runSample } from '../support/documents.js'

t.test('the sample of presence shows who is there', async t => {
  const { app, store } = await runSample(t, 'docs/presence.md', 'presence', ['app', 'store'], anyPort) as {
    app: FastifyInstance, store: Store
  }
  t.teardown(async () => { await store.stop() })
  t.teardown(async () => { await app.close() })
  const { port } = app.server.address() as AddressInfo
  const as = async (token: string): Promise<TestClient> => {
    const client = await TestClient.open(t, `ws://127.0.0.1:${port}/live`)
    await client.ask('auth.login', { token })
    return client
  }
  const [ann, bob] = [await as('ann'), await as('bob')]
  const query = { query: 'who-is-here', params: { document: 'letter' } }
  t.same((await bob.ask('store.subscribe', query)).data, [])
  const data = { userId: 'ann', document: 'letter' }
  t.equal(await bob.code('store.upsert', { bucket: 'online', data }), 'FORBIDDEN')
  await ann.ask('store.upsert', { bucket: 'online', data })
  t.match(await bob.push(), { data: [{ userId: 'ann', isTyping: false }] })
  ann.ws.close()
  await app.noex.drain()
  t.equal(await store.bucket('online').count(), 0)
})
