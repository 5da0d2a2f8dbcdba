import t from 'tap'
import { FileLog, Store } from '@hamicek/noex-store'
import { serve, startStore } from '../support/service.js'
import { logInto } from '../support/log-into.js'

t.test('A bucket whose definition is not complete is logged once, and answered each time', async t => {
  const directory = t.testdir()
  const before = await Store.start()
  const first = new FileLog({ directory })
  await before.attachLog(first)
  for (const name of ['checked', 'filled']) {
    await before.defineBucket(name, {
      key: 'id', schema: { id: { type: 'string' }, n: { type: 'number', validate: () => undefined } }
    })
  }
  await before.whenDurable()
  await before.stop()
  await first.close()
  const store = await startStore(t)
  const lines: any[] = []
  const { connect } = await serve(t, {}, { store, fastify: { logger: logInto(lines, 'error') } })
  // Behind the plugin's back: at boot it refuses a store with such a bucket.
  const second = new FileLog({ directory })
  await store.attachLog(second)
  const clients = [await connect(), await connect()]
  for (const client of [...clients, ...clients]) {
    for (const bucket of ['checked', 'filled']) {
      const insert = { bucket, data: { id: 'a' } }
      const failure = { code: 'INTERNAL_ERROR', details: { reason: 'definition_missing', bucket } }
      t.match(await client.request('store.insert', insert), failure)
      t.match(
        await client.request('store.transaction', { operations: [{ op: 'insert', ...insert }] }),
        failure
      )
    }
  }
  await second.close()
  t.same(
    lines.filter(({ reason }) => reason === 'definition_missing').map(({ bucket }) => bucket),
    ['checked', 'filled']
  )
})
