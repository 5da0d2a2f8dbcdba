import { defineSchema, type TypedStore } from '@hamicek/noex-store'

/** A schema with a field of every kind. */
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
      created: { type: 'number', generated: 'timestamp' },
      total: { type: 'number', required: true, validate: value => value === 0 ? 'must not be 0' : undefined },
      note: { type: 'string' },
      due: { type: 'date' },
      address: {
        type: 'object',
        properties: { city: { type: 'string', required: true }, zip: { type: 'number' } }
      },
      lines: {
        type: 'array',
        required: true,
        items: { type: 'object', properties: { sku: { type: 'string', required: true } } }
      },
      tags: { type: 'array', items: { type: 'string', enum: ['a', 'b'] } },
      extra: { type: 'object' },
      list: { type: 'array' }
    },
    indexes: ['status', 'due'],
    validate: ({ total }) => typeof total === 'number' ? undefined : ['no total']
  },
  sessions: { key: 'at', schema: { at: { type: 'date' } }, ttl: '1h' }
})

export type Shop = typeof shop
export declare const store: TypedStore<Shop>
