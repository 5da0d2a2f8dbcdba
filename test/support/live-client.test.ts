import t, { type Test } from 'tap'
import { LiveConnection, LiveView, type LiveFrame } from './live-client.js'

const welcome = { type: 'welcome', version: '1.0.0', extensions: ['delta', 'find'] }
const row = (id: unknown, n = 0): object => ({ id, n })

interface Talk {
  readonly connection: LiveConnection
  readonly sent: LiveFrame[]
  /** The ids of the rows of each view that has changed, step by step. */
  readonly shown: unknown[]
  readonly ended: string[]
  readonly say: (frame: object) => void
}

function talk (greeting: object | null = welcome): Talk {
  const sent: LiveFrame[] = []
  const shown: unknown[] = []
  const ended: string[] = []
  const connection = new LiveConnection(text => { sent.push(JSON.parse(text)) }, {
    onShown: views => {
      shown.push(views.map(({ data }) => Array.isArray(data) ? data.map(({ id }) => id) : data))
    },
    onEnded: (_view, reason) => { ended.push(reason) }
  })
  const say = (frame: object): void => { connection.receive(JSON.stringify(frame)) }
  if (greeting !== null) say(greeting)
  return { connection, sent, shown, ended, say }
}

const reply = (members: object): object => ({ epoch: 'e', revision: 5, key: 'id', bucket: 'b', ...members })

/** Subscribes views of deltas, each of which gets the rows a and b. */
async function subscribed (t: Test, count = 1): Promise<Talk & { readonly views: LiveView[] }> {
  const talking = talk()
  const views = Array.from({ length: count }, () => new LiveView({ query: 'all' }, true))
  for (const [i, view] of views.entries()) {
    const subscribing = talking.connection.subscribe(view)
    t.match(talking.sent.at(-1), { type: 'store.subscribe', query: 'all', delta: true, since: undefined })
    const data = reply({ subscriptionId: `s${i}`, data: [row('a'), row('b')] })
    talking.say({ id: i + 1, type: 'result', data })
    await subscribing
  }
  talking.shown.length = 0
  return { ...talking, views }
}

const push = (members: object): object =>
  ({ type: 'push', channel: 'subscription', subscriptionId: 's0', revision: 6, ...members })
const delta = (...ids: string[]): object => ({ delta: { upsert: ids.map(id => row(id)), remove: [] } })

t.test('deltas and whole results are applied', async t => {
  const { say, shown, views } = await subscribed(t)
  say(push(delta('c')))
  say(push({ revision: 7, data: [row('z')] }))
  t.same(shown, [[['a', 'b', 'c']], [['z']]])
  t.equal(views[0]?.revision, 7)
})

t.test('pushes of one commit are shown in one step', async t => {
  const { say, shown, connection } = await subscribed(t, 3)
  say(push({ ...delta('c'), more: true }))
  say(push({ subscriptionId: 's2', ...delta('d'), more: true }))
  t.same(shown, [])
  say(push({ subscriptionId: 's1', ...delta('e') }))
  t.same(shown, [[['a', 'b', 'c'], ['a', 'b', 'd'], ['a', 'b', 'e']]])
  t.equal(connection.counts.groups, 1)
})

t.test('a view that has shown something asks from there, and takes a delta or the whole', async t => {
  const { views: [view] } = await subscribed(t)
  const { connection, sent, say, shown } = talk()
  connection.subscribe(view as LiveView).catch(t.error)
  t.match(sent, [{ since: { epoch: 'e', revision: 5 } }])
  say({ id: 1, type: 'result', data: reply({ subscriptionId: 'x', revision: 9, ...delta('c') }) })
  t.same(shown, [[['a', 'b', 'c']]])
  const later = talk()
  later.connection.subscribe(view as LiveView).catch(t.error)
  t.match(later.sent, [{ since: { epoch: 'e', revision: 9 } }])
  const another = reply({ subscriptionId: 'y', epoch: 'f', revision: 2, data: [] })
  later.say({ id: 1, type: 'result', data: another })
  t.same(later.shown, [[[]]], 'another history begins anew')
})

t.test('a subscription that ends is told of, and gets nothing more', async t => {
  const { say, ended, views } = await subscribed(t)
  const end = { type: 'system', event: 'subscription_closed', subscriptionId: 's0', reason: 'forbidden' }
  say(end)
  t.same(ended, ['forbidden'])
  t.equal(views[0]?.state, 'ended')
  t.throws(() => { say(push(delta('c'))) }, { name: 'WireViolation' })
  t.throws(() => { say(end) }, { name: 'WireViolation' })
})

t.test('pushes may come until an unsubscribe is answered, and not later', async t => {
  const { say, connection, views: [view] } = await subscribed(t)
  const left = connection.unsubscribe(view as LiveView)
  say(push(delta('c')))
  say({ id: 2, type: 'result', data: { unsubscribed: true } })
  t.throws(() => { say(push({ revision: 7, ...delta('d') })) }, { message: /unknown subscription/ })
  await left
})

t.test('without deltas, pushes are those of the former protocol', async t => {
  const { connection, say, shown, sent } = talk({ type: 'welcome', version: '1.0.0' })
  connection.subscribe(new LiveView({ query: 'all' }, false)).catch(t.error)
  t.same(sent, [{ id: 1, type: 'store.subscribe', query: 'all' }])
  say({ id: 1, type: 'result', data: { subscriptionId: 's0', data: 3 } })
  say({ type: 'push', channel: 'subscription', subscriptionId: 's0', data: 4 })
  t.same(shown, [[3], [4]])
  t.throws(() => { say(push({ data: 5 })) }, { message: /former protocol/ })
})

t.test('pings are answered', async t => {
  const { say, sent } = talk()
  say({ type: 'ping', timestamp: 7 })
  t.same(sent, [{ type: 'pong', timestamp: 7 }])
})

t.test('a notice is for the replies up to its revision', async t => {
  const { connection, say } = talk()
  const replies = [5, 5, 7].map(async (revision, i) => {
    const reply = connection.request('store.clear', { revision: true })
    say({ id: i + 1, type: 'result', data: null, revision })
    return (await reply)['revision'] as number
  })
  const notice = (revision: number): object => ({ type: 'system', event: 'revision', revision })
  t.throws(() => { say(notice(4)) }, { message: /no reply waits for/ })
  say(notice(6))
  t.equal(connection.isAwaitingNotice, true)
  say(notice(7))
  t.equal(connection.isAwaitingNotice, false)
  t.throws(() => { say(notice(7)) }, { message: /no reply waits for/ })
  t.same(await Promise.all(replies), [5, 5, 7])
  const replyTo = (asked: boolean, members: object): void => {
    const { connection, say } = talk()
    connection.request('store.clear', { revision: asked }).catch(() => {})
    say({ id: 1, type: 'result', data: null, ...members })
  }
  replyTo(true, { revision: 6 })
  replyTo(false, {})
  t.throws(() => { replyTo(true, {}) }, { name: 'WireViolation' })
  t.throws(() => { replyTo(false, { revision: 6 }) }, { name: 'WireViolation' })
})

for (const [problem, frames] of Object.entries<object[]>({
  'a second welcome': [welcome],
  'an unknown message': [{ type: 'news' }],
  'a reply to no request': [{ id: 9, type: 'result', data: null }],
  'a push of an unknown subscription': [push({ subscriptionId: 'x', ...delta('c') })],
  'a push without a revision': [push({ revision: undefined, ...delta('c') })],
  'a revision that goes back': [push({ revision: 4, ...delta('c') })],
  'a push with neither data nor a delta': [push({})],
  'a push with both': [push({ ...delta('c'), data: [] })],
  'more that is not true': [push({ ...delta('c'), more: false })],
  'more without a following push': [push({ ...delta('c'), more: true }), { type: 'ping', timestamp: 1 }],
  'a group of two revisions': [
    push({ ...delta('c'), more: true }), push({ subscriptionId: 's1', revision: 7, ...delta('d') })
  ],
  'a whole result with a key twice': [push({ data: [row('a'), row('a')] })],
  'a whole result that is no list': [push({ data: 3 })]
})) {
  t.test(`${problem} is a violation`, async t => {
    const { say } = await subscribed(t, 2)
    t.throws(() => { for (const frame of frames) say(frame) }, { name: 'WireViolation' })
  })
}

for (const [problem, members] of Object.entries<object>({
  'without an epoch': { epoch: undefined, data: [] },
  'without a revision': { revision: undefined, data: [] },
  'without a key': { key: undefined, data: [] },
  'without a bucket': { bucket: undefined, data: [] },
  'with a bucket and no key': { key: null, data: [] },
  'without data': {},
  'with a delta that was not asked for': delta('c'),
  'with the id of another subscription': { subscriptionId: 's0', data: [] }
})) {
  t.test(`a reply ${problem} is a violation`, async t => {
    const { say, connection } = await subscribed(t)
    connection.subscribe(new LiveView({ query: 'all' }, true)).catch(() => {})
    const data = reply({ subscriptionId: 's9', ...members })
    t.throws(() => { say({ id: 2, type: 'result', data }) }, { name: 'WireViolation' })
  })
}

t.test('a resumed delta must be of the same epoch and key, and no older', async t => {
  for (const members of [{ epoch: 'f' }, { key: 'n' }, { revision: 4 }]) {
    const { views: [view] } = await subscribed(t)
    const { connection, say } = talk()
    connection.subscribe(view as LiveView).catch(() => {})
    const data = reply({ subscriptionId: 'x', ...delta('c'), ...members })
    t.throws(() => { say({ id: 1, type: 'result', data }) }, { name: 'WireViolation' })
  }
})

t.test('before the welcome comes nothing', async t => {
  t.throws(() => { talk(null).say({ type: 'ping', timestamp: 1 }) }, { message: /welcome/ })
})
