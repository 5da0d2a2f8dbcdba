import type { BucketDefinition, QueryContext, Store, StoreRecord } from 'fastify-noex/store'

/** The stages of an order. It is open in the first two. */
export const statuses = ['new', 'packed', 'shipped', 'cancelled'] as const
export type Status = typeof statuses[number]

export const openStatuses: readonly Status[] = ['new', 'packed']

/** Prices and totals are whole cents, so that sums stay exact. */
export interface Product {
  readonly sku: string
  readonly name: string
  readonly price: number
  readonly stock: number
}

export interface Customer {
  readonly id: string
  readonly name: string
  readonly email: string
}

export interface Order {
  readonly number: number
  readonly customerId: string
  readonly sku: string
  readonly quantity: number
  readonly unitPrice: number
  readonly total: number
  readonly status: Status
  readonly paid: boolean
}

/** A row of the live query `open-orders`. */
export interface OpenOrder extends Pick<Order, 'number' | 'sku' | 'quantity' | 'total' | 'status' | 'paid'> {
  readonly customer: string
  readonly product: string
  /** What `expectedVersion` has to be, for a change that is based on this row. */
  readonly version: number
}

/**
 * The buckets. Browsers write to them directly, so what must hold whatever a client sends stands here:
 * no stock below zero, no order for nobody, no total that does not add up.
 */
export const buckets: Readonly<Record<string, BucketDefinition>> = {
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
      status: { type: 'string', required: true, default: 'new' satisfies Status, enum: statuses },
      paid: { type: 'boolean', default: false }
    },
    indexes: ['status', 'customerId', 'sku'],
    validate: ({ quantity, unitPrice, total }) =>
      total === (quantity as number) * (unitPrice as number) ? undefined : ['total must be quantity × unitPrice']
  }
}

/** Defines the queries that clients watch. The buckets have to be defined before. */
export function defineQueries (store: Store): void {
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

/** What has to be packed and shipped, newest first, with names in place of keys. */
async function openOrders (ctx: QueryContext): Promise<OpenOrder[]> {
  const orders = await ctx.bucket('orders').where({ status: { $in: openStatuses } }) as Array<StoreRecord<Order & Record<string, unknown>>>
  const rows = orders.map(async ({ number, sku, customerId, quantity, total, status, paid, _version }) => {
    // Read one by one, these make the query depend on these very records and not on the whole buckets.
    const customer = await ctx.bucket('customers').get(customerId)
    const product = await ctx.bucket('products').get(sku)
    return {
      number,
      customer: String(customer?.['name']),
      product: String(product?.['name']),
      sku,
      quantity,
      total,
      status,
      paid: paid === true,
      version: _version
    }
  })
  return (await Promise.all(rows)).sort((a, b) => b.number - a.number)
}

function whole (value: unknown): string | undefined {
  return Number.isSafeInteger(value) ? undefined : 'must be a whole number'
}
