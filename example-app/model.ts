import { defineSchema, type InsertOf, type RecordOf, type TypedStore } from 'fastify-noex/store'

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

/**
 * Defines the queries that clients watch. The buckets have to be defined before. Each is given as data, so
 * that a change costs what it changes, and a client that comes back gets what it has missed.
 */
export function defineQueries (store: DeskStore): void {
  store.defineDeclarativeQuery('all-customers', { bucket: 'customers' })
  store.defineDeclarativeQuery('all-products', { bucket: 'products' })
  store.defineDeclarativeQuery('open-orders', {
    bucket: 'orders',
    filter: { status: { $in: openStatuses } },
    sort: { number: 'desc' }
  })
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

function whole (value: unknown): string | undefined {
  return Number.isSafeInteger(value) ? undefined : 'must be a whole number'
}
