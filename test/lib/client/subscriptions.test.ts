import t from 'tap'
import { NoexClientError } from '../../../lib/client/errors.js'
import { until } from '../../support/until.js'
import { answer, startQueries, watch } from '../../support/watched.js'

t.test('a refused query is in error, with that of the server, until the next connection', async t => {
  const { link, queries } = startQueries(t)
  await link.connect()
  const query = queries.query('q')
  const { states } = watch(query)
  link.next('store.subscribe').refuse('QUERY_NOT_DEFINED', 'Query "q" is not defined', { near: 'r' })
  t.match(query.state, {
    data: undefined,
    status: 'error',
    error: { code: 'QUERY_NOT_DEFINED', message: 'Query "q" is not defined', details: { near: 'r' } }
  })
  watch(query)
  t.same(link.open, [], 'a further subscriber does not ask again')
  link.lose()
  t.equal(query.status, 'error')
  const ready = link.connect()
  answer(link.next('store.subscribe'), [])
  await ready
  t.match(query.state, { data: [], status: 'live', error: undefined })
  t.equal(states.length, 3)
})

t.test('the first subscriber makes the client connect, and is served when it has', async t => {
  const { link, queries } = startQueries(t)
  const query = queries.query('q')
  t.equal(link.wakes, 0)
  watch(query)
  t.equal(link.wakes, 1)
  t.same(link.open, [])
  const ready = link.connect()
  answer(link.next('store.subscribe'), [{ id: 1 }])
  await ready
  t.same(query.getSnapshot(), [{ id: 1 }])
})

t.test('a refused query is asked for anew when it is subscribed anew', async t => {
  const { link, queries } = startQueries(t)
  await link.connect()
  const query = queries.query('q')
  const { stop } = watch(query)
  link.next('store.subscribe').refuse('FORBIDDEN')
  stop()
  watch(query)
  t.match(query.state, { status: 'loading', error: undefined })
  answer(link.next('store.subscribe'), [])
  t.equal(query.status, 'live')
})

t.test('a query that the server ends is in error, which says what to do', async t => {
  const { link, queries } = startQueries(t)
  await link.connect()
  const reasons = [
    'query_undefined', 'bucket_dropped', 'forbidden', 'memory_limit', 'failed', 'toString', 'new'
  ]
  for (const reason of reasons) {
    const query = queries.query(reason)
    watch(query)
    const subscriptionId = answer(link.next('store.subscribe'), [{ id: 1 }])
    link.system('subscription_closed', { subscriptionId, reason })
    t.match(query, { status: 'error', error: { code: reason } })
    t.ok(query.error instanceof NoexClientError && query.error.message.length > 35, reason)
    t.equal(query.getSnapshot() === undefined, reason === 'forbidden', 'what it may not read is not shown')
    link.push(subscriptionId, { revision: 5, delta: { upsert: [{ id: 2 }], remove: [] } })
    link.system('subscription_closed', { subscriptionId, reason: 'failed' })
    t.equal(query.error?.code, reason)
  }
  t.same(link.open, [])
  link.system('subscription_closed', { subscriptionId: 'unknown', reason: 'failed' })
  link.system('gap', { subscriptionId: 'unknown', count: 1 })
  link.system('revision', { revision: 'x' })
  link.lose()
  link.connect()
  t.equal(link.open.length, reasons.length)
  const since = link.open.find(({ members }) => members['query'] === 'forbidden')?.members['since']
  t.equal(since, undefined)
})

t.test('a query that is refused for a time is tried again after it', async t => {
  const { link, queries } = startQueries(t)
  await link.connect()
  const [query, other] = [queries.query('q'), queries.query('r')]
  watch(query)
  const { stop } = watch(other)
  link.next('store.subscribe').refuse('RATE_LIMITED', 'Rate limit exceeded', { retryAfterMs: 1 })
  link.next('store.subscribe').refuse('RATE_LIMITED', 'Rate limit exceeded', { retryAfterMs: 2 })
  t.match(query, { status: 'error', error: { code: 'RATE_LIMITED' } })
  stop()
  await until(() => link.open.length > 0)
  answer(link.next('store.subscribe'), [{ id: 1 }])
  t.match(query.state, { data: [{ id: 1 }], status: 'live', error: undefined })
})

t.test('a reply of the wrong shape is an error', async t => {
  const { link, queries } = startQueries(t)
  await link.connect()
  for (const [i, data] of [null, 5, {}, { subscriptionId: 5, data: [] }].entries()) {
    const query = queries.query(`q${i}`)
    watch(query)
    link.next('store.subscribe').reply(data)
    t.match(query, { status: 'error', error: { code: 'PROTOCOL_ERROR' } }, JSON.stringify(data))
  }
  const query = queries.query('none')
  watch(query)
  link.next('store.subscribe').reply({ subscriptionId: 's' })
  t.equal(query.status, 'loading')
  link.next('store.unsubscribe').reply({})
  link.next('store.subscribe').reply({ subscriptionId: 't' })
  t.match(query, { status: 'error', error: { code: 'PROTOCOL_ERROR' } })
})

t.test('onReady waits for every result, be it an error, and ends with the connection', async t => {
  const { link, queries } = startQueries(t)
  for (const name of ['a', 'b', 'c']) watch(queries.query(name))
  queries.query('never subscribed')
  queries.events('t.*', () => {})
  let isReady = false
  const ready = link.connect().then(() => { isReady = true })
  t.equal(link.open.length, 4)
  answer(link.next('store.subscribe'), [])
  link.next('store.subscribe').refuse('QUERY_NOT_DEFINED')
  answer(link.next('store.subscribe'), [])
  watch(queries.query('d'))
  await new Promise(resolve => setImmediate(resolve))
  t.equal(isReady, false)
  link.next('rules.subscribe').reply({ subscriptionId: 'e1' })
  await ready
  t.same(link.open.map(({ members }) => members['query']), ['d'], 'what is new is not waited for')
  link.lose()
  const lost = link.connect()
  link.lose()
  await lost
  t.equal(queries.query('a').status, 'stale')
})

t.test('a connection that begins without the end of the former one is a new one', async t => {
  const { link, queries } = startQueries(t)
  await link.connect()
  const query = queries.query('q')
  watch(query)
  const former = link.next('store.subscribe')
  link.connect()
  answer(former, [{ id: 1 }])
  t.equal(query.status, 'loading')
  answer(link.next('store.subscribe'), [{ id: 2 }])
  t.match(query.state, { data: [{ id: 2 }], status: 'live' })
  t.same(link.open, [])
})
