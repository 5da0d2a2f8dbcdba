import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { pathToFileURL } from 'node:url'
import t, { type Test } from 'tap'
import WebSocket, { WebSocketServer } from 'ws'
import type { Frame } from '../support/client.js'
import { projectFile } from '../support/project-file.js'

interface Client {
  connect: () => void
  close: () => void
  request: (type: string, fields?: object) => Promise<any>
  has: (extension: string) => boolean
  watch: (request: object, onData: (data: any) => void) => Watch
  stop: (watch: Watch) => void
}

interface Watch {
  readonly data: any
}

interface Options {
  onState?: (state: string, details?: { delayMs: number }) => void
  onEnd?: (watch: Watch, reason: string) => void
  firstDelayMs?: number
  maxDelayMs?: number
  silenceMs?: number
}

// The page's own script: it has no types, and a browser brings the class.
const script = pathToFileURL(projectFile('example-app/public/live-client.js')).href
const { LiveClient } = await import(script) as { LiveClient: new (url: string, options?: Options) => Client }
Object.assign(globalThis, { WebSocket })

/** One connection as the server sees it. */
class Peer {
  readonly ws: WebSocket
  readonly #frames: AsyncIterator<[Buffer]>

  constructor (ws: WebSocket) {
    this.ws = ws
    this.#frames = frames(ws)
  }

  send (frame: object): void {
    this.ws.send(JSON.stringify(frame))
  }

  /** `more`: what a server with extensions has besides. */
  welcome (more: object = {}): void {
    this.send({ type: 'welcome', version: '1.0.0', serverTime: 0, requiresAuth: false, ...more })
  }

  async next (): Promise<Frame> {
    const { value } = await this.#frames.next()
    return JSON.parse(String(value[0])) as Frame
  }
}

/** Keeps the frames from the first tick on. */
function frames (ws: WebSocket): AsyncIterator<[Buffer]> {
  const queue: Array<[Buffer]> = []
  let wake = (): void => {}
  ws.on('message', (data: Buffer) => { queue.push([data]); wake() })
  return {
    async next () {
      while (queue.length === 0) await new Promise<void>(resolve => { wake = resolve })
      return { value: queue.shift() as [Buffer] }
    }
  }
}

/** A client, and the server that it connects to as often as it likes. */
async function start (t: Test, options: Options = {}) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  await once(server, 'listening')
  const states: string[] = []
  const changes: Array<() => void> = []
  const client = new LiveClient(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`, {
    firstDelayMs: 1,
    maxDelayMs: 4,
    ...options,
    onState (state, details) {
      states.push(state)
      options.onState?.(state, details)
      for (const changed of changes.splice(0)) changed()
    }
  })
  t.teardown(() => {
    client.close()
    for (const ws of server.clients) ws.terminate()
    server.close()
  })
  const accepted: Peer[] = []
  server.on('connection', ws => { accepted.push(new Peer(ws)) })
  const accept = async (): Promise<Peer> => {
    while (accepted.length === 0) await once(server, 'connection')
    return accepted.shift() as Peer
  }
  const state = async (wanted: string): Promise<void> => {
    while (states.at(-1) !== wanted) await new Promise<void>(resolve => { changes.push(resolve) })
  }
  return { client, states, state, accept }
}

t.test('watches again on every new connection, from a server without extensions, too', async t => {
  const { client, states, state, accept } = await start(t)
  const seen: unknown[] = []
  const changes: Array<() => void> = []
  client.watch({ query: 'open-orders', params: { of: 'ada' } }, data => {
    seen.push(data)
    for (const changed of changes.splice(0)) changed()
  })
  const change = async (count: number): Promise<void> => {
    while (seen.length < count) await new Promise<void>(resolve => { changes.push(resolve) })
  }

  client.connect()
  const first = await accept()
  first.welcome()
  const request = await first.next()
  t.same(request, { id: 1, type: 'store.subscribe', query: 'open-orders', params: { of: 'ada' } })
  t.notOk(client.has('delta'))
  // In one go: the push must find its subscription.
  first.ws.send(
    JSON.stringify({ id: request['id'], type: 'result', data: { subscriptionId: 'sub-1', data: 1 } })
  )
  first.send({ type: 'push', channel: 'subscription', subscriptionId: 'sub-1', data: 2 })
  await change(2)

  first.ws.terminate()
  const second = await accept()
  second.welcome()
  const again = await second.next()
  t.same(again, { id: 2, type: 'store.subscribe', query: 'open-orders', params: { of: 'ada' } })
  second.send({ id: again['id'], type: 'result', data: { subscriptionId: 'sub-7', data: 3 } })
  second.send({
    type: 'push',
    channel: 'subscription',
    subscriptionId: 'sub-1',
    data: 'of the first connection'
  })
  second.send({ type: 'push', channel: 'subscription', subscriptionId: 'sub-7', data: 4 })
  await change(4)
  t.same(seen, [1, 2, 3, 4])
  await state('open')
  t.same(states, ['connecting', 'open', 'waiting', 'connecting', 'open'])
})

/** The members of a welcome that names extensions. */
const modern = { extensions: ['delta', 'find', 'another'], heartbeatMs: 30_000 }

/** The members of a result that is no list. */
const position = { epoch: 'e', revision: 1, key: null }

/** Answers a subscription with this result. */
function answer (server: Peer, id: number, subscriptionId: string, result: object): void {
  server.send({ id, type: 'result', data: { subscriptionId, ...result } })
}

t.test('takes what has changed, the pushes of one moment together, and comes back where it was', async t => {
  const { client, accept } = await start(t)
  const shown: unknown[] = []
  const changes: Array<() => void> = []
  const show = (): void => {
    shown.push([orders.data, count.data])
    for (const changed of changes.splice(0)) changed()
  }
  const change = async (many: number): Promise<void> => {
    while (shown.length < many) await new Promise<void>(resolve => { changes.push(resolve) })
  }
  const find = { bucket: 'orders', sort: { total: 'asc' } }
  const orders = client.watch({ find }, show)
  const count = client.watch({ query: 'count' }, show)
  client.connect()
  const first = await accept()
  first.welcome(modern)
  t.same(await first.next(), { id: 1, type: 'store.subscribe', find, delta: true })
  t.same(await first.next(), { id: 2, type: 'store.subscribe', query: 'count', delta: true })
  t.ok(client.has('find'))
  const [a, b, c] = [{ id: 'a', total: 1 }, { id: 'b', total: 2 }, { id: 'c', total: 3 }]
  answer(first, 1, 's1', { epoch: 'e', revision: 4, key: 'id', data: [a, b, c] })
  answer(first, 2, 's2', { epoch: 'f', revision: 4, key: null, data: 3 })
  const push = { type: 'push', channel: 'subscription' }
  const upsert = [{ id: 'd', total: 0 }, { id: 'a', total: 9 }]
  const delta = { upsert, remove: ['c', 'd', 'a'], at: [['d', 0], ['a', 2]] }
  first.send({ ...push, subscriptionId: 's1', revision: 5, delta, more: true })
  first.send({ ...push, subscriptionId: 's2', revision: 5, data: 30, epoch: 'f', key: null })
  await change(4)
  const then = [{ id: 'd', total: 0 }, b, { id: 'a', total: 9 }]
  t.same(shown, [[[a, b, c], undefined], [[a, b, c], 3], [then, 30], [then, 30]])

  first.ws.terminate()
  const second = await accept()
  second.welcome(modern)
  const since = { epoch: 'e', revision: 5 }
  t.same(await second.next(), { id: 3, type: 'store.subscribe', find, delta: true, since })
  t.match(await second.next(), { id: 4, since: { epoch: 'f', revision: 5 } })
  const missed = { upsert: [{ id: 'e', total: 10 }], remove: ['b'] }
  answer(second, 3, 's3', { epoch: 'e', revision: 8, key: 'id', delta: missed })
  await change(5)
  t.same(orders.data, [{ id: 'd', total: 0 }, { id: 'a', total: 9 }, { id: 'e', total: 10 }])

  t.comment('a complete result with a new epoch takes its place, and that of the position')
  second.send({ ...push, subscriptionId: 's3', revision: 9, data: [a], epoch: 'g', key: 'id' })
  await change(6)
  t.same(orders.data, [a])
  second.ws.terminate()
  const third = await accept()
  third.welcome(modern)
  t.match(await third.next(), { find, since: { epoch: 'g', revision: 9 } })

  t.comment('and then a server that knows none of it')
  third.ws.terminate()
  const former = await accept()
  former.welcome()
  t.same(await former.next(), { id: 7, type: 'store.subscribe', find })
})

t.test('a watch that is stopped is unsubscribed, and shows nothing more', async t => {
  const { client, accept, state } = await start(t)
  const seen: unknown[] = []
  const [known, asked] = ['known', 'asked'].map(query => client.watch({ query }, data => { seen.push(data) }))
  client.connect()
  const server = await accept()
  server.welcome(modern)
  for (const id of [1, 2]) t.match(await server.next(), { id })
  answer(server, 1, 's1', { ...position, data: 1 })
  server.send({ type: 'ping', timestamp: 1 })
  await server.next()
  client.stop(known as Watch)
  client.stop(asked as Watch)
  t.same(await server.next(), { id: 3, type: 'store.unsubscribe', subscriptionId: 's1' })
  answer(server, 2, 's2', { ...position, data: 2 })
  t.same(await server.next(), { id: 4, type: 'store.unsubscribe', subscriptionId: 's2' })
  server.send({ type: 'push', channel: 'subscription', subscriptionId: 's1', ...position, data: 3 })
  server.ws.terminate()
  await state('waiting')
  t.same(seen, [1])
})

t.test('a watch that the server ends or refuses is told', async t => {
  const ends: unknown[] = []
  const ended: Array<() => void> = []
  const onEnd = (watch: Watch, reason: string): void => {
    ends.push([watch, reason])
    for (const wake of ended.splice(0)) wake()
  }
  const { client, states, accept } = await start(t, { onEnd })
  const watches = ['one', 'other'].map(query => client.watch({ query }, () => {}))
  client.connect()
  const server = await accept()
  server.welcome(modern)
  answer(server, 1, 's1', { ...position, data: 1 })
  server.send({ id: 2, type: 'error', code: 'QUERY_NOT_DEFINED', message: 'no' })
  server.send({ type: 'system', event: 'subscription_closed', subscriptionId: 's1', reason: 'memory_limit' })
  while (ends.length < 2) await new Promise<void>(resolve => { ended.push(resolve) })
  t.same(ends, [[watches[1], 'QUERY_NOT_DEFINED'], [watches[0], 'memory_limit']])
  t.same(states, ['connecting'], 'it does not say that all is live')
})

t.test('connects anew when it is told to, and lets the former connection go', async t => {
  const { client, states, state, accept } = await start(t)
  client.connect()
  const first = await accept()
  first.welcome()
  await state('open')
  const pending = client.request('store.buckets')
  client.connect()
  await t.rejects(pending, { code: 'DISCONNECTED' })
  await once(first.ws, 'close')
  const second = await accept()
  second.welcome()
  await state('open')
  t.same(states, ['connecting', 'open', 'connecting', 'open'])
})

t.test('answers pings', async t => {
  const { client, accept } = await start(t)
  client.connect()
  const server = await accept()
  server.send({ type: 'ping', timestamp: 17 })
  t.same(await server.next(), { type: 'pong', timestamp: 17 })
})

t.test('waits longer each time, until a connection works', async t => {
  const delays: number[] = []
  const { client, accept, state } = await start(t, {
    firstDelayMs: 4,
    maxDelayMs: 20,
    onState: (_state, details) => { if (details !== undefined) delays.push(details.delayMs) }
  })
  client.connect()
  for (let i = 0; i < 5; i++) (await accept()).ws.close(1013)
  const server = await accept()
  server.welcome()
  await state('open')
  server.ws.close(1000)
  await state('waiting')
  for (const [index, full] of [4, 8, 16, 20, 20, 4].entries()) {
    const delay = delays[index] as number
    t.ok(delay >= full / 2 && delay <= full, `attempt ${index + 1} comes after ${full / 2} to ${full} ms`)
  }
})

for (const code of [1003, 4002, 4003]) {
  t.test(`does not come back after ${code}`, async t => {
    const { client, states, state, accept } = await start(t)
    client.connect()
    const server = await accept()
    server.welcome()
    server.ws.close(code)
    await state('refused')
    t.same(states, ['connecting', 'open', 'refused'])
    await t.rejects(client.request('store.buckets'), { code: 'DISCONNECTED' })
  })
}

t.test('replies and errors find their request', async t => {
  const { client, state, accept } = await start(t)
  client.connect()
  const server = await accept()
  await t.rejects(client.request('store.buckets'), { code: 'DISCONNECTED' }, 'not before the welcome')
  server.welcome()
  await state('open')

  const [first, second] = [
    client.request('store.get', { bucket: 'a', key: 1 }),
    client.request('store.get', { bucket: 'b', key: 2 })
  ]
  const requests = [await server.next(), await server.next()]
  t.match(requests, [{ type: 'store.get', bucket: 'a', key: 1 }, { type: 'store.get', bucket: 'b', key: 2 }])
  server.send({
    id: requests[1]?.['id'],
    type: 'error',
    code: 'BUCKET_NOT_DEFINED',
    message: 'no such bucket',
    details: []
  })
  server.send({ id: requests[0]?.['id'], type: 'result', data: { name: 'one' } })
  t.same(await first, { name: 'one' })
  await t.rejects(second, { code: 'BUCKET_NOT_DEFINED', message: 'no such bucket', details: [] })

  const lost = client.request('store.get', { bucket: 'a', key: 1 })
  await server.next()
  server.ws.terminate()
  await t.rejects(lost, { code: 'DISCONNECTED' }, 'it is unknown whether it was carried out')
})

t.test('leaves a server that is about to stop, after the last reply, and comes back', async t => {
  const { client, states, state, accept } = await start(t)
  client.connect()
  const server = await accept()
  server.welcome()
  await state('open')
  const pending = client.request('store.all', { bucket: 'orders' })
  const { id } = await server.next()
  server.send({ type: 'system', event: 'shutdown', gracePeriodMs: 5_000 })
  await state('leaving')
  await t.rejects(client.request('store.buckets'), { code: 'DISCONNECTED' }, 'begins nothing new')
  t.equal(server.ws.readyState, WebSocket.OPEN)
  server.send({ id, type: 'result', data: [] })
  t.same(await pending, [])
  const [code] = await once(server.ws, 'close')
  t.equal(code, 1000)

  const next = await accept()
  next.welcome()
  await state('open')
  t.same(states, ['connecting', 'open', 'leaving', 'waiting', 'connecting', 'open'])
})

t.test('a connection that has fallen silent is given up', async t => {
  const { client, state, accept } = await start(t, { silenceMs: 50 })
  client.connect()
  const server = await accept()
  server.welcome()
  await state('open')
  // The network is gone: not even the close frame is answered.
  server.ws.pause()
  await state('waiting')
  const next = await accept()
  next.welcome()
  await state('open')
})

t.test('closes for good', async t => {
  const { client, states, state, accept } = await start(t)
  client.connect()
  const server = await accept()
  server.welcome()
  await state('open')
  client.close()
  await once(server.ws, 'close')
  t.same(states, ['connecting', 'open'])
})
