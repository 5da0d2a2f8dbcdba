import { setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { NoexClientError } from '../../../../lib/client/errors.js'
import { useConnection, useInfinite, useMutation, useQuery } from '../../../../lib/client/adapters/svelte.js'
import { importCode, openPage, useFrameworks } from '../../../support/frameworks.js'
import { HandClient, HandQuery } from '../../../support/hand-client.js'

useFrameworks()
const page = openPage()
const { fromStore, get } = await import('svelte/store')
const { compile } = await import('svelte/compiler')
const { flushSync, mount, unmount } = await import('svelte')
const { render } = await import('svelte/server')

/** A component of Svelte 5 with runes, whose query may change. */
const source = `
  <script>
    let { query, useQuery } = $props()
    const orders = $derived(useQuery(query))
  </script>
  <p>{$orders.status}: {$orders.data}</p>`

async function component (t: Test, generate: 'client' | 'server'): Promise<any> {
  const { default: made } = await importCode(t, compile(source, { generate, runes: true }).js.code)
  return made
}

t.test('useQuery has the first data, each change, an error, and ends with its last reader', async t => {
  const query = new HandQuery<string[]>()
  const shown: unknown[] = []
  const end = useQuery(query).subscribe(({ status, data, error }) => { shown.push([status, data, error]) })
  await setImmediate()
  t.equal(query.listeners.size, 1)
  query.show(['a'])
  const error = new NoexClientError('NOT_FOUND', 'there is no such query')
  query.fail(error)
  t.same(shown, [['loading', undefined, undefined], ['live', ['a'], undefined], ['error', ['a'], error]])
  end()
  t.equal(query.listeners.size, 0)
  query.show(['late'])
  t.equal(shown.length, 3)
})

t.test('it is a store of Svelte, and rests where there is no query', async t => {
  const query = new HandQuery<string>()
  query.show('one')
  t.equal(get(useQuery(query)).data, 'one')
  t.equal(fromStore(useQuery(query)).current.data, 'one')
  t.equal(get(useQuery<string>(undefined)).status, 'idle')
  await setImmediate()
  t.equal(query.subscriptions, 0, 'a glance is no subscription')
})

t.test('a component shows it, follows another query, and ends with the component', async t => {
  const [first, second] = [new HandQuery<string>('1'), new HandQuery<string>('2')]
  second.show('two')
  const { writable } = await import('svelte/store')
  const query = writable(first)
  const props = { useQuery, get query () { return fromStore(query).current } }
  const mounted = mount(await component(t, 'client'), { target: page as any, props })
  flushSync()
  t.equal(page.textContent.trim(), 'loading:')
  await setImmediate()
  first.show('one')
  flushSync()
  t.equal(page.textContent.trim(), 'live: one')
  query.set(second)
  flushSync()
  t.equal(page.textContent.trim(), 'live: two')
  await setImmediate()
  t.same([first.listeners.size, second.listeners.size], [0, 1])
  await unmount(mounted)
  t.equal(second.listeners.size, 0)
})

t.test('a server reads only', async t => {
  const query = new HandQuery<string>()
  query.show('one', { status: 'stale' })
  const { body } = render(await component(t, 'server'), { props: { query, useQuery } })
  t.match(body, 'stale: one')
  await setImmediate()
  t.equal(query.subscriptions, 0)
})

t.test('useInfinite has the pages of a list as one, and asks for the next', async t => {
  const client = new HandClient()
  const list = useInfinite<number>(client, 'numbers', {}, { limit: 2 })
  const end = list.subscribe(() => {})
  await setImmediate()
  client.query('numbers', {}, { page: { limit: 2 } }).show([1, 2], { hasMore: true, nextCursor: '2' })
  list.loadMore()
  t.match(get(list), { data: [1, 2], isLoadingMore: true })
  client.query('numbers', {}, { page: { limit: 2, after: '2' } }).show([3], { hasMore: false })
  t.match(get(list), { data: [1, 2, 3], hasMore: false })
  end()
  t.equal(client.listeners, 0)
})

t.test('useConnection has the state of the connection, and why', async t => {
  const { state } = new HandClient()
  const shown: unknown[] = []
  const end = useConnection({ state }).subscribe(({ status, retryAt }) => { shown.push([status, retryAt]) })
  await setImmediate()
  state.change({ value: 'waiting', retryAt: 1 })
  t.same(shown, [['open', undefined], ['waiting', 1]])
  end()
  t.equal(state.listeners.size, 0)
})

t.test('useMutation makes a change, and has how it goes', async t => {
  const client = new HandClient()
  const [run, state] = useMutation(client, (tx, number: number) => {
    tx.bucket('orders').update(number, { paid: true })
  })
  const shown: unknown[] = []
  state.subscribe(({ isPending, data }) => { shown.push([isPending, data]) })
  await setImmediate()
  const answer = run(4)
  const change = { op: 'update', bucket: 'orders', key: 4, record: { paid: true } }
  t.match(client.requests, [{ members: [change] }])
  client.requests[0]?.answer('done')
  t.equal(await answer, 'done')
  state.reset()
  t.same(shown, [[false, undefined], [true, undefined], [false, 'done'], [false, undefined]])
})
