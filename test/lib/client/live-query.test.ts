import t from 'tap'
import { answer, startQueries, watch } from '../../support/watched.js'

t.test('after a reconnect a query goes on from what it has, and shows it meanwhile', async t => {
  const { link, queries } = startQueries(t)
  await link.connect()
  const query = queries.query('q')
  const { states } = watch(query)
  answer(link.next('store.subscribe'), [{ id: 1, n: 1 }, { id: 2, n: 1 }], { revision: 7 })
  const [one, two] = query.getSnapshot()
  link.lose()
  t.match(query.state, { data: [{ id: 1 }, { id: 2 }], status: 'stale' })
  const ready = link.connect()
  const request = link.next('store.subscribe')
  t.same(request.members, { query: 'q', delta: true, since: { epoch: 'e', revision: 7 } })
  t.equal(query.status, 'stale')
  request.reply({
    subscriptionId: 's2',
    epoch: 'e',
    revision: 9,
    key: 'id',
    delta: { upsert: [{ id: 2, n: 2 }], remove: [] }
  })
  await ready
  t.match(query.state, { data: [{ id: 1, n: 1 }, { id: 2, n: 2 }], status: 'live' })
  t.equal(query.getSnapshot()[0], one)
  link.lose()
  t.equal(query.status, 'stale')
  const again = link.connect()
  t.same(link.next('store.subscribe').members['since'], { epoch: 'e', revision: 9 })
  answer(link.next('store.subscribe'), [{ id: 1, n: 1 }, { id: 2, n: 1 }], { epoch: 'f', revision: 3 })
  await again
  t.equal(query.getSnapshot()[0], one, 'a complete result keeps what has not changed')
  t.same(query.getSnapshot()[1], two)
  t.same(states.map(({ status }) => status), ['loading', 'live', 'stale', 'live', 'stale', 'live'])
  link.lose()
  link.connect()
  t.same(link.next('store.subscribe').members['since'], { epoch: 'f', revision: 3 })
})

t.test('what has no key or no position is asked for as a whole', async t => {
  const { link, queries } = startQueries(t)
  await link.connect()
  const [sum, twice, plain] = ['sum', 'twice', 'plain'].map(name => queries.query(name))
  for (const query of [sum, twice, plain]) if (query !== undefined) watch(query)
  answer(link.next('store.subscribe'), 5, { key: null })
  answer(link.next('store.subscribe'), [{ id: 1 }, { id: 1 }])
  answer(link.next('store.subscribe'), [{ id: 1 }], { revision: '1' })
  t.same(twice?.getSnapshot(), [{ id: 1 }, { id: 1 }])
  link.lose()
  link.connect()
  t.same(link.open.map(({ members }) => members['since']), [undefined, undefined, undefined])
  t.equal(sum?.getSnapshot(), 5)
})

t.test('an older server is asked for complete results, and a newer one for its extensions', async t => {
  const { link, queries } = startQueries(t)
  link.extensions.clear()
  await link.connect()
  const query = queries.query('q', { a: 1 }, { minIntervalMs: 5 })
  const found = queries.query({ bucket: 'orders' })
  const page = queries.query('q', undefined, { page: { limit: 5 } })
  for (const each of [query, found, page]) watch(each)
  t.equal(link.open.length, 1)
  t.same(link.next('store.subscribe').members, { query: 'q', params: { a: 1 } })
  link.next('store.subscribe').reply({ subscriptionId: 's1', data: [{ id: 1 }, { id: 2 }] })
  const [, second] = query.getSnapshot()
  link.push('s1', { data: [{ id: 2 }] })
  t.equal(query.getSnapshot()[0], second)
  t.match(found, { status: 'error', error: { code: 'UNSUPPORTED', message: /"find"/ } })
  t.match(page, { status: 'error', error: { code: 'UNSUPPORTED', message: /"page"/ } })
  link.lose()
  for (const extension of ['delta', 'find', 'page']) link.extensions.add(extension)
  const ready = link.connect()
  t.same(link.open.map(({ members }) => members), [
    { query: 'q', params: { a: 1 }, minIntervalMs: 5, delta: true },
    { find: { bucket: 'orders' }, delta: true },
    { query: 'q', page: { limit: 5 }, delta: true }
  ], 'without a position: there was none')
  answer(link.next('store.subscribe'), [{ id: 2 }])
  answer(link.next('store.subscribe'), [])
  answer(link.next('store.subscribe'), [{ id: 1 }], { hasMore: true, nextCursor: 'c1' })
  await ready
  t.equal(query.getSnapshot()[0], second)
  t.match(found, { status: 'live', error: undefined })
  t.match(page.state, { data: [{ id: 1 }], status: 'live', hasMore: true, nextCursor: 'c1' })
})

t.test('a page tells what follows, and each change of that is a change', async t => {
  const { link, queries } = startQueries(t)
  await link.connect()
  const page = queries.query({ bucket: 'orders' }, undefined, { page: { limit: 1, after: 'c0' } })
  const { states } = watch(page)
  t.same(link.next('store.subscribe').members['page'], { limit: 1, after: 'c0' })
  const id = answer(link.next('store.subscribe'), [{ id: 1 }], { hasMore: false, nextCursor: 'c1' })
  const { data } = page.state
  link.push(id, { revision: 2, hasMore: true, nextCursor: 'c1', delta: { upsert: [], remove: [] } })
  t.match(page.state, { hasMore: true, nextCursor: 'c1' })
  t.equal(page.getSnapshot(), data)
  t.equal(states.length, 3)
})

t.test('a delta that does not fit is never shown: the complete result is asked for', async t => {
  const { link, queries } = startQueries(t)
  await link.connect()
  const misfits: object[] = [
    { revision: 2, delta: { upsert: [], remove: [], at: [[9, 0]] } },
    { revision: 2, delta: 5 },
    { revision: 0, delta: { upsert: [], remove: [] } },
    { delta: { upsert: [], remove: [] } },
    { revision: 2, epoch: 'f', delta: { upsert: [], remove: [] } },
    { revision: 2 }
  ]
  for (const [i, misfit] of misfits.entries()) {
    const query = queries.query(`q${i}`)
    watch(query)
    const id = answer(link.next('store.subscribe'), [{ id: 1 }])
    link.push(id, misfit)
    t.match(query.state, { data: [{ id: 1 }], status: 'stale' }, JSON.stringify(misfit))
    t.same(link.next('store.unsubscribe').members, { subscriptionId: id })
    link.next('store.unsubscribe').reply({})
    const request = link.next('store.subscribe')
    t.equal(request.members['since'], undefined)
    link.push(id, { revision: 3, delta: { upsert: [{ id: 5 }], remove: [] } })
    t.same(query.getSnapshot(), [{ id: 1 }], 'the former subscription does not count any more')
    const again = answer(request, [{ id: 1 }, { id: 2 }], { revision: 3 })
    t.match(query.state, { data: [{ id: 1 }, { id: 2 }], status: 'live' })
    link.push(again, { revision: 4, delta: { upsert: [], remove: [1] } })
    link.push(again, { revision: 5, delta: null })
    t.match(query, { status: 'stale' }, 'a fitting one between two that do not')
    link.next('store.unsubscribe').reply({})
    answer(link.next('store.subscribe'), [], { revision: 5 })
  }
})

t.test('a server that sends nothing that fits is not asked for ever', async t => {
  const { link, queries } = startQueries(t)
  await link.connect()
  const query = queries.query('q')
  watch(query)
  link.push(answer(link.next('store.subscribe'), [{ id: 1 }]), { revision: 2, delta: {} })
  link.next('store.unsubscribe').reply({})
  const id = answer(link.next('store.subscribe'), [{ id: 1 }])
  link.push(id, { revision: 2, delta: {} })
  t.match(query.state, { data: [{ id: 1 }], status: 'error', error: { code: 'PROTOCOL_ERROR' } })
  t.same(link.open.map(({ type }) => type), ['store.unsubscribe'])
  link.lose()
  const ready = link.connect()
  answer(link.next('store.subscribe'), [{ id: 3 }])
  await ready
  t.match(query.state, { data: [{ id: 3 }], status: 'live', error: undefined })
})

t.test('a reply after a reconnect that does not fit is asked for anew before all is ready', async t => {
  const { link, queries } = startQueries(t)
  await link.connect()
  const query = queries.query('q')
  watch(query)
  answer(link.next('store.subscribe'), [{ id: 1 }])
  link.lose()
  let isReady = false
  const ready = link.connect().then(() => { isReady = true })
  link.next('store.subscribe').reply({
    subscriptionId: 's', epoch: 'other', revision: 5, key: 'id', delta: { upsert: [{ id: 2 }], remove: [] }
  })
  await new Promise(resolve => setImmediate(resolve))
  t.equal(isReady, false)
  link.next('store.unsubscribe').reply({})
  answer(link.next('store.subscribe'), [{ id: 4 }])
  await ready
  t.match(query.state, { data: [{ id: 4 }], status: 'live' })
})

t.test('the results of a page of the server are shown at once, and go on from there', async t => {
  const { link, queries } = startQueries(t)
  const query = queries.query({ bucket: 'orders' })
  const gone = queries.query('gone')
  queries.hydrate({
    queries: [
      [query.key, { epoch: 'e', revision: 4, key: 'id', bucket: 'orders', data: [{ id: 1 }, { id: 2 }] }],
      [gone.key, { error: { code: 'QUERY_NOT_DEFINED', message: 'Query "gone" is not defined' } }],
      ['{"query":"odd"}', 5 as any],
      ['{"query":"empty"}', {}]
    ]
  })
  t.match(query.state, { data: [{ id: 1 }, { id: 2 }], status: 'stale' })
  t.match(gone.state, { status: 'error', error: { code: 'QUERY_NOT_DEFINED' } })
  t.equal(queries.query('odd').status, 'loading')
  const rendered = query.state
  t.equal(query.serverState, rendered)
  t.equal(queries.query('not-preloaded').serverState, undefined)
  const [one] = query.getSnapshot()
  watch(query)
  watch(gone)
  const ready = link.connect()
  const request = link.next('store.subscribe')
  t.same(request.members, { find: { bucket: 'orders' }, delta: true, since: { epoch: 'e', revision: 4 } })
  const position = { epoch: 'e', revision: 5, key: 'id', bucket: 'orders' }
  request.reply({ subscriptionId: 's', ...position, delta: { upsert: [], remove: [2] } })
  answer(link.next('store.subscribe'), [])
  await ready
  t.match(query.state, { data: [{ id: 1 }], status: 'live' })
  t.equal(query.getSnapshot()[0], one)
  t.match(gone.state, { status: 'live', error: undefined })
  queries.hydrate({ queries: [[query.key, { epoch: 'e', revision: 4, key: 'id', data: [] }]] })
  t.same(query.getSnapshot(), [{ id: 1 }], 'older data do not replace newer ones')
  t.equal(query.serverState, rendered, 'the page of the server is taken over as it was rendered')
})
