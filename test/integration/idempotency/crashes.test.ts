import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { TestClient, type Frame } from '../../support/client.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'

const program = fileURLToPath(new URL('../../fixtures/killed-server.js', import.meta.url))

/** Serves the store of a directory by a process, again after each death. */
function serviceOn (t: Test, directory: string) {
  let child: ChildProcess | undefined
  t.teardown(() => { child?.kill('SIGKILL') })
  async function start (): Promise<TestClient> {
    child = fork(program, [directory], { execArgv: [], env: { ...process.env, NODE_OPTIONS: '' } })
    const [port] = await Promise.race([once(child, 'message'), once(child, 'exit')])
    return await TestClient.open(t, `ws://127.0.0.1:${String(port)}`)
  }
  /** Sends a request that kills the process, and resolves with everything that came back. */
  async function die (client: TestClient, type: string, fields: object): Promise<readonly Frame[]> {
    const exited = once(child as ChildProcess, 'exit')
    client.send({ id: 99, type, ...fields })
    const [, signal] = await exited
    t.equal(signal, 'SIGKILL')
    await client.closed
    return client.waiting
  }
  async function stop (): Promise<void> {
    const exited = once(child as ChildProcess, 'exit')
    child?.send('stop')
    await exited
  }
  return { start, die, stop }
}

const writes: ReadonlyArray<readonly [type: string, fields: object]> = [
  ['store.insert', { bucket: 'orders', data: { name: 'kill' } }],
  ['store.transaction', {
    operations: [
      { op: 'insert', bucket: 'orders', data: { name: 'a' } },
      { op: 'insert', bucket: 'orders', data: { name: 'kill' } },
      { op: 'count', bucket: 'orders' }
    ]
  }],
  ['procedures.call', { name: 'place', input: { name: 'kill' } }]
]

t.test('a reply that a crash has taken is found again', async t => {
  const { start, die, stop } = serviceOn(t, temporaryDirectory(t))
  let client = await start()
  const steps = [
    { action: 'store.insert', bucket: 'orders', data: { name: '{{ input.name }}' }, as: 'order' },
    { action: 'return', value: '{{ order.id }}' }
  ]
  await client.ask('procedures.register', { procedure: { name: 'place', transaction: true, steps } })
  const answers = new Map<string, Frame>()
  let count = 0
  for (const [type, fields] of writes) {
    const keyed = { ...fields, idempotencyKey: `key of ${type}` }
    t.same(await die(client, type, keyed), [], `no reply to ${type}`)
    client = await start()
    const after = await client.ask('store.count', { bucket: 'orders' })
    t.ok(after > count, 'it is done')
    count = after
    const reply = await client.request(type, keyed)
    t.match(reply, { type: 'result' })
    t.match(JSON.stringify(reply), type === 'procedures.call' ? /"success":true/ : /"name":"kill"/)
    t.equal(await client.ask('store.count', { bucket: 'orders' }), count, 'once')
    answers.set(type, reply['data'])
  }
  // The log is cut behind them.
  for (let i = 0; i < 150; i++) {
    await client.ask('store.upsert', { bucket: 'orders', data: { id: 1, name: 'x'.repeat(200) } })
  }
  await stop()
  client = await start()
  for (const [type, fields] of writes) {
    const again = await client.ask(type, { ...fields, idempotencyKey: `key of ${type}` })
    t.same(again, answers.get(type), `${type} is answered as before`)
  }
  t.equal(await client.ask('store.count', { bucket: 'orders' }), count)
})

t.test('a change that is remembered by a commit of its own may be done without being remembered', async t => {
  const { start, die } = serviceOn(t, temporaryDirectory(t))
  const client = await start()
  const config = { key: 'id', schema: { id: { type: 'string' } } }
  const request = { name: 'kill', config, idempotencyKey: 'k' }
  await die(client, 'store.defineBucket', request)
  const again = await start()
  const reply = await again.request('store.defineBucket', request)
  t.match(reply, { code: 'ALREADY_EXISTS' }, 'as it is documented')
})
