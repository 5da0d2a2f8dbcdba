import t from 'tap'
import type { Connection } from '../../../lib/connection/connection.js'
import { ConnectionList } from '../../../lib/connection/connection-list.js'
import type { Connections } from '../../../lib/connection/connections.js'
import { RefusalLog } from '../../../lib/connection/refusal-log.js'
import { FakeClock } from '../../support/fake-clock.js'
import { NoexServerError } from '../../../lib/index.js'

const COUNT = 20_000

/** A connection as far as lists look at it; each look takes as long as `work`. */
function connection (number: number, work = (): unknown => undefined): Connection {
  return {
    id: `conn-${number}`,
    connectedAt: 0,
    requests: 0,
    session: { userId: `u${number}`, userName: `name ${number}` },
    upgrade: { remoteAddress: '10.0.0.1' },
    principal: { watches: () => work() ?? true, subscriptionInfos: () => [] },
    flow: { queued: {} },
    get info () { return { connectionId: `conn-${number}` } }
  } as unknown as Connection
}

function listOf (all: readonly Connection[], clock = new FakeClock()): ConnectionList {
  const find = (id: string): Connection | undefined => all.find(one => one.id === id)
  return new ConnectionList({ all, find } as unknown as Connections, new RefusalLog(clock), clock)
}

t.test('many connections are looked at in slices, and a page stays a page', async t => {
  const list = listOf(Array.from({ length: COUNT }, (_, i) => connection(i + 1, () => {
    for (const until = performance.now() + 0.005; performance.now() < until;);
  })))
  let turns = 0
  let isDone = false
  const count = (): void => {
    turns++
    if (!isDone) setImmediate(count)
  }
  setImmediate(count)
  const page = await list.page({ query: 'any', limit: 1_000, after: `conn-${COUNT - 500}` })
  isDone = true
  t.equal(page.connections.length, 500)
  t.match(page, { total: COUNT, more: false })
  t.ok(turns > 5, `others had ${turns} turns`)
})

t.test('the rate of requests is that since the last look at least a second ago', async t => {
  const clock = new FakeClock()
  const one = connection(1)
  const list = listOf([one], clock)
  const rate = (): number | undefined => list.details('conn-1')?.requestsPerSecond
  ;(one as { connectedAt: number }).connectedAt = clock.now()
  clock.turn(4_000)
  one.requests = 10
  t.equal(rate(), 2.5, 'since it opened')
  one.requests = 100
  clock.turn(500)
  t.equal(rate(), 2.5, 'too soon for another')
  clock.turn(1_500)
  t.equal(rate(), 45)
  clock.turn(2_000)
  t.equal(rate(), 0)
})

t.test('refusals of a great many connections take bounded memory', t => {
  const clock = new FakeClock()
  const log = new RefusalLog(clock)
  const error = new NoexServerError('FORBIDDEN', 'm'.repeat(100_000))
  const client = (i: number) => ({
    origin: { connectionId: `conn-${i}`, remoteAddress: '10.0.0.1', headers: {} },
    principal: { session: undefined }
  })
  for (let i = 0; i < 3_000; i++) log.add(client(i), '\u{1F600}'.repeat(100), error)
  t.same(log.of('conn-0'), [], 'those of connections that were refused long ago are dropped')
  t.equal(log.of('conn-2999').length, 1)
  t.match(log.newest(1), [{ message: 'm'.repeat(256), operation: '\u{1F600}'.repeat(32), code: 'FORBIDDEN' }])
  t.equal(log.newest(1_000).length, 200)
  log.add(client(0), 'x'.repeat(63) + '\u{1F600}', error)
  t.equal(log.newest(1)[0]?.operation?.isWellFormed(), true)
  log.forget('conn-0')
  t.same(log.of('conn-0'), [])
  t.equal(log.newest(1)[0]?.connectionId, 'conn-0', 'the process remembers')
  t.end()
})
