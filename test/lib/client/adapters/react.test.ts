import t, { type Test } from 'tap'
import { NoexClientError } from '../../../../lib/client/errors.js'
import type { LiveQuery } from '../../../../lib/client/types.js'
import { openPage, useFrameworks } from '../../../support/frameworks.js'
import { HandClient, HandQuery } from '../../../support/hand-client.js'

useFrameworks()
const page = openPage()
const { StrictMode, act, createElement } = await import('react')
const { createRoot, hydrateRoot } = await import('react-dom/client')
const { renderToString } = await import('react-dom/server')
const { useConnection, useInfinite, useMutation, useQuery } =
  await import('../../../../lib/client/adapters/react.js')

/** Renders a component that shows the result of `use`; `props` are those of the next rendering. */
async function show<S, P extends object = object> (t: Test, use: (props: P) => S, first: NoInfer<P>) {
  const renderings: S[] = []
  const Component = (props: P): string => {
    renderings.push(use(props))
    return ''
  }
  const root = createRoot(page as any)
  const render = async (props: P): Promise<void> => {
    await act(async () => { root.render(createElement(StrictMode, null, createElement(Component, props))) })
  }
  let isThere = true
  const leave = async (): Promise<void> => {
    if (isThere) await act(async () => { root.unmount() })
    isThere = false
  }
  t.teardown(leave)
  await render(first)
  return { render, leave, renderings, get last () { return renderings.at(-1) as S } }
}

t.test('useQuery shows the first data, each change, an error, and ends with the component', async t => {
  const query = new HandQuery<string[]>()
  const view = await show(t, () => useQuery(query), {})
  t.match(view.last, { status: 'loading', data: undefined, error: undefined })
  t.equal(query.listeners.size, 1, 'one subscription, also in strict mode')
  await act(async () => { query.show(['a']) })
  t.match(view.last, { status: 'live', data: ['a'] })
  await act(async () => { query.change({ status: 'stale' }) })
  t.match(view.last, { status: 'stale', data: ['a'] })
  await act(async () => { query.show(['a', 'b']) })
  t.match(view.last, { status: 'live', data: ['a', 'b'] })
  const error = new NoexClientError('NOT_FOUND', 'there is no such query')
  await act(async () => { query.fail(error) })
  t.match(view.last, { status: 'error', error, data: ['a', 'b'] })
  await view.leave()
  t.equal(query.listeners.size, 0)
})

t.test('useQuery follows the query of each rendering, and rests where there is none', async t => {
  const [first, second] = [new HandQuery<string>('1'), new HandQuery<string>('2')]
  first.show('one')
  second.show('two')
  interface Props { readonly query: LiveQuery<string> | null | undefined }
  const view = await show(t, ({ query }: Props) => useQuery(query), { query: undefined })
  t.match(view.last, { status: 'idle', data: undefined })
  await view.render({ query: first })
  t.equal(view.last.data, 'one')
  const before = view.renderings.length
  await view.render({ query: second })
  t.ok(view.renderings.slice(before).every(({ data }) => data === 'two'),
    'no rendering shows the data of the other query')
  t.equal(first.listeners.size, 0)
  t.equal(second.listeners.size, 1)
  await view.render({ query: null })
  t.equal(view.last.status, 'idle')
  t.equal(second.listeners.size, 0)
})

t.test('a page of a server is taken over without a change, then shows what is new', async t => {
  const query = new HandQuery<string[]>()
  query.change({ data: ['a'], status: 'stale' })
  query.serverState = query.state
  const List = (): any => createElement('ul', null, useQuery(query).data?.map(row =>
    createElement('li', { key: row }, row)))
  const html = renderToString(createElement(List))
  t.equal(html, '<ul><li>a</li></ul>')
  t.equal(query.subscriptions, 0, 'a server reads only')
  // Newer data have come before the page is taken over.
  query.show(['a', 'b'])
  page.innerHTML = html
  const kept = page.querySelector('li')
  const problems: unknown[] = []
  const options = { onRecoverableError: (error: unknown) => { problems.push(error) } }
  let root: ReturnType<typeof hydrateRoot> | undefined
  await act(async () => { root = hydrateRoot(page as any, createElement(List), options) })
  t.same(problems, [])
  t.equal(page.querySelector('li'), kept, 'it is the same element')
  t.equal(page.textContent, 'ab')
  await act(async () => { root?.unmount() })
  t.equal(query.listeners.size, 0)
})

t.test('useInfinite shows the pages of a list as one, and asks for the next', async t => {
  const client = new HandClient()
  interface Props { readonly of: string }
  const use = ({ of }: Props) => useInfinite<number>(client, 'numbers', { of }, { limit: 2 })
  const view = await show(t, use, { of: 'a' })
  const pageOf = (of: string, after?: string) =>
    client.query('numbers', { of }, { page: { limit: 2, ...(after && { after }) } })
  t.match(view.last, { data: undefined, status: 'loading', hasMore: false })
  await act(async () => { pageOf('a').show([1, 2], { hasMore: true, nextCursor: '2' }) })
  t.match(view.last, { data: [1, 2], status: 'live', hasMore: true, isLoadingMore: false })
  await act(async () => { view.last.loadMore() })
  t.match(view.last, { data: [1, 2], isLoadingMore: true })
  await act(async () => { pageOf('a', '2').show([3], { hasMore: false, nextCursor: '3' }) })
  t.match(view.last, { data: [1, 2, 3], hasMore: false, isLoadingMore: false })
  t.equal(client.listeners, 2)
  await view.render({ of: 'b' })
  t.match(view.last, { data: undefined, status: 'loading' })
  t.equal(client.listeners, 1, 'other parameters are another list')
  await view.leave()
  t.equal(client.listeners, 0)
})

t.test('useConnection shows the state of the connection, and why', async t => {
  const { state } = new HandClient()
  const view = await show(t, () => useConnection({ state }), {})
  t.same(view.last, { status: 'open', error: undefined, retryAt: undefined, transport: 'websocket' })
  const error = new NoexClientError('DISCONNECTED', 'the server is away')
  await act(async () => { state.change({ value: 'waiting', error, retryAt: 1 }) })
  t.match(view.last, { status: 'waiting', error, retryAt: 1 })
  await act(async () => { state.change({ retryAt: 2 }) })
  t.equal(view.last.retryAt, 2)
  await view.leave()
  t.equal(state.listeners.size, 0)
})

t.test('useMutation sends a request, and tells how it goes', async t => {
  const client = new HandClient()
  const view = await show(t, () => useMutation(client, 'store.insert', { retry: true }), {})
  const mutation = () => view.last[1]
  t.match(mutation(), { isPending: false, data: undefined, error: undefined })
  let answer: Promise<unknown> | undefined
  await act(async () => { answer = view.last[0]({ bucket: 'orders' }) })
  t.match(mutation(), { isPending: true })
  t.match(client.requests, [
    { type: 'store.insert', members: { bucket: 'orders' }, options: { retry: true } }
  ])
  await act(async () => { client.requests[0]?.answer({ number: 1 }) })
  t.match(mutation(), { isPending: false, data: { number: 1 } })
  t.same(await answer, { number: 1 })
  const error = new NoexClientError('FORBIDDEN', 'no')
  await act(async () => {
    view.last[0]({})
    client.requests[1]?.refuse(error)
  })
  t.match(mutation(), { isPending: false, data: undefined, error })
  await act(async () => { mutation().reset() })
  t.match(mutation(), { isPending: false, data: undefined, error: undefined })
})

t.test('useMutation makes the change that the last rendering has given', async t => {
  const client = new HandClient()
  interface Props { readonly status: string }
  const use = ({ status }: Props) => useMutation(client, (tx, number: number) => {
    tx.bucket('orders').update(number, { status })
  })
  const view = await show(t, use, { status: 'new' })
  const [run] = view.last
  await view.render({ status: 'packed' })
  t.equal(view.last[0], run, 'the function is the same at each rendering')
  await act(async () => { run(4) })
  const change = { op: 'update', bucket: 'orders', key: 4, record: { status: 'packed' } }
  t.match(client.requests, [{ type: 'optimistic', members: [change] }])
})
