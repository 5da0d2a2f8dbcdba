import { execFile, fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, renameSync, rmSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { adminSecret, place, serveAudited, steps, writesIn } from '../support/audited-service.js'
import { TestClient } from '../support/client.js'
import { compareTrailWithLog } from '../support/trail-and-log.js'

const program = fileURLToPath(new URL('../fixtures/durable-server.js', import.meta.url))
const main = fileURLToPath(new URL('../../lib/cli/main.js', import.meta.url))

t.test('a start restores the entries that a crash has taken from the trail', async t => {
  const at = place(t)
  const first = await serveAudited(t, at)
  const clients = await Promise.all(Array.from({ length: 4 }, async () => await first.connect()))
  const [client] = clients as [TestClient]
  await client.ask('procedures.register', { procedure: { name: 'both', steps } })
  await client.ask('store.insert', { bucket: 'items', data: { id: 'told' } })
  for (let i = 0; writesIn(at.path).length < 2 && i < 1_000; i++) await delay(5)
  first.sink.isHolding = true
  await client.ask('store.insert', { bucket: 'items', data: { id: 'a' } })
  const { revision } = first.store
  await client.ask('store.transaction', {
    operations: [{ op: 'update', bucket: 'items', key: 'a', data: { n: 1 } }]
  })
  clients[1]?.request('procedures.call', { name: 'both' }).catch(() => {})
  for (let i = 0; first.store.revision < revision + 3 && i < 1_000; i++) await delay(2)
  await first.store.whenDurable()
  // A write of the application itself belongs to no request.
  await first.store.bucket('items').insert({ id: 'own' }, { note: () => 'of the application' })
  await first.crash()
  t.equal(writesIn(at.path).length, 2, 'the trail has the registration and the first insert')

  const second = await serveAudited(t, at)
  t.equal(writesIn(at.path).length, 5, 'they are durable before it serves clients')
  t.match(second.lines.filter(({ msg }) => /brought back/.test(String(msg))), [{ level: 40, entries: 3 }])
  await (await second.connect()).ask('store.insert', { bucket: 'items', data: { id: 'next' } })
  await second.stop()
  const recovered = writesIn(at.path).slice(2)
  t.match(recovered, [
    {
      operation: 'store.insert',
      resource: 'items',
      result: 'success',
      revision,
      details: { recovered: true },
      remoteAddress: '127.0.0.1'
    },
    {
      operation: 'store.transaction',
      result: 'success',
      revision: revision + 1,
      details: { buckets: ['items'], recovered: true }
    },
    {
      operation: 'procedures.call',
      resource: 'both',
      result: 'error',
      revision: revision + 3,
      error: 'the server ended before the operation did',
      details: { recovered: true }
    },
    { operation: 'store.insert', result: 'success', revision: revision + 5 }
  ])
  t.ok(recovered.every(({ timestamp }, i) => i === 0 || timestamp >= recovered[i - 1]?.['timestamp']))

  const third = await serveAudited(t, at)
  await third.stop()
  t.equal(writesIn(at.path).length, 6, 'a stop in order leaves nothing to bring back')
})

t.test('a trail that is new, or another service\'s, is not filled with old entries', async t => {
  const at = place(t)
  const first = await serveAudited(t, at)
  const client = await first.connect()
  for (let i = 0; i < 5; i++) await client.ask('store.insert', { bucket: 'items', data: { id: `k${i}` } })
  await first.stop()
  const moved = { ...at, path: at.path.replace('trail', 'moved') }
  const second = await serveAudited(t, moved)
  await (await second.connect()).ask('store.insert', { bucket: 'items', data: { id: 'in the new one' } })
  const told = second.lines.filter(({ msg }) => /another audit trail/.test(String(msg)))
  t.match(told, [{ level: 30, trails: [at.path], trail: moved.path, msg: /unless another service/ }])
  await second.stop()
  t.match(writesIn(moved.path), [{ operation: 'store.insert' }])
  // Its files are gone: the trail begins again.
  for (const name of ['jsonl', 'checkpoints']) rmSync(moved.path.replace('jsonl', name))
  const third = await serveAudited(t, moved)
  await third.stop()
  t.ok(writesIn(moved.path).length <= 1, 'at most what was not known to be there')
})

t.test('revisions of another history do not count', async t => {
  const at = place(t)
  const first = await serveAudited(t, at)
  const client = await first.connect()
  for (let i = 0; i < 5; i++) await client.ask('store.insert', { bucket: 'items', data: { id: `k${i}` } })
  await first.stop()
  renameSync(at.directory, `${at.directory}-old`)
  const second = await serveAudited(t, at)
  second.sink.isHolding = true
  const other = await second.connect()
  for (let i = 0; i < 2; i++) await other.ask('store.insert', { bucket: 'items', data: { id: `k${i}` } })
  await second.crash()
  const third = await serveAudited(t, at)
  await third.stop()
  const epochs = new Set(writesIn(at.path).map(({ epoch }) => epoch))
  t.equal(epochs.size, 2)
  t.match(await compareTrailWithLog(at.directory, at.path), { differences: [], requests: 2, recovered: 2 })
  const old = await compareTrailWithLog(`${at.directory}-old`, at.path)
  t.match(old, { differences: [], requests: 5, recovered: 0 })
})

t.test('a service that is killed under load', async t => {
  const { directory, path } = place(t)
  let child: ChildProcess | undefined
  t.teardown(() => { child?.kill('SIGKILL') })
  const start = async (): Promise<string> => {
    child = fork(program, [directory, path, adminSecret, '1000000000'], {
      execArgv: [], env: { ...process.env, NODE_OPTIONS: '' }
    })
    const [port] = await Promise.race([once(child, 'message'), once(child, 'exit')])
    return `ws://127.0.0.1:${String(port)}`
  }
  let answered = 0
  for (let round = 0; round < 3; round++) {
    const url = await start()
    const clients = await Promise.all(Array.from({ length: 64 }, async () => await TestClient.open(t, url)))
    await Promise.all(clients.map(async client => {
      await client.ask('identity.loginWithSecret', { secret: adminSecret })
    }))
    const writing = Promise.allSettled(clients.map(async (client, i) => {
      for (let n = 1; ; n++) {
        await client.ask('store.insert', { bucket: 'orders', data: { tag: `${round}-${i}`, n } })
        answered++
      }
    }))
    await delay(100 + Math.random() * 300)
    const exited = once(child as ChildProcess, 'exit')
    child?.kill('SIGKILL')
    await exited
    await writing
  }
  await start()
  const exited = once(child as ChildProcess, 'exit')
  child?.send('stop')
  await exited
  const { differences, recovered, successes } = await compareTrailWithLog(directory, path)
  t.same(differences.slice(0, 5), [])
  t.ok((successes['store.insert'] ?? 0) >= answered, `${answered} answered, ${recovered} brought back`)
})

t.test('compact and backup after a crash, before a start has restored entries', async t => {
  const { directory, path } = place(t)
  let child: ChildProcess | undefined
  t.teardown(() => { child?.kill('SIGKILL') })
  const start = async (): Promise<TestClient> => {
    child = fork(program, [directory, path, adminSecret, '1000000000'], {
      execArgv: [], env: { ...process.env, NODE_OPTIONS: '' }
    })
    const [port] = await once(child, 'message')
    const client = await TestClient.open(t, `ws://127.0.0.1:${String(port)}`)
    await client.ask('identity.loginWithSecret', { secret: adminSecret })
    return client
  }
  const end = async (how: () => unknown): Promise<void> => {
    const exited = once(child as ChildProcess, 'exit')
    how()
    await exited
  }
  const execute = async (...args: string[]): Promise<{ code: number, stdout: string, stderr: string }> =>
    await promisify(execFile)(process.execPath, [main, ...args])
      .then(output => ({ code: 0, ...output }), error => error)
  const file = `${directory}.backup`
  const backup = async (): Promise<readonly [number, Record<string, unknown>, string]> => {
    const { code, stdout, stderr } = await execute('backup', '--force', directory, file)
    return [code, JSON.parse(stdout) as Record<string, unknown>, stderr]
  }
  const compact = async (...args: string[]): Promise<readonly [number, string]> => {
    const { code, stderr } = await execute('compact', ...args, directory)
    return [code, stderr]
  }

  const client = await start()
  t.match(await backup(), [0, { afterCrash: false }, ''], 'beside the server')
  for (let n = 0; n < 30; n++) await client.ask('store.insert', { bucket: 'orders', data: { tag: 'a', n } })
  await end(() => child?.kill('SIGKILL'))
  const refusal = /^[^\n]*store: [^\n]* died, .* start the service once [^\n]*--force[^\n]*\n$/
  for (let i = 0; i < 2; i++) t.match(await compact(), [2, refusal], 'refused, however often')
  t.match(await backup(), [0, { afterCrash: true }, /^[^\n]*store: [^\n]* died, [^\n]*\n$/])
  t.ok(existsSync(file))

  await start()
  await end(() => child?.send('stop'))
  t.match(await backup(), [0, { afterCrash: false }, ''])
  const inserts = writesIn(path).filter(({ operation }) => operation === 'store.insert')
  t.equal(inserts.length, 30, 'the trail has all entries')
  t.match(await compact(), [0, ''])

  const next = await start()
  await next.ask('store.insert', { bucket: 'orders', data: { tag: 'b', n: 1 } })
  await end(() => child?.kill('SIGKILL'))
  t.match(await compact(), [2, refusal])
  t.match(await compact('--force'), [0, ''])
})
