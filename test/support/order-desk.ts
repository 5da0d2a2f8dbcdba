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
