import t from 'tap'
import { QueryEvents } from '../../../lib/connection/query-events.js'
import { encodeDeltaPush } from '../../../lib/protocol/live-messages.js'

const epoch = 'a"b.c'
const reply = (data: string): string =>
  `{"id":2,"type":"result","data":{"subscriptionId":"sub-x","epoch":${JSON.stringify(epoch)},"revision":4,` +
  `"key":"š","data":${data}}}`
const push = (revision: number, body: { data: string } | { delta: string }): string =>
  encodeDeltaPush('sub-x', { revision, ...('data' in body && { epoch, key: 'š' }) }, body, false)

/** Returns what messages are made into, and what was told, when each comes in the pieces that `cut` makes. */
function eventsOf (
  texts: readonly string[], isDelta: boolean, cut: (bytes: Buffer) => readonly Buffer[] = bytes => [bytes]
) {
  const told: unknown[] = []
  const events = new QueryEvents({
    onLoggedIn: () => { told.push('logged in') },
    onOpen: () => { told.push('open') },
    onRefused: ({ code }) => { told.push(code) },
    onEnd: reason => { told.push(reason) },
    onPong: () => { told.push('pong') }
  }, isDelta)
  const sent: Buffer[] = []
  for (const message of texts) {
    const pieces = cut(Buffer.from(message))
    for (const [i, piece] of pieces.entries()) {
      sent.push(...events.piece(piece, i === 0, i === pieces.length - 1))
    }
    events.onSent()
  }
  return { text: String(Buffer.concat(sent)), told, events }
}

const welcome = '{"type":"welcome","version":"1.0.0"}'
const rows = '[{"n":1,"name":"}}\\"š"}]'
const all = [
  welcome, reply(rows), '{"type":"ping","timestamp":5}', push(5, { delta: '{"upsert":[],"remove":[1]}' }),
  push(6, { data: '7' }), '{"type":"system","event":"shutdown","gracePeriodMs":5,"reconnectAfterMs":40}',
  '{"type":"system","event":"subscription_closed","subscriptionId":"sub-x","reason":"bucket_dropped"}'
]

t.test('changes, for a client that asks for them', async t => {
  const { text, told } = eventsOf(all, true)
  t.same({ text, told }, {
    text: `id: ${epoch}:4\ndata: {"key":"š","data":${rows}}\n\n:\n\n` +
      `id: ${epoch}:5\nevent: delta\ndata: {"upsert":[],"remove":[1]}\n\n` +
      `id: ${epoch}:6\ndata: {"key":"š","data":7}\n\nretry: 40\n\n`,
    told: ['open', 'pong', 'bucket_dropped']
  })
})

t.test('complete results, for any other; a reply that nothing has changed is a comment', async t => {
  const same = reply('1').replace('"data":1}}', '"delta":{"upsert":[],"remove":[]}}}')
  t.match(eventsOf([welcome, same, push(5, { data: '[1]' })], false), {
    text: `:\n\nid: ${epoch}:5\ndata: [1]\n\n`, told: ['open']
  })
})

t.test('a result may be cut anywhere behind its beginning', async t => {
  const start = Math.max(Buffer.byteLength(reply('')), Buffer.byteLength(push(6, { data: '' })))
  const texts = [reply(rows), push(6, { data: rows })]
  const whole = eventsOf(texts, false).text
  for (let length = start; length < start + 30; length++) {
    t.equal(eventsOf(texts, false, bytes => [bytes.subarray(0, length), bytes.subarray(length)]).text, whole)
  }
  const byteByByte = (bytes: Buffer): Buffer[] =>
    [bytes.subarray(0, start), ...[...bytes.subarray(start)].map(byte => Buffer.of(byte))]
  t.equal(eventsOf(texts, false, byteByByte).text, whole)
})

t.test('refusals, a login, and pings before the first event are told, and nothing is sent', async t => {
  const texts = [
    welcome, '{"type":"ping","timestamp":5}', '{"id":1,"type":"result","data":{"userId":"ann"}}',
    '{"type":"system","event":"shutdown","gracePeriodMs":5,"reconnectAfterMs":40}',
    '{"id":2,"type":"error","code":"FORBIDDEN","message":"no"}'
  ]
  t.match(eventsOf(texts, false), { text: '', told: ['pong', 'logged in', 'FORBIDDEN'] })
})

t.test('an end is told to a client that must not come back', async t => {
  const { events } = eventsOf([], false)
  const last = (reason: string): string => Buffer.concat(events.closed(1000, reason)).toString()
  for (const reason of ['server_shutdown', 'slow_consumer', 'heartbeat_timeout', 'overloaded']) {
    t.equal(last(reason), '', reason)
  }
  for (const reason of ['session_ended', 'session_revoked', 'query_undefined', 'forbidden']) {
    t.equal(last(reason), `event: end\ndata: {"reason":"${reason}"}\n\n`)
  }
})
