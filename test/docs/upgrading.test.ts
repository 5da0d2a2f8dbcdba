import { join } from 'node:path'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import type { Store } from '@hamicek/noex-store'
import { Store as OwnStore } from '../../lib/exports/store.js'
import { noexPlugin } from '../../lib/index.js'
import { sample } from '../support/documents.js'
import { jsonLines, Shell } from '../support/shell.js'

const document = 'docs/upgrading.md'

/** Starts a store on a directory, with the bucket of the test. */
async function startOn (t: Test, directory: string): Promise<Store> {
  const store = await OwnStore.start({ name: 'shop', durability: { directory, onNotice () {} } })
  t.teardown(async () => { await store.stop() })
  await store.defineBucket('orders', { key: 'id', schema: { id: { type: 'string' } } })
  return store
}

/** Serves a store on any port. */
async function serveOn (t: Test, store: Store): Promise<number> {
  const app = Fastify()
  t.teardown(async () => { await app.close() })
  await app.register(noexPlugin, { store })
  await app.listen({ port: 0, host: '127.0.0.1' })
  return (app.server.address() as { port: number }).port
}

t.test('its steps of every later upgrade try a copy, and go back', async t => {
  const shell = new Shell(t)
  const data = join(shell.folder, 'data')
  const running = await startOn(t, data)
  await running.bucket('orders').insert({ id: 'before' })
  t.match(await shell.run(sample(document, 'backup')), { code: 0, stderr: '' })

  const tried = await shell.run(sample(document, 'trial'))
  t.match(tried, { code: 0, stderr: '' })
  t.match(jsonLines(tried.stdout), [{ records: 1 }, { ok: true, isRunning: false }])
  const port = await serveOn(t, await startOn(t, join(shell.folder, 'trial')))
  const ready = await shell.run(sample(document, 'ready').replace(':3000', `:${port}`))
  t.match(ready, { code: 0, stdout: /"status":"ok"/ }, 'the copy serves beside the running one')

  await running.stop()
  const upgraded = await startOn(t, data)
  await upgraded.bucket('orders').insert({ id: 'after' })
  await upgraded.stop()
  t.match(await shell.run(sample(document, 'back')), { code: 0, stderr: '' })
  const back = await startOn(t, data)
  t.match(await back.bucket('orders').all(), [{ id: 'before' }])
  t.equal(await back.bucket('orders').count(), 1, 'what was written since is lost')
})
