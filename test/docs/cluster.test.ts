import type { FastifyInstance } from 'fastify'
import t from 'tap'
import type { Store } from '@hamicek/noex-store'
import { createTables } from '../../lib/cluster/tables.js'
import { readDocument, runSample, setEnvironment } from '../support/documents.js'
import { testDatabase } from '../support/postgres.js'

const document = 'docs/cluster.md'

t.test('its sample has the store in a log, and so has a second one', async t => {
  const { connectionString, isServer } = await testDatabase(t)
  if (!isServer) return
  setEnvironment(t, 'DATABASE_URL', connectionString)
  const run = async (): Promise<{ app: FastifyInstance, store: Store }> => {
    const node = await runSample(t, document, 'cluster', ['app', 'store']) as Awaited<ReturnType<typeof run>>
    t.teardown(async () => {
      await node.app.close()
      await node.store.stop()
    })
    return node
  }
  const leader = await run()
  await leader.app.noex.store.bucket('orders').insert({ id: 'a' })
  t.match((await leader.app.inject('/readyz')).json(), { status: 'ok' })
  const standby = await run()
  t.equal(await standby.store.bucket('orders').count(), 1)
  t.match((await standby.app.inject('/readyz')).json(), { status: 'standby' })
})

t.test('its statements are those that make the tables', async t => {
  const [, statements = ''] = /```sql\n([^]*?)\n```/.exec(readDocument(document)) ?? []
  const plain = (text: string): string => text.replaceAll(/\s+/g, ' ').replaceAll('( ', '(').replaceAll(' )', ')')
  t.equal(plain(statements), plain(createTables))
})
