import t from 'tap'
import { NoexClientError } from '../../../../lib/client/errors.js'
import type { LiveQuery } from '../../../../lib/client/types.js'
import { useFrameworks } from '../../../support/frameworks.js'
import { HandClient, HandQuery } from '../../../support/hand-client.js'

useFrameworks()
const { createEffect, createRoot, createSignal } = await import('solid-js')
const { useConnection, useInfinite, useMutation, useQuery } =
  await import('../../../../lib/client/adapters/solid.js')

/** Runs `use` with an owner; returns its result and the function that ends that owner. */
function own<T> (use: () => T): [T, () => void] {
  return createRoot(dispose => [use(), dispose])
}

t.test('useQuery has the first data, each change, an error, and ends with its owner', async t => {
  const query = new HandQuery<string[]>()
  const seen: unknown[] = []
  const [state, dispose] = own(() => {
    const state = useQuery(query)
    createEffect(() => { seen.push(state.data) })
    return state
  })
  t.equal(state.status, 'loading')
  t.equal(query.listeners.size, 1)
  query.show(['a'])
  t.match(state, { status: 'live', data: ['a'], error: undefined })
  query.change({ status: 'stale' })
  t.equal(state.status, 'stale')
  const error = new NoexClientError('NOT_FOUND', 'there is no such query')
  query.fail(error)
  t.match(state, { status: 'error', error })
  t.same(seen, [undefined, ['a']], 'an effect runs only when its member has changed')
  dispose()
  t.equal(query.listeners.size, 0)
})

t.test('useQuery follows a function, and rests where there is no query', async t => {
  const [first, second] = [new HandQuery<string>('1'), new HandQuery<string>('2')]
  first.show('one')
  second.show('two')
  const [chosen, choose] = createSignal<LiveQuery<string> | null | undefined>()
  const [state, dispose] = own(() => useQuery(chosen))
  t.equal(state.status, 'idle')
  choose(first)
  t.equal(state.data, 'one')
  choose(second)
  t.equal(state.data, 'two')
  t.same([first.listeners.size, second.listeners.size], [0, 1])
  choose(null)
  t.equal(state.status, 'idle')
  t.equal(second.listeners.size, 0)
  dispose()
})

t.test('useInfinite has pages as one list, follows its parameters, and asks for the next', async t => {
  const client = new HandClient()
  const [of, setOf] = createSignal('a')
  const [list, dispose] = own(() =>
    useInfinite<number>(client, 'numbers', () => ({ of: of() }), { limit: 2 }))
  const first = client.query('numbers', { of: 'a' }, { page: { limit: 2 } })
  first.show([1, 2], { hasMore: true, nextCursor: '2' })
  list.loadMore()
  t.match(list, { data: [1, 2], isLoadingMore: true })
  client.query('numbers', { of: 'a' }, { page: { limit: 2, after: '2' } }).show([3], { hasMore: false })
  t.match(list, { data: [1, 2, 3], hasMore: false })
  setOf('b')
  t.equal(list.data, undefined)
  t.equal(client.listeners, 1)
  dispose()
  t.equal(client.listeners, 0)
})

t.test('useConnection has the state of the connection, and why', async t => {
  const { state } = new HandClient()
  const [connection, dispose] = own(() => useConnection({ state }))
  t.equal(connection.status, 'open')
  state.change({ value: 'waiting', retryAt: 1 })
  t.match(connection, { status: 'waiting', retryAt: 1 })
  dispose()
  t.equal(state.listeners.size, 0)
})

t.test('useMutation makes a change, and has how it goes', async t => {
  const client = new HandClient()
  const [[run, state], dispose] = own(() => useMutation(client, (tx, number: number) => {
    tx.bucket('orders').update(number, { paid: true })
  }))
  const answer = run(4)
  t.equal(state.isPending, true)
  const change = { op: 'update', bucket: 'orders', key: 4, record: { paid: true } }
  t.match(client.requests, [{ members: [change] }])
  client.requests[0]?.answer('done')
  t.equal(await answer, 'done')
  t.match(state, { isPending: false, data: 'done' })
  state.reset()
  t.equal(state.data, undefined)
  dispose()
})
