import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { openStore } from '../../example-app/store.js'
import { verifyTrail } from '../../lib/audit/file/verify.js'
import { TestClient } from '../support/client.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { liveUrl, placeOrder } from '../support/order-desk.js'

interface ServerProcess {
  readonly port: number
  readonly signal: (name: NodeJS.Signals) => void
  /** The exit code. */
  readonly exited: Promise<number | null>
}

/** Runs the server as a process of its own, in the way in which this test runs. */
async function startProcess (t: Test, directory: string, drainDelayMs: number): Promise<ServerProcess> {
  const server = fileURLToPath(new URL('../../example-app/server.js', import.meta.url))
  const child = spawn(process.execPath, [...process.execArgv, server], {
    env: { ...process.env, PORT: '0', DATA_DIR: directory, DRAIN_DELAY_MS: String(drainDelayMs) },
    stdio: ['ignore', 'pipe', 'inherit']
  })
  t.teardown(() => { child.kill('SIGKILL') })
  const exited = once(child, 'exit').then(([code]) => code as number | null)
  const port = await new Promise<number>((resolve, reject) => {
    createInterface(child.stdout).on('line', line => {
      const found = /Server listening at http:\/\/127\.0\.0\.1:(\d+)/.exec(line)?.[1]
      if (found !== undefined) resolve(Number(found))
    })
    exited.then(code => { reject(new Error(`the server has ended with ${code}`)) })
  })
  return { port, signal: name => { child.kill(name) }, exited }
}

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
