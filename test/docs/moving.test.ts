import t from 'tap'
import { WebSocket } from 'ws'
import type { NoexClient } from '../../lib/client/index.js'
import { runSample } from '../support/documents.js'
import { serve } from '../support/service.js'

t.test('the client of a guide of noex-server runs with its import changed', async t => {
  const { url } = await serve(t)
  // Node 20 has none of its own.
  t.intercept(globalThis as { WebSocket?: unknown }, 'WebSocket', { value: WebSocket })
  const here = (code: string): string => code.replace('wss://api.example.com', url)
  const { client } = await runSample(t, 'docs/moving-from-noex-server.md', 'client', ['client'], here) as {
    client: NoexClient
  }
  t.teardown(async () => { await client.disconnect() })
  t.equal(client.isConnected, true)
  t.match(await client.store.bucket('items').insert({ name: 'lamp' }), { name: 'lamp' })
})
