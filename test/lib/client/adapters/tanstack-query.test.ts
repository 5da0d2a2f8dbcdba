import t, { type Test } from 'tap'
import { QueryClient, QueryObserver, dehydrate, hydrate } from '@tanstack/query-core'
import { NoexClientError } from '../../../../lib/client/errors.js'
import { queryOptions } from '../../../../lib/client/adapters/tanstack-query.js'
import { HandQuery } from '../../../support/hand-client.js'
import { until } from '../../../support/until.js'

/** Starts a cache, which is cleared with the test. */
function start (t: Test): QueryClient {
  const cache = new QueryClient()
  cache.mount()
  t.teardown(() => {
    cache.clear()
    cache.unmount()
  })
  return cache
}

t.test('an observer gets the first result, each change, an error, and its recovery', async t => {
  const cache = start(t)
  const query = new HandQuery<string[]>()
  const observer = new QueryObserver(cache, queryOptions(query))
  const end = observer.subscribe(() => {})
  const shown = () => observer.getCurrentResult()
  t.match(shown(), { status: 'pending', fetchStatus: 'fetching' })
  query.show(['a'])
  await until(() => shown().fetchStatus === 'idle')
  t.match(shown(), { status: 'success', data: ['a'], isStale: false })
  const rows = ['a', 'b']
  query.show(rows)
  t.equal(shown().data, rows, 'it is the same object')
  t.equal(query.listeners.size, 1)
  const error = new NoexClientError('NOT_FOUND', 'there is no such query')
  query.fail(error)
  t.match(shown(), { status: 'error', error, data: rows })
  query.show(rows)
  t.match(shown(), { status: 'success', error: null, data: rows })
  end()
  t.equal(query.listeners.size, 0)
})

t.test('what a user may not see any more is taken out of the cache, and comes back', async t => {
  const cache = start(t)
  const query = new HandQuery<string>()
  const options = queryOptions(query)
  const observer = new QueryObserver(cache, options)
  observer.subscribe(() => {})
  query.show('of alice')
  await until(() => observer.getCurrentResult().fetchStatus === 'idle')
  const error = new NoexClientError('LOGGED_OUT', 'the user has logged out')
  query.forget({ status: 'error', error })
  t.match(observer.getCurrentResult(), { status: 'error', error, data: undefined })
  query.change({ status: 'loading', error: undefined })
  query.show('of bob')
  t.match(observer.getCurrentResult(), { status: 'success', data: 'of bob' })
  query.forget()
  t.match(observer.getCurrentResult(), { status: 'pending', data: undefined, fetchStatus: 'idle' })
  t.equal(cache.getQueryData(options.queryKey), undefined)
  query.show('of carol')
  t.match(observer.getCurrentResult(), { status: 'success', data: 'of carol', error: null })
})

t.test('a query that is refused rejects at once, and is not asked again', async t => {
  const cache = start(t)
  const query = new HandQuery()
  const error = new NoexClientError('FORBIDDEN', 'no')
  query.fail(error)
  await t.rejects(cache.fetchQuery(queryOptions(query)), error)
  t.equal(query.listeners.size, 0)
})

t.test('a prefetched result is live from its first observer on, and again after a pause', async t => {
  const cache = start(t)
  const query = new HandQuery<string>()
  const options = queryOptions(query)
  const fetched = cache.fetchQuery(options)
  query.show('one')
  t.equal(await fetched, 'one')
  t.equal(query.listeners.size, 0)
  query.show('two')
  const observer = new QueryObserver(cache, options)
  const end = observer.subscribe(() => {})
  t.match(observer.getCurrentResult(), { data: 'two', fetchStatus: 'idle' })
  t.equal(cache.getQueryData(options.queryKey), 'two')
  end()
  query.show('three')
  t.equal(cache.getQueryData(options.queryKey), 'two')
  const again = observer.subscribe(() => {})
  t.equal(cache.getQueryData(options.queryKey), 'three')
  t.equal(query.listeners.size, 1)
  again()
})

t.test('two observers share one subscription, and a removed entry ends it', async t => {
  const cache = start(t)
  const query = new HandQuery<string>()
  query.show('one')
  const options = queryOptions(query)
  const observers = [new QueryObserver(cache, options), new QueryObserver(cache, options)]
  for (const observer of observers) observer.subscribe(() => {})
  await until(() => observers[1]?.getCurrentResult().fetchStatus === 'idle')
  t.equal(query.listeners.size, 1)
  for (const observer of observers) observer.destroy()
  cache.removeQueries({ queryKey: options.queryKey })
  t.equal(query.listeners.size, 0)
  t.notOk(cache.getQueryCache().hasListeners())
})

t.test('what a server has dehydrated is shown, and becomes live', async t => {
  const query = new HandQuery<string>()
  query.show('of the server')
  const server = start(t)
  await server.prefetchQuery(queryOptions(query))
  const cache = start(t)
  hydrate(cache, dehydrate(server))
  const observer = new QueryObserver(cache, queryOptions(query))
  t.equal(observer.getCurrentResult().data, 'of the server')
  t.teardown(observer.subscribe(() => {}))
  await until(() => observer.getCurrentResult().fetchStatus === 'idle')
  query.show('new')
  t.equal(observer.getCurrentResult().data, 'new')
})

t.test('an observer that leaves before the first result leaves nothing behind', async t => {
  const cache = start(t)
  const query = new HandQuery<string>()
  const observer = new QueryObserver(cache, queryOptions(query))
  observer.subscribe(() => {})()
  await until(() => query.listeners.size === 0)
  const end = observer.subscribe(() => {})
  query.show('one')
  await until(() => observer.getCurrentResult().data === 'one')
  end()
})
