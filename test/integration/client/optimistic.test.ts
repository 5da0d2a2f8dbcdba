import t, { type Test } from 'tap'
import type { LiveQuery, QueryState } from '../../../lib/client/types.js'
import { clientFor, type TestedClient } from '../../support/client-parts.js'
import { Relay } from '../../support/relay.js'
import { serve, type Served } from '../../support/service.js'
import { until } from '../../support/until.js'

interface Board extends Served {
  readonly relay: Relay
  readonly client: TestedClient
}

/** Serves items, and opens a client behind a network that can fail. */
async function startBoard (t: Test): Promise<Board> {
  const served = await serve(t)
  const { store } = served
  await store.bucket('items').insertMany(['a', 'b', 'c'].map((name, n) => ({ id: name, name, n })))
  store.defineQuery('in-code', async context =>
    await context.bucket('items').where({ name: { $neq: 'hidden' } }))
  store.defineDeclarativeQuery('count', { bucket: 'items', aggregate: { function: 'count' } })
  const relay = await Relay.start(served.port)
  t.teardown(async () => { await relay.stop() })
  const client = clientFor(t, `ws://127.0.0.1:${relay.port}`)
  // The code is loaded by then.
  await client.optimistic(() => {})
  return { ...served, relay, client }
}

/** Watches a query; returns the texts that `look` makes of its states. */
async function shown (
  t: Test, query: LiveQuery<any>, look: (state: QueryState<any>) => unknown
): Promise<string[]> {
  const texts: string[] = []
  t.teardown(query.subscribe(() => {
    const text = JSON.stringify(look(query.state))
    if (texts.at(-1) !== text) texts.push(text)
  }))
  await until(() => query.status === 'live')
  return texts
}

const names = ({ data }: QueryState<any>): unknown => data?.map(({ name }: any) => name)

t.test('a change is shown at once, and its answer takes its place without a flash', async t => {
  const { client } = await startBoard(t)
  const lists = [client.query({ bucket: 'items', sort: { n: 'asc' } }), client.query('in-code')]
  const texts = await Promise.all(lists.map(async list => await shown(t, list, names)))
  const changed = client.optimistic(tx => { tx.bucket('items').update('b', { name: 'B' }) })
  for (const list of lists) t.match(list.getSnapshot()[1], { name: 'B', _version: 1 })
  t.match(await changed, { results: [{ data: { name: 'B' } }] })
  for (const list of lists) await until(() => list.getSnapshot()[1]._version === 2)
  for (const each of texts) t.same(each, ['["a","b","c"]', '["a","B","c"]'])
})

t.test('a new record is shown once, first with a key of the client, then with its own', async t => {
  const { client } = await startBoard(t)
  const list = client.query({ bucket: 'items', sort: { n: 'asc' } })
  const named = client.query('in-code')
  const count = client.query('count')
  const texts = await shown(t, list, names)
  const counts = await shown(t, count, ({ data }) => data)
  await shown(t, named, names)
  const added = client.optimistic(tx => {
    tx.bucket('items').insert({ name: 'new', n: 0.5 })
    tx.query<number>(count, n => n + 1)
  })
  t.same(names(list.state), ['a', 'new', 'b', 'c'])
  t.equal(count.getSnapshot(), 4)
  const { results: [{ data }] } = await added
  await until(() => named.getSnapshot().length === 4)
  await until(() => list.getSnapshot()[1].id === data.id)
  t.same(texts, ['["a","b","c"]', '["a","new","b","c"]'])
  t.same(counts, ['3', '4'])
})

t.test('a refused change is taken back, and the call says why', async t => {
  const { client } = await startBoard(t)
  const list = client.query({ bucket: 'items' })
  const texts = await shown(t, list, names)
  const former = list.getSnapshot()
  await t.rejects(client.optimistic(tx => {
    tx.bucket('items').delete('a')
    tx.bucket('items').update('b', { n: 'text' })
  }), { code: 'VALIDATION_ERROR' })
  await t.rejects(client.optimistic(tx => {
    tx.bucket('items').update('b', { name: 'B' }, { expectedVersion: 7 })
  }), { code: 'CONFLICT' })
  t.same(texts, ['["a","b","c"]', '["b","c"]', '["a","b","c"]', '["a","B","c"]', '["a","b","c"]'])
  t.same(list.getSnapshot(), former)
})

t.test('what the server shows otherwise is shown as the server does, when the answer is in', async t => {
  const { client } = await startBoard(t)
  const named = client.query('in-code')
  const texts = await shown(t, named, names)
  await client.optimistic(tx => { tx.bucket('items').update('b', { name: 'hidden' }) })
  await until(() => named.getSnapshot().length === 2)
  t.same(texts, ['["a","b","c"]', '["a","hidden","c"]', '["a","c"]'])
})

t.test('a change without a connection is shown, and comes to the server when there is one', async t => {
  const { client, store, relay } = await startBoard(t)
  const list = client.query({ bucket: 'items' })
  const texts = await shown(t, list, names)
  relay.isDown = true
  relay.fail('cut')
  await until(() => list.status === 'stale')
  const added = client.optimistic(tx => {
    tx.bucket('items').insert({ name: 'new' })
    tx.bucket('items').update('a', { name: 'A' })
  }, { retry: true })
  t.same(names(list.state), ['A', 'b', 'c', 'new'])
  relay.isDown = false
  const { results: [{ data }] } = await added
  await client.reached('open')
  await until(() => list.getSnapshot()[3]?._version === 1 && list.getSnapshot()[3].id === data.id)
  t.same(texts, ['["a","b","c"]', '["A","b","c","new"]'])
  t.equal(await store.bucket('items').count(), 4)
})

t.test('retried changes over failing links are made once, and never shown twice or taken back', async t => {
  const { client, store, relay } = await startBoard(t)
  const list = client.query({ bucket: 'items' })
  const added: string[] = []
  const wrong: string[] = []
  t.teardown(list.subscribe(() => {
    const shown = list.getSnapshot().map(({ name }: any) => name)
    for (const name of added) {
      if (shown.filter((other: string) => other === name).length !== 1) wrong.push(`${name}: ${shown}`)
    }
  }))
  await client.reached('open')
  for (let i = 0; i < 30; i++) {
    const name = `new ${i}`
    await client.reached('open')
    // Then the write arrives, and nothing comes back.
    if (i % 3 === 0) relay.fail('half-open')
    const done = client.optimistic(tx => { tx.bucket('items').insert({ name }) }, { retry: true })
    added.push(name)
    if (i % 3 === 0) {
      await until(async () => await store.bucket('items').count() === i + 4)
      client.reconnect()
    }
    if (i % 3 === 1) relay.fail('cut')
    await done
  }
  await client.reached('open')
  await until(() => list.getSnapshot().every(({ id }: any) => !String(id).startsWith('optimistic')))
  t.same(wrong, [])
  t.equal(list.getSnapshot().length, 33)
  t.equal(await store.bucket('items').count(), 33)
})
