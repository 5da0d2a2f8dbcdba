import t from 'tap'
import type { QueryContext } from '@hamicek/noex-store'
import { runBody, sample } from '../support/documents.js'
import { Random } from '../simulation/random.js'
import { serve } from '../support/service.js'

const document = 'docs/live-queries.md'

interface Row { readonly id: string }
type Apply = (rows: readonly Row[], key: string, delta: object) => readonly Row[]

t.test('its function applies each delta of a sorted list', async t => {
  const code = sample(document, 'delta')
  const applied = await runBody(`${code}\nreturn applied`, {}) as Apply
  const { store, connect } = await serve(t)
  const client = await connect()
  const find = { bucket: 'items', filter: { n: { $gte: 0 } }, sort: { n: 'asc' } }
  const { subscriptionId, revision, key, data } = await client.ask('store.subscribe', { find, delta: true })
  let [shown, at] = [data as readonly Row[], revision as number]
  const random = new Random(1)
  const ids = Array.from({ length: 30 }, (_, i) => `i${i}`)
  const items = store.bucket('items')
  for (let round = 0; round < 100; round++) {
    await store.transaction(async tx => {
      const bucket = await tx.bucket('items')
      for (let count = random.below(4); count >= 0; count--) {
        const id = random.pick(ids)
        const n = random.below(10) - 1
        if (await bucket.get(id) === undefined) await bucket.insert({ id, n })
        else if (random.chance(0.3)) await bucket.delete(id)
        else await bucket.update(id, { n })
      }
    })
    await client.settled()
    for (let last = at; last < store.revision && client.waiting.length > 0; last = at) {
      const push = await client.push(subscriptionId)
      shown = push['delta'] === undefined ? push['data'] : applied(shown, key, push['delta'])
      at = push['revision']
    }
    const present = await items.find({ filter: { n: { $gte: 0 } }, sort: { n: 'asc' } })
    t.same(shown, JSON.parse(JSON.stringify(present)), `round ${round}`)
  }
})

t.test('its query in code runs once for all who use the same parameters', async t => {
  const { store, connect } = await serve(t)
  const [text, amount] = [{ type: 'string' }, { type: 'number' }] as const
  const schema = { id: text, customer: text, price: amount, quantity: amount }
  await store.defineBucket('orders', { key: 'id', schema })
  let runs = 0
  const counted = {
    defineQuery (name: string, query: (ctx: QueryContext, params: unknown) => Promise<unknown>) {
      store.defineQuery(name, async (ctx, params: unknown) => {
        runs++
        return await query(ctx, params)
      })
    }
  }
  await runBody(sample(document, 'in-code'), { store: counted })
  const query = 'orders-with-totals'
  const clients = [await connect(), await connect()]
  const replies = []
  for (const [index, client] of clients.entries()) {
    const params = { customer: 'ada', unused: index }
    replies.push(await client.ask('store.subscribe', { query, params, delta: true }))
  }
  t.match(replies, [{ key: 'id', data: [] }, { key: 'id', data: [] }])
  runs = 0
  await store.bucket('orders').insert({ id: 'o1', customer: 'ada', price: 3, quantity: 2 })
  for (const [index, client] of clients.entries()) {
    const push = await client.push(replies[index].subscriptionId)
    t.match(push, { delta: { upsert: [{ id: 'o1', total: 6 }], remove: [] } })
  }
  t.equal(runs, 1)
})

t.test('parameters are copied as it says', async t => {
  const { store, connect } = await serve(t)
  store.defineQuery('whole', async (_ctx, params: object) => structuredClone(params))
  store.defineQuery('copy', async (_ctx, params: object) => structuredClone({ ...params }))
  const client = await connect()
  const params = { a: { b: 1 } }
  t.equal(await client.code('store.subscribe', { query: 'whole', params }), 'INTERNAL_ERROR')
  t.same((await client.ask('store.subscribe', { query: 'copy', params })).data, params)
})
