import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { openStore } from '../../example-app/store.js'
import { verifyTrail } from '../../lib/audit/file/verify.js'
import { TestClient } from '../support/client.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { liveUrl, placeOrder, startProcess } from '../support/order-desk.js'

async function statusOf (port: number, path: string): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`)
  await response.text()
  return response.status
}

for (const [signal, drainDelayMs] of [['SIGTERM', 1_000], ['SIGINT', 0]] as const) {
  t.test(`${signal} sends the clients away, saves and ends the process well`, async t => {
    const directory = temporaryDirectory(t)
    const server = await startProcess(t, directory, drainDelayMs)
    const client = await TestClient.open(t, liveUrl(server.port))
    await placeOrder(client, 'VAS-001', 1)

    server.signal(signal)
    if (drainDelayMs > 0) {
      while (await statusOf(server.port, '/readyz') === 200);
      t.equal(await statusOf(server.port, '/readyz'), 503, 'load balancers get to know')
      t.equal(await statusOf(server.port, '/livez'), 200, 'it is not to be killed')
      const late = await TestClient.open(t, liveUrl(server.port))
      t.ok(await late.ask('store.all', { bucket: 'products' }), 'who still comes is served')
      late.ws.close()
    }
    t.match(await client.next(frame => frame['type'] === 'system'), {
      type: 'system',
      event: 'shutdown',
      gracePeriodMs: 5_000,
      reconnectAfterMs: Number
    })
    // Who is still there may finish what it is about.
    await placeOrder(client, 'VAS-001', 10)
    client.ws.close()
    t.equal(await server.exited, 0)

    const { store, close } = await openStore({ directory })
    t.match(await store.bucket('products').get('VAS-001'), { stock: 10 })
    await close()

    const trail = join(directory, 'audit', 'audit.jsonl')
    t.match(await verifyTrail({ files: [trail] }), { ok: true, firstSeq: 1, sinceCheckpoint: 0 })
    const lines = (await readFile(trail, 'utf8')).split('\n')
    const edited = lines.findIndex(line => line.includes('"store.transaction"'))
    t.ok(edited >= 0, 'an order is in the trail')
    lines[edited] = (lines[edited] as string).replace('"success"', '"error"')
    await writeFile(trail, lines.join('\n'))
    t.match(
      await verifyTrail({ files: [trail] }),
      { ok: false, line: edited + 1 },
      'and an edit of it is found'
    )
  })
}
