import t from 'tap'
import { NoexClientError } from '../../../../lib/client/errors.js'
import { infiniteOf } from '../../../../lib/client/adapters/infinite.js'
import { HandClient, type HandQuery } from '../../../support/hand-client.js'

/** Starts a list with pages of two numbers; returns it, its pages by cursor, and its end. */
function start () {
  const client = new HandClient()
  const source = infiniteOf<number>(client, 'numbers', undefined, { limit: 2 })
  let changes = 0
  const end = source.subscribe(() => { changes++ })
  const page = (after?: string): HandQuery<number[]> =>
    client.query('numbers', undefined, { page: { limit: 2, ...(after && { after }) } })
  return { client, source, page, end, get changes () { return changes } }
}

t.test('more is loaded once at a time, and only where more rows follow', t => {
  const { client, source, page } = start()
  source.loadMore()
  page().show([1, 2], { hasMore: true, nextCursor: '2' })
  source.loadMore()
  source.loadMore()
  t.equal(client.listeners, 2)
  page('2').show([3, 4], { hasMore: false, nextCursor: '4' })
  source.loadMore()
  t.equal(client.listeners, 2)
  t.same(source.state,
    { data: [1, 2, 3, 4], status: 'live', error: undefined, hasMore: false, isLoadingMore: false })
  t.end()
})

t.test('each page is live, and what has not changed is the same list', t => {
  const { source, page } = start()
  page().show([1, 3], { hasMore: true, nextCursor: '3' })
  source.loadMore()
  page('3').show([4, 5], { hasMore: false, nextCursor: '5' })
  const { data } = source.state
  page().change({ status: 'stale' })
  t.equal(source.state.data, data)
  t.equal(source.state.status, 'stale')
  page().show([1, 2, 3])
  t.same(source.state.data, [1, 2, 3, 4, 5])
  t.equal(source.state.status, 'live')
  t.end()
})

t.test('while a page is on its way, changes of those before are shown', t => {
  const { source, page } = start()
  page().show([1, 3], { hasMore: true, nextCursor: '3' })
  source.loadMore()
  page().show([1, 2, 3])
  t.match(source.state, { data: [1, 2, 3], isLoadingMore: true, hasMore: true, status: 'live' })
  t.end()
})

t.test('after a pause the pages are chained anew, and until they have come no row vanishes', t => {
  const { client, source, page } = start()
  page().show([1, 3], { hasMore: true, nextCursor: '3' })
  source.loadMore()
  page('3').show([4, 5], { hasMore: true, nextCursor: '5' })
  // The first page ends elsewhere now.
  page().show([1, 2], { hasMore: true, nextCursor: '2' })
  t.equal(page('3').listeners.size, 0)
  t.match(source.state, { data: [1, 3, 4, 5], isLoadingMore: true })
  page('2').show([3, 4], { hasMore: true, nextCursor: '4' })
  t.same(source.state.data, [1, 2, 3, 4])
  t.equal(client.listeners, 2)
  t.end()
})

t.test('when no rows follow a page any more, the next one goes, and comes back with them', t => {
  const { client, source, page } = start()
  page().show([1, 2], { hasMore: true, nextCursor: '2' })
  source.loadMore()
  page('2').show([3], { hasMore: false, nextCursor: '3' })
  page('2').show([], { hasMore: false, nextCursor: null })
  page().show([1, 2], { hasMore: false })
  t.match(source.state, { data: [1, 2], hasMore: false, isLoadingMore: false })
  t.equal(client.listeners, 1)
  page().show([1, 2], { hasMore: true })
  page('2').show([9])
  t.match(source.state, { data: [1, 2, 9] })
  t.end()
})

t.test('rows of another user are not held until the pages have come, nor after a pause', t => {
  const { source, page, end } = start()
  const fill = (): void => {
    page().show([1, 2], { hasMore: true, nextCursor: '2' })
    page('2').show([3], { hasMore: false, nextCursor: '3' })
  }
  page().show([1, 2], { hasMore: true, nextCursor: '2' })
  source.loadMore()
  fill()
  for (const one of [page('2'), page()]) one.forget()
  t.match(source.state, { data: undefined, status: 'loading', hasMore: false })
  fill()
  t.same(source.state.data, [1, 2, 3])
  end()
  for (const one of [page('2'), page()]) one.forget()
  source.subscribe(() => {})
  t.match(source.state, { data: undefined, status: 'loading' })
  t.end()
})

t.test('the error of a page is that of the list, which shows what it has', t => {
  const { source, page } = start()
  page().show([1, 2], { hasMore: true, nextCursor: '2' })
  source.loadMore()
  const error = new NoexClientError('FORBIDDEN', 'no')
  page('2').fail(error)
  t.match(source.state, { data: [1, 2], status: 'error', error, isLoadingMore: false })
  t.end()
})

t.test('it ends with its last listener, and goes on with the next', t => {
  const { client, source, page, end } = start()
  page().show([1, 2], { hasMore: true, nextCursor: '2' })
  source.loadMore()
  page('2').show([3], { hasMore: false, nextCursor: '3' })
  const second = source.subscribe(() => {})
  end()
  t.equal(client.listeners, 2)
  second()
  second()
  t.equal(client.listeners, 0)
  page('2').show([3, 4])
  source.subscribe(() => {})
  t.same(source.state.data, [1, 2, 3, 4])
  t.equal(client.listeners, 2)
  t.end()
})

t.test('it can be read before it is watched', t => {
  const client = new HandClient()
  client.query('numbers', undefined, { page: { limit: 2 } }).show([1, 2], { hasMore: true, nextCursor: '2' })
  const { state } = infiniteOf<number>(client, 'numbers', undefined, { limit: 2 })
  t.match(state, { data: [1, 2], status: 'live', hasMore: true })
  t.equal(client.listeners, 0)
  t.end()
})
