import t from 'tap'
import { moduleText } from '../../../../lib/cli/typescript/module-text.js'
import { compile } from '../../../support/compile.js'

const description = {
  buckets: {
    orders: {
      key: 'number',
      schema: {
        number: { type: 'number', generated: 'autoincrement' },
        customer: { type: 'string', required: true },
        status: { type: 'string', required: true, default: 'new', enum: ['new', 'packed'] },
        total: { type: 'number', required: true },
        due: { type: 'date' },
        address: { type: 'object', properties: { city: { type: 'string', required: true } } },
        lines: { type: 'array', items: { type: 'object', properties: { sku: { type: 'string' } } } }
      }
    }
  },
  queries: {
    open: { bucket: 'orders' },
    ofCustomer: {
      bucket: 'orders',
      fields: ['number', 'total'],
      params: {
        customer: { field: 'customer', operator: '$eq' },
        cities: { field: 'address.city', operator: '$in' },
        sku: { field: 'lines.0.sku', operator: '$startsWith' },
        between: { field: 'total', operator: '$between' },
        isDue: { field: 'due', operator: '$exists' }
      }
    },
    most: { bucket: 'orders', aggregate: { function: 'max', field: 'total' } },
    perStatus: { bucket: 'orders', aggregate: { function: 'count', groupBy: ['status'] } },
    inCode: {}
  },
  procedures: { sell: { input: { sku: { type: 'string' }, count: { type: 'number', default: 1 } } } },
  operations: {
    'shop.ship': {
      tier: 'write',
      input: {
        type: 'object',
        properties: {
          order: { type: 'integer' },
          by: { anyOf: [{ const: 'post' }, { const: 'van' }, { type: 'null' }] },
          tags: { type: 'array', items: { type: ['string', 'number'] } }
        },
        required: ['order']
      },
      output: { type: 'object', properties: { at: { type: 'string' } }, required: ['at'] }
    },
    'shop.close': { tier: 'admin', input: { type: 'object', properties: {} } }
  }
}

t.test('a client of the types is accepted where it is right, and refused where it is wrong', async t => {
  const right = `
    import type { LiveQuery, SchemaClient } from 'fastify-noex/client'
    import type { Operations, Schema } from './server.js'
    declare const client: SchemaClient<Schema, Operations>
    export async function use () {
      const data = { customer: 'a', total: 1 }
      const order = await client.request('store.insert', { bucket: 'orders', data })
      const status: 'new' | 'packed' = order.status
      const due: number | string | null | undefined = order.due
      const { at } = await client.request('shop.ship', { order: 1, by: 'van', tags: ['a', 1] })
      const time: string = at
      await client.request('shop.close')
      await client.request('procedures.call', { name: 'sell', input: { sku: 'a' } })
      const total: number | undefined = client.query('open').getSnapshot()?.[0]?.total
      client.query('ofCustomer', {
        customer: 'a', cities: ['Brno', null], sku: 'A', between: [1, 2], isDue: true
      }).getSnapshot()?.[0]?.number.toFixed()
      const most: LiveQuery<number | null> = client.query('most')
      client.query('perStatus').getSnapshot()?.[0]?.key.status
      client.query('inCode', { anything: 1 })
      client.query<number[]>('another')
      return [status, due, time, total, most]
    }`
  const wrong = `
    import type { SchemaClient } from 'fastify-noex/client'
    import type { Operations, Schema } from './server.js'
    declare const client: SchemaClient<Schema, Operations>
    client.request('store.insert', { bucket: 'orders', data: { customer: 'a' } })
    client.request('store.get', { bucket: 'oders', key: 1 })
    client.request('shop.ship', { order: 1, by: 'train' })
    client.request('shop.shp', { order: 1 })
    client.request('procedures.call', { name: 'sell', input: { count: 1 } })
    client.query('opn')
    client.query('ofCustomer', { customer: 1, cities: [], sku: '', between: [1, 2], isDue: true })
    client.query('ofCustomer', { customer: '', cities: [], sku: '', between: [1, 2], isDue: true })
      .getSnapshot()?.[0]?.customer`
  const server = moduleText(description, 'wss://example.com/live')
  t.same(await compile(t, { server, right }), [])
  const lines = (await compile(t, { server, wrong })).map(error => Number(/\((\d+),/.exec(error)?.[1]))
  t.same([...new Set(lines)], [5, 6, 7, 8, 9, 10, 11, 13])
})

t.test('names and values of a hostile server stay what they are, and the module compiles', async t => {
  const names = [
    '', ' ', '__proto__', 'constructor', 'it\'s', '"', '$' + '{x}`', '\\', '\\\'', '*/ export const x = 1 /*',
    '// x', '\n', '\r\n', '\u2028', '\u2029', '\0', '\ud800', '</script>', 'příliš', '日本', '😀', '1', 'a-b',
    '\'; process.exit(1); \'', '}', '] }'
  ]
  const all = (value: (name: string) => unknown): object =>
    Object.fromEntries(names.map(name => [name, value(name)]))
  const hostile = {
    buckets: all(name => ({
      key: name, schema: all(() => ({ type: 'string', enum: names, required: true, default: name }))
    })),
    queries: all(name => ({
      bucket: name,
      fields: names,
      params: all(field => ({ field, operator: name })),
      aggregate: name === '1' ? { function: name, groupBy: names } : undefined
    })),
    procedures: all(() => ({ input: all(name => ({ type: name })) })),
    operations: all(() => ({ input: { type: 'object', properties: all(name => ({ const: name })) } }))
  }
  const server = moduleText(hostile, 'wss://a/\n*/ export const y = 1\u2028')
  const check = `
    import type { Buckets } from './server.js'
    const names: Array<keyof Buckets> = ${JSON.stringify(names)}
    export { names }`
  t.same(await compile(t, { server, check }), [])
  t.notMatch(server, /^export const/m)
})

t.test('anything else than a description gives a module without members', async t => {
  const nonsense = [
    undefined, null, 1, 'text', [], [[]], { buckets: 1, queries: [], procedures: null, operations: 'x' },
    {
      buckets: { a: 1, b: null, c: { key: 1, schema: { x: 1, y: { type: 'no', items: 1, enum: 1 } } } },
      queries: { a: 1, b: { bucket: 1 }, c: { bucket: 'c', params: 1, fields: 1, aggregate: [] } },
      procedures: { a: 1, b: { input: { x: null } } },
      operations: { a: 1, b: { input: { type: [1, 'object'], properties: 1, required: 1 } } }
    }
  ]
  const modules = nonsense.map((value, i) => [`m${i}`, moduleText(value, 'wss://a')])
  t.same(await compile(t, Object.fromEntries(modules)), [])
})
