import t from 'tap'
import { serve } from '../../support/service.js'
import { LiveSocket, keysShown } from '../../support/live-socket.js'
import { defineCounted, insertItem } from '../../support/live-queries.js'

t.test('a query in code that changes its own rows in place is shown as it is', async t => {
  const { url, store, connect } = await serve(t)
  const cached = new Map<unknown, Record<string, unknown>>()
  store.defineQuery('cached', async ctx => {
    for (const { id, name, n } of await ctx.bucket('items').all()) {
      const row = cached.get(id) ?? { id }
      cached.set(id, Object.assign(row, { name, n }))
    }
    return [...cached.values()]
  })
  const records = new Map<unknown, Record<string, unknown>>()
  store.defineQuery('cached-records', async ctx => {
    for (const record of await ctx.bucket('items').all()) {
      const row = records.get(record['id']) ?? {}
      records.set(record['id'], Object.assign(row, record))
    }
    return [...records.values()]
  })
  const writer = await connect()
  const { id } = await insertItem(writer, { name: 'a', n: 1 })
  const client = await LiveSocket.open(t, url)
  const view = await client.watch({ query: 'cached' })
  const ofRecords = await client.watch({ query: 'cached-records' })
  await writer.ask('store.update', { bucket: 'items', key: id, data: { n: 2 } })
  await client.until(() => (view.data as Array<{ n: number }>)[0]?.n === 2)
  await client.until(() => (ofRecords.data as Array<{ n: number }>)[0]?.n === 2)
  t.same(keysShown(view), [id])
})

t.test('a query in code that changes its parameters gets those of its client at each run', async t => {
  const { url, store, connect } = await serve(t)
  const given: unknown[] = []
  const query = defineCounted<{ page: number, list: number[] }>(store, 'meddles', async (ctx, params) => {
    given.push(JSON.parse(JSON.stringify(params)))
    params.page += 1
    params.list.push(7)
    return [params.page, params.list.length, await ctx.bucket('items').count()]
  })
  const writer = await connect()
  const client = await LiveSocket.open(t, url)
  const params = { page: 1, list: [1] }
  const first = await client.watch({ query: 'meddles', params })
  t.same(first.data, [2, 2, 0])
  const runs = query.count
  const other = await client.watch({ query: 'meddles', params: { page: 2, list: [1] } })
  t.same(other.data, [3, 2, 0], 'those of another client are its own')
  const same = await client.watch({ query: 'meddles', params })
  t.same(same.data, [2, 2, 0])
  t.equal(query.count, runs + 1, 'equal parameters are evaluated once')
  await insertItem(writer, {})
  await client.until(() => (first.data as number[])[2] === 1 && (other.data as number[])[2] === 1)
  t.same(first.data, [2, 2, 1])
  t.same(other.data, [3, 2, 1])
  for (const one of given) t.same((one as { list: unknown }).list, [1])
})

t.test('parameters are told apart by what they are', async t => {
  const { url, store } = await serve(t)
  store.defineQuery<{ a?: number }>('reads-a', async (ctx, params) => {
    await ctx.bucket('items').count()
    return [params.a ?? 'none']
  })
  const client = await LiveSocket.open(t, url)
  t.same((await client.watch({ query: 'reads-a', params: { a: 1 } })).data, [1])
  t.same((await client.watch({ query: 'reads-a', params: [['a', 1]] })).data, ['none'], 'a list is no object')
  t.same((await client.watch({ query: 'reads-a', params: { a: '1' } })).data, ['1'])
  t.same((await client.watch({ query: 'reads-a', params: {} })).data, ['none'])
  t.same((await client.watch({ query: 'reads-a', params: { b: 1 } })).data, ['none'])
})

t.test('a query in code that reads ever other parameters is taken to use all of them', async t => {
  const { url, store, connect } = await serve(t)
  let run = 0
  store.defineQuery<Record<string, unknown>>('curious', async (ctx, params) => {
    run++
    const read = Array.from({ length: 10_000 }, (_, i) => params[`name ${run} ${i}`])
    return [await ctx.bucket('items').count() + read.filter(value => value !== undefined).length]
  })
  const writer = await connect()
  const client = await LiveSocket.open(t, url)
  const view = await client.watch({ query: 'curious', params: { a: 1 } })
  const other = await client.watch({ query: 'curious', params: { a: 2 } })
  for (let n = 1; n <= 3; n++) await insertItem(writer, {})
  await client.until(() => (view.data as number[])[0] === 3 && (other.data as number[])[0] === 3)
  t.pass()
})
