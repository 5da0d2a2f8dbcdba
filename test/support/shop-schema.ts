import { defineSchema, type TypedStore } from '@hamicek/noex-store'
import { operation, Type } from '../../lib/index.js'

/** The buckets of a shop. */
export const shop = defineSchema({
  customers: {
    key: 'id',
    schema: {
      id: { type: 'string', generated: 'uuid' },
      name: { type: 'string', required: true, minLength: 1 }
    }
  },
  orders: {
    key: 'number',
    schema: {
      number: { type: 'number', generated: 'autoincrement' },
      customerId: { type: 'string', required: true, ref: 'customers' },
      status: { type: 'string', required: true, default: 'new', enum: ['new', 'packed'] },
      paid: { type: 'boolean', default: false },
      total: { type: 'number', required: true },
      note: { type: 'string' },
      due: { type: 'date' },
      address: { type: 'object', properties: { city: { type: 'string', required: true } } },
      tags: { type: 'array', items: { type: 'string', enum: ['a', 'b'] } }
    },
    indexes: ['status']
  },
  visits: { key: 'at', schema: { at: { type: 'date' } }, ttl: '1h' }
})

/** Operations that the shop has beside those of the server. */
export const operations = [
  operation({
    name: 'shop.ship',
    input: Type.Object({ order: Type.Number(), carrier: Type.Optional(Type.String()) }),
    handler: async ({ input: { order, carrier } }) => ({ order, carrier, at: new Date() })
  }),
  operation({
    name: 'shop.close',
    output: Type.Object({ open: Type.Boolean() }),
    handler: () => ({ open: false })
  }),
  operation({
    name: 'shop.ring',
    input: Type.Object({ times: Type.Optional(Type.Number()) }),
    handler: () => undefined
  })
]

/** Defines the queries of the shop; their types are those of what it returns. */
export function defineQueries (store: TypedStore<typeof shop>) {
  return {
    'open-orders': store.defineDeclarativeQuery('open-orders', {
      bucket: 'orders', filter: { status: '{{ params.status }}' }, sort: { total: 'desc' }
    }),
    everything: store.defineDeclarativeQuery('everything', { bucket: 'orders' }),
    large: store.defineQuery('large', async (context, { above }: { readonly above: number }) =>
      await context.bucket('orders').where({ total: { $gt: above } })),
    latest: store.defineQuery('latest', async context => (await context.bucket('orders').last(1))[0])
  }
}

/** All that a client of the shop knows of it. */
export interface Shop {
  readonly buckets: typeof shop
  readonly queries: ReturnType<typeof defineQueries>
  readonly procedures: {
    readonly sell: {
      readonly input: { readonly sku: string, readonly count?: number }
      readonly result: number
    }
  }
}
