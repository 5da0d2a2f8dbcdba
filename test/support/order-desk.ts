import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import type { Customer, Product } from '../../example-app/model.js'
import { TestClient } from './client.js'

export type Stored<T> = T & { readonly _version: number }

export function liveUrl (port: number): string {
  return `ws://127.0.0.1:${port}/live`
}

export async function productOf (client: TestClient, sku: string): Promise<Stored<Product>> {
  return await client.ask('store.get', { bucket: 'products', key: sku })
}

/** The two entries with which the page places an order. */
export async function orderEntries (
  client: TestClient,
  product: Stored<Product>,
  quantity: number
): Promise<object[]> {
  const [customer] = await client.ask('store.all', { bucket: 'customers' }) as [Customer]
  const { sku, price, stock, _version } = product
  return [
    {
      op: 'insert',
      bucket: 'orders',
      data: { customerId: customer.id, sku, quantity, unitPrice: price, total: quantity * price }
    },
    {
      op: 'update',
      bucket: 'products',
      key: sku,
      data: { stock: stock - quantity },
      expectedVersion: _version
    }
  ]
}

export async function placeOrder (client: TestClient, sku: string, quantity: number): Promise<any> {
  const operations = await orderEntries(client, await productOf(client, sku), quantity)
  return await client.ask('store.transaction', { operations })
}

/** The server of the order desk as a process of its own. */
export interface ServerProcess {
  readonly port: number
  readonly signal: (name: NodeJS.Signals) => void
  /** The exit code. */
  readonly exited: Promise<number | null>
}

/** Runs the server as a process of its own, in the way in which this test runs. */
export async function startProcess (
  t: Test, directory: string, drainDelayMs = 0, port = 0
): Promise<ServerProcess> {
  const server = fileURLToPath(new URL('../../example-app/server.js', import.meta.url))
  const child = spawn(process.execPath, [...process.execArgv, server], {
    env: { ...process.env, PORT: String(port), DATA_DIR: directory, DRAIN_DELAY_MS: String(drainDelayMs) },
    stdio: ['ignore', 'pipe', 'inherit']
  })
  t.teardown(() => { child.kill('SIGKILL') })
  const exited = once(child, 'exit').then(([code]) => code as number | null)
  const listeningPort = await new Promise<number>((resolve, reject) => {
    createInterface(child.stdout).on('line', line => {
      const found = /Server listening at http:\/\/127\.0\.0\.1:(\d+)/.exec(line)?.[1]
      if (found !== undefined) resolve(Number(found))
    })
    exited.then(code => { reject(new Error(`the server has ended with ${code}`)) })
  })
  return { port: listeningPort, signal: name => { child.kill(name) }, exited }
}
