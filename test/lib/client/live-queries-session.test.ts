import t from 'tap'
import { NoexClientError } from '../../../lib/client/errors.js'
import { startOptimist } from '../../support/optimistic.js'
import { answer, startQueries, watch } from '../../support/watched.js'

const loggedOut = new NoexClientError('LOGGED_OUT', 'the user has logged out')

t.test('while there is no connection every query has its error, and none loads for ever', async t => {
  const { link, queries } = startQueries(t)
  const early = queries.query('early')
  const { states } = watch(early)
  const tooMany = new NoexClientError('REFUSED', 'too many connections')
  queries.refuse(tooMany)
  queries.refuse(tooMany)
  t.match(states, [{ status: 'loading' }, { status: 'error', error: tooMany, data: undefined }])
  const late = queries.query('late')
  t.match(late.state, { status: 'error', error: tooMany })
  const { states: lateStates } = watch(late)
  queries.refuse(undefined)
  t.match([early.status, late.status], ['loading', 'loading'])
  link.connect()
  answer(link.next('store.subscribe'), [{ id: 1 }])
  answer(link.next('store.subscribe'), [{ id: 2 }])
  t.match(states.slice(2), [{ status: 'loading' }, { status: 'live' }])
  t.match(lateStates.map(({ status }) => status), ['error', 'loading', 'live'])
})

t.test('data stay through a refusal that is not about the user', async t => {
  const { link, queries } = startQueries(t)
  await link.connect()
  const query = queries.query('q')
  watch(query)
  answer(link.next('store.subscribe'), [{ id: 1 }])
  link.lose()
  queries.refuse(new NoexClientError('REFUSED', 'closed with 1009'))
  t.match(query.state, { status: 'error', data: [{ id: 1 }] })
  queries.refuse(undefined)
  t.match(query.state, { status: 'stale', data: [{ id: 1 }], error: undefined })
  link.connect()
  t.match(link.next('store.subscribe').members, { since: { epoch: 'e', revision: 1 } })
})

const codes = ['LOGGED_OUT', 'OTHER_USER', 'SESSION_REVOKED', 'SESSION_ENDED', 'UNAUTHORIZED', 'FORBIDDEN']

for (const code of codes) {
  t.test(`after ${code} nothing of the user is left: data, hydrated states, revisions`, async t => {
    const { link, queries } = startQueries(t)
    link.user = 'alice'
    const result = { data: [{ id: 9 }], revision: 1, epoch: 'e', key: 'id' }
    queries.hydrate({ queries: [['{"query":"rendered"}', result]] })
    await link.connect()
    const [watched, left, rendered] = ['watched', 'left', 'rendered'].map(name => queries.query(name))
    t.match(rendered?.serverState, { data: [{ id: 9 }] })
    for (const query of [watched, left]) watch(query as typeof query & object)
    answer(link.next('store.subscribe'), [{ id: 1 }])
    answer(link.next('store.subscribe'), [{ id: 2 }])
    link.lose()
    queries.refuse(new NoexClientError(code, 'why'))
    for (const query of [watched, left, rendered]) {
      t.match(query?.state, { data: undefined, status: 'error', error: { code } })
      t.equal(query?.serverState, undefined)
    }
    t.equal(link.user, undefined, 'anyone may come next')
    queries.refuse(undefined)
    link.connect()
    t.same(link.next('store.subscribe').members, { query: 'watched', delta: true })
  })
}

t.test('a query that lingers is forgotten in its time, also while there is no connection', async t => {
  const { link, queries } = startQueries(t, 1)
  queries.refuse(loggedOut)
  const query = queries.query('q')
  const first = query.state
  await new Promise(resolve => setTimeout(resolve, 20))
  t.not(query.state, first, 'it is made anew')
  t.match(query.state, { status: 'error' })
  t.same(link.open, [])
})

t.test('another user on the same connection sees each query anew, the same one keeps it', async t => {
  const { link, queries } = startQueries(t)
  await link.connect()
  const query = queries.query('q')
  const { states } = watch(query)
  const id = answer(link.next('store.subscribe'), [{ id: 1 }])
  queries.onUser?.(false)
  t.equal(states.length, 2)
  t.same(link.open, [])
  queries.onUser?.(true)
  t.match(query.state, { data: undefined, status: 'loading' })
  t.same(link.next('store.unsubscribe').members, { subscriptionId: id })
  link.next('store.unsubscribe').reply({})
  link.push(id, { revision: 2, delta: { upsert: [{ id: 3 }], remove: [] } })
  t.equal(query.getSnapshot(), undefined, 'what the former subscription says is not shown')
  t.same(link.next('store.subscribe').members, { query: 'q', delta: true })
  answer(link.next('store.subscribe'), [{ id: 2 }])
  t.same(query.getSnapshot(), [{ id: 2 }])
})

t.test('a query that was refused for want of a login is asked for after the next', async t => {
  const { link, queries } = startQueries(t)
  await link.connect()
  const [first, second] = [queries.query('first'), queries.query('second')]
  watch(first)
  watch(second)
  link.next('store.subscribe').refuse('UNAUTHORIZED')
  link.next('store.subscribe').refuse('QUERY_NOT_DEFINED')
  t.equal(first.status, 'error')
  queries.onUser?.(false)
  t.same(link.open.map(({ members }) => members['query']), ['first'])
  answer(link.next('store.subscribe'), [])
  t.match([first.status, second.status], ['live', 'error'])
})

t.test('results that a server has rendered for another user are not shown', async t => {
  const { link, queries } = startQueries(t)
  const preloaded = (userId: string | undefined, id: number): any =>
    ({ userId, queries: [['{"query":"q"}', { data: [{ id }], revision: 1, epoch: 'e', key: 'id' }]] })
  queries.hydrate(preloaded('alice', 1))
  t.same(queries.query('q').getSnapshot(), [{ id: 1 }])
  t.equal(link.user, 'alice')
  queries.onUser?.(true)
  t.equal(queries.query('q').getSnapshot(), undefined)
  link.user = 'bob'
  queries.hydrate(preloaded('alice', 1))
  t.equal(queries.query('q').getSnapshot(), undefined)
  queries.hydrate(preloaded(undefined, 2))
  t.same(queries.query('q').getSnapshot(), [{ id: 2 }], 'what is for all is for this user too')
})

t.test('optimistic changes go with their user', async t => {
  const { link, list, queries, change, sent } = await startOptimist(t)
  const { query } = list({}, [{ id: 1, text: 'a' }])
  const answered = change(tx => { tx.bucket('todos').update(1, { text: 'b' }) })
  t.match(query.getSnapshot(), [{ text: 'b' }])
  queries.onUser?.(true)
  link.next('store.unsubscribe').reply({})
  answer(link.next('store.subscribe'), [{ id: 1, text: 'of bob' }], { bucket: 'todos' })
  t.match(query.getSnapshot(), [{ text: 'of bob' }])
  sent[0]?.reply(5, { id: 1, text: 'b' })
  await answered
  t.match(query.getSnapshot(), [{ text: 'of bob' }], 'also when they are answered later')
})
