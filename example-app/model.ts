import {
  defineSchema, type InsertOf, type RecordOf, type TypedQueryContext, type TypedStore
} from 'fastify-noex/store'

/** The stages of an order. It is open in the first two. */
const statuses = ['new', 'packed', 'shipped', 'cancelled'] as const
export type Status = typeof statuses[number]

export const openStatuses: readonly Status[] = ['new', 'packed']

/**
 * The buckets. Browsers write to them directly, so every rule that holds for any client stands here: no
 * stock below zero, no order without a customer, no total that does not add up. Prices and totals are whole
 * cents, so that sums stay exact.
 */
export const schema = defineSchema({
  customers: {
    key: 'id',
    schema: {
      id: { type: 'string', generated: 'uuid' },
      name: { type: 'string', required: true, minLength: 1, maxLength: 100 },
      email: { type: 'string', required: true, format: 'email', unique: true }
    }
  },
  products: {
    // A key is unique anyway.
    key: 'sku',
    schema: {
      sku: { type: 'string', required: true, pattern: '^[A-Z]{3}-\\d{3}$' },
      name: { type: 'string', required: true, minLength: 1, maxLength: 100 },
      price: { type: 'number', required: true, min: 0, validate: whole },
      stock: { type: 'number', required: true, min: 0, validate: whole }
    }
  },
  orders: {
    key: 'number',
    schema: {
      number: { type: 'number', generated: 'autoincrement' },
      customerId: { type: 'string', required: true, ref: 'customers' },
      sku: { type: 'string', required: true, ref: 'products' },
      quantity: { type: 'number', required: true, min: 1, max: 1_000, validate: whole },
      unitPrice: { type: 'number', required: true, min: 0, validate: whole },
      total: { type: 'number', required: true },
      status: { type: 'string', required: true, default: 'new', enum: statuses },
      paid: { type: 'boolean', required: true, default: false }
    },
    indexes: ['status', 'customerId', 'sku'],
    validate: ({ quantity, unitPrice, total }) =>
      total === Number(quantity) * Number(unitPrice) ? undefined : ['total must be quantity × unitPrice']
  }
})

/** The types of records, inserts and filters are made of this one. */
type Desk = typeof schema
export type DeskStore = TypedStore<Desk>

export type Product = RecordOf<Desk, 'products'>
export type Customer = RecordOf<Desk, 'customers'>
export type Order = RecordOf<Desk, 'orders'>
export type NewProduct = InsertOf<Desk, 'products'>
export type NewCustomer = InsertOf<Desk, 'customers'>

/** A row of the live query `open-orders`. */
export interface OpenOrder extends Pick<Order, 'number' | 'sku' | 'quantity' | 'total' | 'status' | 'paid'> {
  readonly customer: string
  readonly product: string
  /** The `expectedVersion` of a change that is based on this row. */
  readonly version: number
}

/** Defines the queries that clients watch. The buckets have to be defined before. */
export function defineQueries (store: DeskStore): void {
  store.defineQuery('open-orders', openOrders)
  store.defineDeclarativeQuery('orders-by-status', {
    bucket: 'orders',
    aggregate: { function: 'count', groupBy: 'status' }
  })
  store.defineDeclarativeQuery('low-stock', {
    bucket: 'products',
    filter: { stock: { $lte: '{{ params.atMost }}' } },
    sort: { stock: 'asc', name: 'asc' },
    fields: ['sku', 'name', 'stock']
  })
}

/** Orders to be packed and shipped, newest first, with names in place of keys. */
async function openOrders (ctx: TypedQueryContext<Desk>): Promise<OpenOrder[]> {
  const orders = await ctx.bucket('orders').where({ status: { $in: openStatuses } })
  const rows = orders.map(async ({ number, sku, customerId, quantity, total, status, paid, _version }) => {
    // Read one by one, these make the query depend on these very records and not on the whole buckets.
    const customer = await ctx.bucket('customers').get(customerId)
    const product = await ctx.bucket('products').get(sku)
    return {
      number,
      customer: String(customer?.name),
      product: String(product?.name),
      sku,
      quantity,
      total,
      status,
      paid,
      version: _version
    }
  })
  return (await Promise.all(rows)).sort((a, b) => b.number - a.number)
}

function whole (value: unknown): string | undefined {
  return Number.isSafeInteger(value) ? undefined : 'must be a whole number'
}
