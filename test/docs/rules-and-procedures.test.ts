import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { RuleEngine } from '@hamicek/noex-rules'
import type { Store } from '@hamicek/noex-store'
import type { ProcedureOptions } from '../../lib/index.js'
import { TestClient, type Frame } from '../support/client.js'
import { serve, startStore } from '../support/service.js'
import { anyPort, runSample } from '../support/documents.js'

t.test('the sample of rules announces a large order', async t => {
  const { app, store } = await runSample(t, 'docs/rules.md', 'rules', ['app', 'store'], anyPort) as {
    app: FastifyInstance, store: Store
  }
  t.teardown(async () => { await store.stop() })
  t.teardown(async () => { await app.close() })
  const { port } = app.server.address() as AddressInfo
  const client = await TestClient.open(t, `ws://127.0.0.1:${port}/live`)
  await client.ask('rules.subscribe', { pattern: 'order.*' })
  for (const total of [1_000, 1_001]) await client.ask('store.insert', { bucket: 'orders', data: { total } })
  const event = { data: { id: String, total: 1_001 }, source: 'rule' }
  t.match(await client.push(), { channel: 'event', data: { topic: 'order.large', event } })
})

t.test('the transfer moves money, or nothing', async t => {
  const { transfer } = await runSample(t, 'docs/procedures.md', 'transfer', [])
  const store = await startStore(t)
  await store.defineBucket('accounts', {
    key: 'id',
    schema: { id: { type: 'string' }, balance: { type: 'number', min: 0 } }
  })
  await store.bucket('accounts').insertMany([{ id: 'a', balance: 5 }, { id: 'b', balance: 5 }])
  const procedures = { definitions: [transfer] } as ProcedureOptions
  const { connect } = await serve(t, { procedures }, { store })
  const client = await connect()
  const move = async (from: string, to: string, amount: number): Promise<Frame> =>
    await client.request('procedures.call', { name: 'transfer', input: { from, to, amount } })
  t.match(await move('a', 'b', 3), { data: { result: true } })
  const tooLittle = { code: 'VALIDATION_ERROR', details: [{ field: 'balance', code: 'min' }] }
  t.match(await move('a', 'b', 3), tooLittle)
  t.match(await move('a', 'none', 1), { code: 'NOT_FOUND' })
  t.match(await move('b', 'a', -1), { data: { result: false } })
  t.match(await store.bucket('accounts').all(), [{ id: 'a', balance: 2 }, { id: 'b', balance: 8 }])
})

t.test('the sample of procedures places an order, or none', async t => {
  const { procedures } = await runSample(t, 'docs/procedures.md', 'procedures', [])
  const store = await startStore(t)
  await store.defineBucket('products', {
    key: 'sku',
    schema: { sku: { type: 'string' }, stock: { type: 'number' } }
  })
  await store.defineBucket('orders', {
    key: 'id',
    schema: {
      id: { type: 'string', generated: 'uuid' }, sku: { type: 'string' }, quantity: { type: 'number' }
    }
  })
  await store.bucket('products').insert({ sku: 'A1', stock: 3 })
  const rules = await RuleEngine.start()
  t.teardown(async () => { await rules.stop() })
  const { connect } = await serve(t, { procedures: procedures as ProcedureOptions, rules }, { store })
  const client = await connect()
  await client.ask('rules.subscribe', { pattern: 'order.placed' })
  const place = async (input: object): Promise<Frame> =>
    await client.ask('procedures.call', { name: 'place-order', input })
  t.match(await place({ sku: 'A1', quantity: 4 }), { success: true, result: null })
  const { result } = await place({ sku: 'A1' }) as { result: { id: string } }
  t.match(result, { sku: 'A1', quantity: 1 })
  t.match(await client.push(), { data: { event: { data: { id: result.id } } } })
})
