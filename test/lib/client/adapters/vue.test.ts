import t from 'tap'
import { computed, createSSRApp, effectScope, h, nextTick, shallowRef } from 'vue'
import { renderToString } from 'vue/server-renderer'
import { NoexClientError } from '../../../../lib/client/errors.js'
import { useConnection, useInfinite, useMutation, useQuery } from '../../../../lib/client/adapters/vue.js'
import type { LiveQuery } from '../../../../lib/client/types.js'
import { HandClient, HandQuery } from '../../../support/hand-client.js'

t.test('useQuery has the first data, each change, an error, and ends with its scope', async t => {
  const query = new HandQuery<string[]>()
  const scope = effectScope()
  const { data, status, error } = scope.run(() => useQuery(query))!
  t.equal(status.value, 'loading')
  await nextTick()
  t.equal(query.listeners.size, 1)
  query.show(['a'])
  t.same([status.value, data.value, error.value], ['live', ['a'], undefined])
  const rows = data.value
  query.change({ status: 'stale' })
  t.equal(status.value, 'stale')
  t.equal(data.value, rows, 'data that have not changed are the same, and no proxy')
  const problem = new NoexClientError('NOT_FOUND', 'there is no such query')
  query.fail(problem)
  t.equal(error.value, problem)
  scope.stop()
  t.equal(query.listeners.size, 0)
})

t.test('useQuery follows a getter or a ref, and rests where there is no query', async t => {
  const [first, second] = [new HandQuery<string>('1'), new HandQuery<string>('2')]
  first.show('one')
  second.show('two')
  const chosen = shallowRef<LiveQuery<string> | null>()
  const scope = effectScope()
  const { data, status } = scope.run(() => useQuery(() => chosen.value))!
  t.equal(status.value, 'idle')
  chosen.value = first
  t.equal(data.value, 'one', 'at once')
  await nextTick()
  chosen.value = second
  t.equal(data.value, 'two')
  await nextTick()
  t.same([first.listeners.size, second.listeners.size], [0, 1])
  first.show('not looked at')
  t.equal(data.value, 'two')
  chosen.value = null
  await nextTick()
  t.equal(status.value, 'idle')
  t.equal(second.listeners.size, 0)
  scope.stop()
})

t.test('a change between the rendering and the subscription is not missed', async t => {
  const query = new HandQuery<string>()
  const scope = effectScope()
  const { data } = scope.run(() => useQuery(query))!
  t.equal(data.value, undefined)
  query.show('early')
  await nextTick()
  t.equal(data.value, 'early')
  scope.stop()
})

t.test('a server reads only', async t => {
  const query = new HandQuery<string[]>()
  query.show(['a'], { status: 'stale' })
  const app = createSSRApp({
    setup () {
      const { data } = useQuery(query)
      return () => h('ul', data.value?.map(row => h('li', row)))
    }
  })
  t.equal(await renderToString(app), '<ul><li>a</li></ul>')
  await nextTick()
  t.equal(query.subscriptions, 0)
})

t.test('useInfinite has pages as one list, follows its parameters, and asks for the next', async t => {
  const client = new HandClient()
  const of = shallowRef('a')
  const scope = effectScope()
  const list = scope.run(() =>
    useInfinite<number>(client, 'numbers', computed(() => ({ of: of.value })), { limit: 2 }))!
  await nextTick()
  const first = client.query('numbers', { of: 'a' }, { page: { limit: 2 } })
  first.show([1, 2], { hasMore: true, nextCursor: '2' })
  t.same([list.data.value, list.hasMore.value], [[1, 2], true])
  list.loadMore()
  t.equal(list.isLoadingMore.value, true)
  client.query('numbers', { of: 'a' }, { page: { limit: 2, after: '2' } }).show([3], { hasMore: false })
  t.same([list.data.value, list.hasMore.value], [[1, 2, 3], false])
  of.value = 'b'
  await nextTick()
  t.equal(list.data.value, undefined)
  t.equal(client.listeners, 1)
  scope.stop()
  t.equal(client.listeners, 0)
})

t.test('useConnection has the state of the connection, and why', async t => {
  const { state } = new HandClient()
  const scope = effectScope()
  const { status, error, retryAt } = scope.run(() => useConnection({ state }))!
  await nextTick()
  t.equal(status.value, 'open')
  const problem = new NoexClientError('DISCONNECTED', 'the server is away')
  state.change({ value: 'waiting', error: problem, retryAt: 1 })
  t.same([status.value, error.value, retryAt.value], ['waiting', problem, 1])
  scope.stop()
  t.equal(state.listeners.size, 0)
})

t.test('useMutation makes a change, and has how it goes', async t => {
  const client = new HandClient()
  const scope = effectScope()
  const [run, { isPending, data, error, reset }] = scope.run(() =>
    useMutation(client, (tx, number: number) => { tx.bucket('orders').update(number, { paid: true }) }))!
  await nextTick()
  const answer = run(4)
  t.equal(isPending.value, true)
  const change = { op: 'update', bucket: 'orders', key: 4, record: { paid: true } }
  t.match(client.requests, [{ members: [change] }])
  client.requests[0]?.answer([{}])
  t.same(await answer, [{}])
  t.same([isPending.value, data.value, error.value], [false, [{}], undefined])
  reset()
  t.equal(data.value, undefined)
  scope.stop()
})
