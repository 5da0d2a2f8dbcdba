import t from 'tap'
import { IMPOSSIBLE, type Transport } from '../../../lib/client/transport.js'
import { chooseTransport } from '../../../lib/client/transport-choice.js'
import { FakeEnvironment, FakeLines } from '../../support/fake-line.js'

interface Choosing {
  readonly environment: FakeEnvironment
  readonly socket: FakeLines
  readonly http: FakeLines
  readonly heard: string[]
  readonly ends: unknown[][]
  readonly open: () => Transport
  readonly reset: () => void
}

function choosing ({ hasFallback = true } = {}): Choosing {
  const environment = new FakeEnvironment()
  const socket = new FakeLines()
  const http = new FakeLines()
  const heard: string[] = []
  const ends: unknown[][] = []
  const ways = hasFallback ? [socket.open, http.open] : [socket.open]
  const { open, reset } = chooseTransport(ways, 10_000, environment)
  return {
    environment,
    socket,
    http,
    heard,
    ends,
    reset,
    open: () => open({
      onMessage: text => { heard.push(text) },
      onClose: (...ending) => { ends.push(ending) }
    })
  }
}

t.test('takes the first over which a server answers', async t => {
  const { open, socket, http, heard, environment } = choosing()
  const transport = open()
  socket.last.say('welcome')
  transport.send('{"id":1}')
  t.same(heard, ['welcome'])
  t.same(socket.last.sent, [{ id: 1 }])
  t.equal(http.all.length, 0)
  t.equal(environment.clock.pending, 0)
})

t.test('goes on with the next at once when one closes before its first message', async t => {
  const { open, socket, http, heard, ends } = choosing()
  const transport = open()
  socket.last.drop(1006, '', 'Unexpected server response: 200')
  http.last.kind = 'http'
  t.equal(transport.kind, 'http')
  http.last.say('welcome')
  t.same(heard, ['welcome'])
  http.last.drop(1006, '')
  t.same(ends, [[1006, '', undefined]], 'an old problem is none of this end')
})

t.test('goes on with the next when nothing comes in time', async t => {
  const { open, socket, http, environment } = choosing()
  open()
  environment.clock.turn(9_999)
  t.equal(http.all.length, 0)
  environment.clock.turn(1)
  t.ok(socket.last.isClosed)
  t.equal(http.all.length, 1)
})

t.test('tells the end when none answers, with all reasons', async t => {
  const { open, socket, http, ends, environment } = choosing()
  open()
  socket.last.drop(1006, '', 'connect ECONNREFUSED')
  environment.clock.turn(10_000)
  t.same(ends, [[1006, '', 'connect ECONNREFUSED; no welcome within 10000 ms']])
  t.ok(http.last.isClosed)
  t.equal(environment.clock.pending, 0)
})

t.test('where there is one way only, its end is the end', async t => {
  const { open, socket, ends } = choosing({ hasFallback: false })
  open()
  socket.last.drop(1006, '')
  t.same(ends, [[1006, '', undefined]])
})

t.test('a server that does not want this client is not asked over another way', async t => {
  const { open, socket, http, ends } = choosing()
  open()
  socket.last.drop(4003, 'too_many_connections')
  t.equal(http.all.length, 0)
  t.same(ends, [[4003, 'too_many_connections', undefined]])
})

t.test('a way that cannot be tried says nothing of the other', async t => {
  const codes = [
    [IMPOSSIBLE, 1006, 1006], [1006, IMPOSSIBLE, 1006], [IMPOSSIBLE, IMPOSSIBLE, IMPOSSIBLE]
  ] as const
  for (const [first, second, code] of codes) {
    const { open, socket, http, ends } = choosing()
    open()
    socket.last.drop(first, '', 'a')
    http.last.drop(second, '', 'b')
    t.same(ends, [[code, '', 'a; b']])
  }
})

t.test('begins with the one that worked last, for ten minutes or until the network changes', async t => {
  const { open, reset, socket, http, environment } = choosing()
  const first = open()
  socket.last.drop()
  http.last.say('welcome')
  first.close()
  open().close()
  t.equal(socket.all.length, 1)
  t.equal(http.all.length, 2)
  environment.clock.turn(600_000)
  const later = open()
  t.equal(socket.all.length, 2)
  socket.last.drop()
  http.last.say('welcome')
  later.close()
  reset()
  open().close()
  t.equal(socket.all.length, 3)
})

t.test('one that has failed is not the best, though the other fails, too', async t => {
  const { open, socket, http } = choosing()
  open()
  socket.last.drop()
  http.last.drop()
  open()
  t.equal(socket.all.length, 2)
  socket.last.say('welcome')
  socket.last.drop()
  open()
  t.equal(socket.all.length, 3)
  t.equal(http.all.length, 1)
})

t.test('nothing is tried once it is closed', async t => {
  const { open, socket, http, heard, ends, environment } = choosing()
  const transport = open()
  socket.last.drop()
  http.last.say('welcome')
  transport.close()
  t.ok(http.last.isClosed)
  http.last.say('late')
  environment.clock.turn(3_600_000)
  t.equal(socket.all.length, 1)
  t.same(heard, ['welcome'])
  t.same(ends, [])
})
