import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import WebSocket from 'ws'
import type { Store } from '@hamicek/noex-store'
import { createClient } from '../../lib/client/index.js'
import { runBody, runSample, sample } from '../support/documents.js'

/** Starts the service of docs/operations.md, which listens only when a test has it do so. */
async function startShop (t: Test): Promise<{ app: FastifyInstance, store: Store }> {
  const { app, store } = await runSample(t, 'docs/operations.md', 'operations', ['app', 'store'], code =>
    code.replace('logger: true', 'logger: false').replace(/await app\.listen.*/, '')) as {
    app: FastifyInstance, store: Store
  }
  t.teardown(async () => { await store.stop() })
  t.teardown(async () => { await app.close() })
  await store.bucket('products').insert({ sku: 'A1', stock: 5 })
  return { app, store }
}

t.test('a test of the service needs no network', async t => {
  const { app, store } = await startShop(t)
  await runBody(sample('docs/application.md', 'inject'), { app, assert, once })
  t.match(await store.bucket('products').get('A1'), { stock: 3 })
  t.match(await store.bucket('orders').all(), [{ sku: 'A1', quantity: 2 }])
})

t.test('or has the client on any free port', async t => {
  const { app, store } = await startShop(t)
  await runBody(sample('docs/application.md', 'test-client'), { app, assert, createClient, WebSocket })
  t.match(await store.bucket('products').get('A1'), { stock: 4 })
})

t.test('the store of the application takes what a route imports', async t => {
  const { app, store } = await startShop(t)
  await runBody(sample('docs/application.md', 'store'), { app })
  const body = [{ sku: 'B2' }, { sku: 'C3' }]
  const { statusCode } = await app.inject({ method: 'POST', url: '/import', body })
  t.equal(statusCode, 200)
  t.match(await store.bucket('orders').all(), [{ sku: 'B2' }, { sku: 'C3' }])
})
