import t from 'tap'
import { DisconnectedError, NoexClientError } from '../../../lib/client/errors.js'
import { until } from '../../support/until.js'
import { answer, reports, startQueries, watch } from '../../support/watched.js'

t.test('a query is asked for at its first subscriber, and shows what comes', async t => {
  const { link, queries } = startQueries(t)
  await link.connect()
  const query = queries.query('orders', { customer: 'c1' })
  t.same(link.open, [])
  t.match(query, { status: 'loading', error: undefined })
  t.equal(query.getSnapshot(), undefined)
  const { states } = watch(query)
  watch(query)
  t.equal(link.open.length, 1)
  const request = link.next('store.subscribe')
  t.same(request.members, { query: 'orders', params: { customer: 'c1' }, delta: true })
  const id = answer(request, [{ id: 1 }])
  t.match(query.state, { data: [{ id: 1 }], status: 'live', error: undefined, hasMore: undefined })
  link.push(id, { revision: 2, delta: { upsert: [{ id: 2 }], remove: [] } })
  t.same(query.getSnapshot(), [{ id: 1 }, { id: 2 }])
  t.equal(query.state, query.state, 'one state until it changes')
  t.equal(query.getSnapshot()[0], states[1]?.data[0])
  link.push(id, { revision: 3, delta: { upsert: [{ id: 2 }], remove: [3] } })
  t.equal(states.length, 3, 'nothing has changed')
  link.push(id, { revision: 4, epoch: 'e', key: 'id', data: [{ id: 2 }, { id: 1 }] })
  t.equal(query.getSnapshot()[1], states[1]?.data[0], 'also in a complete result')
  t.ok(states.slice(0, 3).every(({ data }) => data === undefined || data[0].id === 1), 'states do not change')
})

t.test('equal requests share one object, in any order of their members', async t => {
  const { queries } = startQueries(t)
  const find = { bucket: 'orders', filter: { a: 1, b: { $gt: 1, $lt: 5 } }, sort: { x: 'asc', y: 'desc' } }
  const query = queries.query(find, undefined, { minIntervalMs: 5 })
  t.equal(queries.query(
    { sort: { x: 'asc', y: 'desc' }, filter: { b: { $lt: 5, $gt: 1 }, a: 1 }, bucket: 'orders' },
    {}, { minIntervalMs: 5 }
  ), query)
  t.equal(queries.query('q', { a: undefined }), queries.query('q', {}))
  const page = queries.query('q', {}, { page: { limit: 2 } })
  const others = [
    queries.query(find),
    queries.query({ ...find, sort: { y: 'desc', x: 'asc' } }, undefined, { minIntervalMs: 5 }),
    queries.query('q', { a: 1 }),
    queries.query('q', { a: '1' }),
    queries.query('q', { a: null }),
    page,
    queries.query('q', {}, { page: { limit: 2, after: 'c' } })
  ]
  t.equal(new Set(others).size, others.length)
  t.notOk(others.includes(query))
  const circle: Record<string, unknown> = {}
  circle['self'] = circle
  t.throws(() => queries.query('q', circle))
})

t.test('a request is that of the moment in which it was made', async t => {
  const { link, queries } = startQueries(t)
  await link.connect()
  const params = { customer: 'c1' }
  const query = queries.query('orders', params)
  params.customer = 'c2'
  watch(query)
  t.match(link.next('store.subscribe').members, { params: { customer: 'c1' } })
})

t.test('a query goes on for a moment after its last subscriber, then it ends', async t => {
  const { link, queries } = startQueries(t, 20)
  await link.connect()
  const query = queries.query('q')
  const first = watch(query)
  const id = answer(link.next('store.subscribe'), [])
  first.stop()
  first.stop()
  const second = watch(query)
  t.equal(query.status, 'live')
  t.same(link.open, [], 'it was still there')
  const third = watch(query)
  second.stop()
  t.same(link.open, [])
  third.stop()
  await until(() => link.open.length > 0)
  t.same(link.next('store.unsubscribe').members, { subscriptionId: id })
  link.next('store.unsubscribe').reply({ unsubscribed: true })
  t.match(query.state, { data: undefined, status: 'loading' }, 'and it is forgotten')
  link.push(id, { revision: 3, delta: { upsert: [{ id: 2 }], remove: [] } })
  t.equal(query.getSnapshot(), undefined)
  watch(query)
  t.equal(link.next('store.subscribe').members['since'], undefined, 'it is used again')
  answer(link.next('store.subscribe'), [{ id: 3 }])
  t.same(query.getSnapshot(), [{ id: 3 }])
})

t.test('a query that ends before it is answered is ended by its answer', async t => {
  const { link, queries } = startQueries(t, 1)
  await link.connect()
  const query = queries.query('q')
  const { states, stop } = watch(query)
  stop()
  const request = link.next('store.subscribe')
  await until(() => queries.query('q') !== query)
  watch(query)
  const again = link.open[1]
  const id = answer(request, [{ id: 1 }])
  t.equal(states.length, 1)
  t.same(link.open.at(-1)?.members, { subscriptionId: id })
  link.push(id, { revision: 2, delta: { upsert: [{ id: 9 }], remove: [] } })
  answer(again as typeof request, [{ id: 2 }])
  t.same(query.getSnapshot(), [{ id: 2 }])
  t.match(link.open.map(({ type }) => type), ['store.unsubscribe'])
})

t.test('objects that nothing subscribes are forgotten, and work when they are subscribed later', async t => {
  const { link, queries } = startQueries(t, 1)
  await link.connect()
  const held = queries.query('q')
  await until(() => queries.query('q') !== held)
  await until(() => queries.query('q') !== held)
  const other = queries.query('q')
  t.not(other, held)
  watch(held)
  watch(other)
  t.equal(link.open.length, 1, 'both are one subscription')
  answer(link.next('store.subscribe'), [{ id: 1 }])
  t.equal(held.state, other.state)
  t.same(held.getSnapshot(), [{ id: 1 }])
  t.equal(queries.query('q'), other)
  const shown = queries.query('r').state
  await until(() => queries.query('r') !== held)
  t.equal(queries.query('r').state, shown, 'a state without data is the same for all')
})

t.test('a listener that fails is reported, and each may subscribe and leave when it is called', async t => {
  const reported = reports(t)
  const { link, queries } = startQueries(t)
  await link.connect()
  const [a, b] = [queries.query('a'), queries.query('b')]
  const calls: string[] = []
  const fault = new Error('of the application')
  a.subscribe(() => {
    calls.push('first')
    leave()
    a.subscribe(() => { calls.push('new') })
    throw fault
  })
  const leave = a.subscribe(() => { calls.push('left') })
  const shared = (): void => { calls.push(`shared ${a.status} ${b.status}`) }
  const leaveShared = a.subscribe(shared)
  b.subscribe(shared)
  const forA = answer(link.next('store.subscribe'), [])
  const forB = answer(link.next('store.subscribe'), [])
  t.same(calls, ['first', 'shared live loading', 'shared live live'])
  t.same(reported, [fault])
  calls.length = 0
  link.push(forA, { revision: 2, delta: { upsert: [{ id: 1 }], remove: [] }, more: true })
  link.push(forB, { revision: 2, delta: { upsert: [{ id: 1 }], remove: [] } })
  t.same(calls, ['first', 'shared live live', 'new', 'shared live live'], 'all have changed')
  leaveShared()
  calls.length = 0
  link.push(forB, { revision: 3, delta: { upsert: [{ id: 2 }], remove: [] } })
  t.same(calls, ['shared live live'], 'one of two subscriptions is left')
})

t.test('the same function may subscribe a query twice', async t => {
  const { link, queries } = startQueries(t, 1)
  await link.connect()
  const query = queries.query('q')
  const onChange = (): void => {}
  query.subscribe(onChange)()
  const stop = query.subscribe(onChange)
  query.subscribe(onChange)
  stop()
  const id = answer(link.next('store.subscribe'), [])
  const other = queries.query('r')
  await until(() => queries.query('r') !== other)
  link.push(id, { revision: 2, delta: { upsert: [{ id: 1 }], remove: [] } })
  t.same(query.getSnapshot(), [{ id: 1 }], 'it goes on')
})

t.test('the pushes of one moment are shown together, and a group that is cut off is not', async t => {
  const { link, queries } = startQueries(t)
  await link.connect()
  const [a, b] = [queries.query('a'), queries.query('b')]
  const seen: unknown[] = []
  const look = (): void => { seen.push([a.getSnapshot(), b.getSnapshot()]) }
  a.subscribe(look)
  b.subscribe(look)
  const forA = answer(link.next('store.subscribe'), 1, { key: null })
  const forB = answer(link.next('store.subscribe'), 1, { key: null })
  seen.length = 0
  const whole = { epoch: 'e', key: null }
  link.push(forA, { ...whole, revision: 2, data: 2, more: true })
  link.push('sub-unknown', { ...whole, revision: 2, data: 2, more: true })
  t.same(seen, [])
  link.push(forB, { ...whole, revision: 2, data: 2 })
  t.same(seen, [[2, 2], [2, 2]])
  link.push(forA, { ...whole, revision: 3, data: 3, more: true })
  link.lose()
  t.same(seen.at(-1), [2, 2])
  t.equal(a.status, 'stale')
  const ready = link.connect()
  answer(link.next('store.subscribe'), 3, { key: null })
  answer(link.next('store.subscribe'), 3, { key: null })
  await ready
  t.same(seen.at(-1), [3, 3])
})

t.test('close ends everything', async t => {
  const { link, queries } = startQueries(t, 1)
  await link.connect()
  const query = queries.query('q')
  const { states } = watch(query)
  answer(link.next('store.subscribe'), [{ id: 1 }])
  queries.refuse(new DisconnectedError('The client is closed', 'not-done'))
  queries.close()
  link.lose()
  t.match(query.state, { data: [{ id: 1 }], status: 'error', error: { code: 'DISCONNECTED' } })
  t.ok(query.error instanceof NoexClientError)
  t.equal(states.length, 3)
  watch(query).stop()
  const later = queries.query('r')
  const { states: [first] } = watch(later)
  t.match(first, { data: undefined, status: 'error' })
  t.equal(later.state, first)
  queries.events('a', () => {})()
  t.same(link.open, [])
})
