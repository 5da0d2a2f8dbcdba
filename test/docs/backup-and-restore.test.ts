import { readdirSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import type { Store } from '@hamicek/noex-store'
import { jsonlSink } from '../../lib/audit/file/jsonl-sink.js'
import { noexPlugin } from '../../lib/index.js'
import { Store as OwnStore } from '../../lib/exports/store.js'
import { TestClient } from '../support/client.js'
import { runBody, runSample, sample } from '../support/documents.js'
import { jsonLines, Shell } from '../support/shell.js'

const document = 'docs/backup-and-restore.md'

/** Two orders, which a backup is to have. */
const orders = { bucket: 'orders', data: [{ status: 'open' }, { status: 'sent' }] }

interface Service {
  readonly store: Store
  readonly app: FastifyInstance
  readonly client: TestClient
  readonly port: number
  readonly stop: () => Promise<void>
}

/** Starts the service of the guide on the directories `data` and `audit` of a folder. */
async function startService (t: Test, folder: string): Promise<Service> {
  const durability = { directory: join(folder, 'data'), onNotice () {} }
  const store = await OwnStore.start({ name: 'shop', durability })
  await store.defineBucket('orders', {
    key: 'id', schema: { id: { type: 'number', generated: 'autoincrement' }, status: { type: 'string' } }
  })
  const app = Fastify({ forceCloseConnections: true })
  const sinks = [jsonlSink({ path: join(folder, 'audit', 'audit.jsonl') })]
  await app.register(noexPlugin, { store, audit: { tiers: ['write', 'admin'], sinks } })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as { port: number }
  const stop = async (): Promise<void> => {
    await app.close()
    await store.stop()
  }
  t.teardown(stop)
  return { store, app, client: await TestClient.open(t, `ws://127.0.0.1:${port}`), port, stop }
}

t.test('its steps make a backup beside the server, check it, and come back from it', async t => {
  const shell = new Shell(t)
  await shell.run('mkdir audit')
  const first = await startService(t, shell.folder)
  await first.client.ask('store.insertMany', orders)

  await shell.run('mkdir backups')
  const old = join(shell.folder, 'backups', 'shop-2020-01-01.backup')
  writeFileSync(old, 'of another year')
  utimesSync(old, new Date('2020-01-01'), new Date('2020-01-01'))
  const made = await shell.run(sample(document, 'make'))
  t.match(made, { code: 0, stderr: '' })
  t.match(jsonLines(made.stdout), [{ records: 2 }])
  t.equal(readdirSync(join(shell.folder, 'backups')).length, 1, 'those of long ago are gone')
  const own = await runBody(`${sample(document, 'by-application')}; return name`, { ...first })
  t.ok((await first.store.listBackups()).some(({ name }) => name === own))

  const checked = await shell.run(sample(document, 'check'))
  t.match(checked, { code: 0, stderr: '' })
  t.match(jsonLines(checked.stdout), [{ records: 2 }, { ok: true, buckets: { orders: 2 } }])

  const { revision, epoch } = first.store
  await first.client.ask('store.insert', { bucket: 'orders', data: { status: 'after the backup' } })
  await first.stop()
  t.match(await shell.run(sample(document, 'keep')), { code: 0 })
  const restored = await shell.run(sample(document, 'restore'))
  t.match(restored, { code: 0, stderr: '' })
  t.match(jsonLines(restored.stdout), [{ revision, records: 2 }, { ok: true, buckets: { orders: 2 } }])

  const second = await startService(t, shell.folder)
  const ready = await shell.run(sample(document, 'ready').replace(':3000', `:${second.port}`))
  t.match(ready, { code: 0, stdout: /"status":"ok"/ })
  t.match(await second.store.bucket('orders').all(), [{ status: 'open' }, { status: 'sent' }])
  t.not(second.store.epoch, epoch, 'the history is a new one')
  const missing = await shell.run(sample(document, 'missing'))
  t.match(missing, { code: 0, stderr: '' })
  t.match(jsonLines(missing.stdout).filter(({ operation }) => operation === 'store.insert'), [{
    resource: 'orders', revision: revision + 1
  }], 'the trail has what the backup has not')

  t.match(await shell.run(sample(document, 'trail')), { code: 0 }, 'beside the server')
})

t.test('a backup that is cut is refused by the check', async t => {
  const shell = new Shell(t)
  await shell.run('mkdir audit')
  const { client } = await startService(t, shell.folder)
  await client.ask('store.insertMany', orders)
  await shell.run(sample(document, 'make'))
  await shell.run('for file in backups/*; do truncate -s -20 "$file"; done')
  const checked = await shell.run(sample(document, 'check'))
  t.not(checked.code, 0)
  t.match(checked.stderr, /shop-.*\.backup/)
})

t.test('its sample of single records reads them from a restored copy', async t => {
  const shell = new Shell(t)
  await shell.run('mkdir audit')
  const { client } = await startService(t, shell.folder)
  await client.ask('store.insertMany', orders)
  await shell.run(sample(document, 'make'))
  await shell.run('npx fastify-noex restore backups/*.backup drill')
  const drill = JSON.stringify(join(shell.folder, 'drill'))
  const here = (code: string): string => code.replace('\'drill\'', drill)
  const { lost } = await runSample(t, document, 'some-records', ['lost'], here) as { lost: object[] }
  t.match(lost, [{ id: 1, status: 'open' }])
})
