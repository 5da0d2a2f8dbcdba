import ts from 'typescript'
import t from 'tap'
import { FileAdapter, Store } from '@hamicek/noex-store'
import { startStore } from '../support/service.js'
import { readDocument, runSample, sample } from '../support/documents.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const document = 'docs/store.md'

t.test('its persistence sample keeps what is stored', async t => {
  const directory = temporaryDirectory(t)
  const here = (code: string): string => code.replace('\'data\'', JSON.stringify(directory))
  const { store } = await runSample(t, document, 'persistence', ['store'], here) as { store: Store }
  const definition = { key: 'id', schema: { id: { type: 'string' } } } as const
  await store.defineBucket('orders', definition)
  await store.bucket('orders').insert({ id: 'a' })
  await store.stop()
  const again = await Store.start({ name: 'shop', persistence: { adapter: new FileAdapter({ directory }) } })
  t.teardown(async () => { await again.stop() })
  await again.defineBucket('orders', definition)
  t.equal(await again.bucket('orders').count(), 1)
})

t.test('its sample of the store finds the dearest orders, and changes one', async t => {
  const silent = (code: string): string => code.replace(/console\.log\(.*?\)/, '')
  const names = ['store', 'dearest', 'stop']
  const { store, dearest, stop } = await runSample(t, document, 'find', names, silent) as {
    store: Store, dearest: object[], stop: () => void
  }
  t.teardown(async () => { await store.stop() })
  stop()
  t.match(dearest, [{ total: 90 }, { total: 55 }])
  t.equal(await store.bucket('orders').sum('total'), 155)
})

t.test('its sample of types compiles, as that of noex-store does, and runs', async t => {
  // npm run test:types compiles this file.
  const compiled = readDocument('packages/noex-store/test/types/readme.ts')
  t.equal(sample(document, 'types').replace('fastify-noex/store', '@hamicek/noex-store'), compiled)
  t.ok(readDocument('packages/noex-store/README.md').includes(compiled))
  const target = ts.ScriptTarget.ES2023
  const plain = (code: string): string => ts.transpileModule(code, { compilerOptions: { target } }).outputText
  const { store, first } = await runSample(t, document, 'types', ['store', 'first'], plain) as {
    store: Store, first: object
  }
  t.teardown(async () => { await store.stop() })
  t.match(first, { number: 1, status: 'new', total: 20, address: { city: 'Brno' } })
})

t.test('its sample of a durable store has its orders after a restart', async t => {
  const directory = temporaryDirectory(t)
  const change = (code: string): string => code.replace('\'data\'', JSON.stringify(directory))
  const { store, number } = await runSample(t, document, 'durability', ['store', 'number'], change) as {
    store: Store, number: number
  }
  t.equal(number, 1)
  await store.stop()
  const next = await startStore(t, { durability: { directory } })
  t.match(await next.bucket('orders').all(), [{ number: 1, total: 20 }])
})
