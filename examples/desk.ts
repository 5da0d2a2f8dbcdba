import { createClient } from 'fastify-noex/client'
import type { schema } from '../example-app/model.js'

/** The connection to the order desk, which also serves this page. */
export const client = createClient<typeof schema>('/live')

/** The live queries of the page; their types come from the schema of the server. */
export const api = {
  openOrders: client.query({
    bucket: 'orders', filter: { status: { $in: ['new', 'packed'] } }, sort: { number: 'desc' }
  }),
  products: client.query({ bucket: 'products', sort: { name: 'asc' } }),
  customers: client.query({ bucket: 'customers', sort: { name: 'asc' } })
}

/** Returns the order of one piece. */
export function newOrder ({ id }: { id: string }, { sku, price }: { sku: string, price: number }) {
  return { customerId: id, sku, quantity: 1, unitPrice: price, total: price, status: 'new' as const }
}

export type NewOrder = ReturnType<typeof newOrder>

/** Returns the line of an order, which has no number of the server before that has answered. */
export function lineOf ({ number, quantity, sku }: { number: number, quantity: number, sku: string }) {
  return `${number > 0 ? `#${number}` : 'new'}: ${quantity} × ${sku}`
}
