import { defineSchema, Store } from '@hamicek/noex-store'

const schema = defineSchema({
  customers: {
    key: 'id',
    schema: { id: { type: 'string', generated: 'uuid' }, name: { type: 'string', required: true } }
  },
  orders: {
    key: 'number',
    schema: {
      number: { type: 'number', generated: 'autoincrement' },
      customerId: { type: 'string', required: true, ref: 'customers' },
      status: { type: 'string', required: true, default: 'new', enum: ['new', 'packed'] },
      total: { type: 'number', required: true },
      address: { type: 'object', properties: { city: { type: 'string', required: true } } }
    },
    indexes: ['status']
  }
})

// Starts the store and defines its buckets.
const store = await Store.start({ name: 'shop', schema })
const orders = store.bucket('orders')

const { id } = await store.bucket('customers').insert({ name: 'Ada' })
const order = await orders.insert({ customerId: id, total: 20, address: { city: 'Brno' } })
await orders.where({ status: { $in: ['new'] }, total: { $gte: 10 }, 'address.city': { $startsWith: 'B' } })
// @ts-expect-error Object literal may only specify known properties, but 'totl' does not exist in type ...
await orders.where({ totl: 20 })
// @ts-expect-error Type '"sent"' is not assignable to type '"new" | "packed"'.
await orders.update(order.number, { status: 'sent' }).catch(() => {})

const large = store.defineQuery('large', async (ctx, { above }: { above: number }) =>
  await ctx.bucket('orders').where({ total: { $gt: above } }))
const [first] = await store.runQuery(large, { above: 10 })
console.log(first?.status)

await store.on('bucket.orders.updated', ({ newRecord }) => { console.log(newRecord.total) })
