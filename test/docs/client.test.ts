import Fastify from 'fastify'
import t from 'tap'
import WebSocket from 'ws'
import { resolveOptions } from '../../lib/client/client-options.js'
import {
  createClient, NoexClient, preload, type Client, type WebSocketClass
} from '../../lib/client/index.js'
import { noexPlugin } from '../../lib/index.js'
import { readDocument, runBody, sample, tableBelow } from '../support/documents.js'
import { startStore } from '../support/service.js'
import { until } from '../support/until.js'

const path = 'docs/client.md'
const document = readDocument(path)

/** Returns a sample without its imports, which `runBody` passes in. */
function body (name: string): string {
  return sample(path, name).replace(/^import .*\n/gm, '')
}

t.test('its samples run, one after the other', async t => {
  const store = await startStore(t)
  await store.defineBucket('orders', {
    key: 'id',
    schema: {
      id: { type: 'string', generated: 'uuid' },
      item: { type: 'string', required: true },
      status: { type: 'string', default: 'open' }
    }
  })
  store.defineDeclarativeQuery('open-orders', { bucket: 'orders', filter: { status: 'open' } })
  const app = Fastify()
  t.teardown(async () => { await app.close() })
  await app.register(noexPlugin, { store, path: '/live' })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const url = (app.listeningOrigin as string).replace('http', 'ws') + '/live'
  const connect = (): Client => {
    const made = createClient(url, { WebSocket: WebSocket as unknown as WebSocketClass })
    t.teardown(() => { made.close() })
    return made
  }
  const shown: any[] = []
  const show = (data: unknown): void => { shown.push(data) }
  const given = { createClient: connect, preload, app, show, request: null }

  const { client, order } = await runBody(`${body('client')}\nreturn { client, order }`, given) as {
    client: Client, order: { id: string, _version: number }
  }
  await until(() => shown.at(-1)?.length === 1)
  t.match(shown.at(-1), [{ item: 'lamp', status: 'open' }])

  const watching = `${body('query')}\nreturn unsubscribe`
  const unsubscribe = await runBody(watching, { ...given, client }) as () => void
  await until(() => shown.at(-1)?.[0]?.id === order.id)
  unsubscribe()

  const json = await runBody(`${body('preload')}\nreturn json`, given) as string
  const later = connect()
  await runBody(body('hydrate'), { ...given, client: later, json })
  t.match(shown.at(-1), [{ item: 'lamp' }])

  await runBody(body('optimistic'), { ...given, client, order })
  t.match(await store.bucket('orders').get(order.id), { status: 'packed' })
  await until(() => shown.at(-1)?.length === 0)
})

t.test('its table of options has every option with its default', async t => {
  const rows = tableBelow(document, '| option | default').split('\n').slice(2)
  const documented = new Map(rows.map(row => row.split('|').slice(1, 3).map(cell => cell.trim())) as
    Array<[string, string]>)
  const types = readDocument('lib/client/types.ts')
  const [, members = ''] = /interface ClientOptions {([^]*?)\n}/.exec(types) ?? []
  const names = [...members.matchAll(/^ {2}readonly (\w+)\?:/gm)].map(([, name]) => name)
  t.ok(names.length > 9)
  t.same([...documented.keys()].sort(), names.map(name => `\`${name}\``).sort())
  for (const [name, value] of Object.entries(resolveOptions({}))) {
    t.equal(documented.get(`\`${name}\``)?.replaceAll(/[`_]/g, ''), String(value), name)
  }
})

t.test('its table of states has every state', async t => {
  for (const state of ['connecting', 'open', 'leaving', 'waiting', 'offline', 'refused']) {
    t.match(document, `| \`${state}\` |`)
  }
  t.type(NoexClient, 'function')
})
