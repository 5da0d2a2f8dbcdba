import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import {
  adminSecret, place, serveAudited, steps, writesIn, type Audited, type Place
} from '../support/audited-service.js'
import { TestClient } from '../support/client.js'
import { compareTrailWithLog } from '../support/trail-and-log.js'
import { verifyTrail } from '../../lib/exports/audit.js'

/** Keeps the first lines of a file. */
function cut (path: string, count: number): void {
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, count)
  writeFileSync(path, lines.map(line => `${line}\n`).join(''))
}

const checkpointsOf = (path: string): string => path.replace('jsonl', 'checkpoints')

/** Removes all but the first lines of a trail, and their checkpoints. */
function lose ({ path }: Place, count: number): void {
  cut(path, count)
  cut(checkpointsOf(path), 1)
}

async function insert ({ connect }: Audited, count: number, from = 0): Promise<void> {
  const client = await connect()
  for (let i = from; i < from + count; i++) {
    await client.ask('store.insert', { bucket: 'items', data: { id: `k${i}` } })
  }
}

async function untilWritten ({ path }: Place, count: number): Promise<void> {
  for (let i = 0; writesIn(path).length < count && i < 1_000; i++) await delay(5)
}

const linesAbout = ({ lines }: Audited, text: RegExp): object[] =>
  lines.filter(({ msg }) => text.test(String(msg)))

async function isValid (path: string): Promise<boolean> {
  return (await verifyTrail({ files: [path] })).ok
}

for (const end of ['crash', 'stop'] as const) {
  t.test(`a trail that has lost its end before a ${end} gets it back`, async t => {
    const at = place(t)
    const first = await serveAudited(t, at)
    await insert(first, 50)
    await untilWritten(at, 50)
    first.sink.isHolding = end === 'crash'
    await insert(first, 3, 50)
    await first[end]()
    lose(at, 20)
    const before = writesIn(at.path)
    t.ok(before.length < 21)
    const second = await serveAudited(t, at)
    t.equal(writesIn(at.path).length, 53, 'before it serves clients')
    t.match(linesAbout(second, /brought back/), [{ level: 40, entries: 53 - before.length }])
    await insert(second, 1, 53)
    await second.stop()
    const revisions = writesIn(at.path).map(({ revision }) => revision)
    t.same(revisions, revisions.toSorted((a, b) => a - b), 'in the order of the commits')
    t.match(await compareTrailWithLog(at.directory, at.path), { differences: [], requests: 54 })
    t.equal(await isValid(at.path), true)
    const third = await serveAudited(t, at)
    await third.stop()
    t.same(linesAbout(third, /audit entries/), [], 'once')
  })
}

t.test('a trail that has lost its end with a killed process gets it back', async t => {
  const at = place(t)
  const program = fileURLToPath(new URL('../fixtures/durable-server.js', import.meta.url))
  const start = async (): Promise<{ url: string, end: (kill: boolean) => Promise<void> }> => {
    const child = fork(program, [at.directory, at.path, adminSecret, '1000000000'], {
      execArgv: [], env: { ...process.env, NODE_OPTIONS: '' }
    })
    t.teardown(() => { child.kill('SIGKILL') })
    const [port] = await once(child, 'message')
    const end = async (kill: boolean): Promise<void> => {
      const exited = once(child, 'exit')
      if (kill) child.kill('SIGKILL')
      else child.send('stop')
      await exited
    }
    return { url: `ws://127.0.0.1:${String(port)}`, end }
  }
  const first = await start()
  const client = await TestClient.open(t, first.url)
  await client.ask('identity.loginWithSecret', { secret: adminSecret })
  for (let n = 0; n < 60; n++) await client.ask('store.insert', { bucket: 'orders', data: { tag: 'a', n } })
  await first.end(true)
  lose(at, 20)
  const before = writesIn(at.path).length
  const second = await start()
  const after = writesIn(at.path).length
  t.ok(after >= 60, 'before it serves clients')
  await second.end(false)
  t.match(await compareTrailWithLog(at.directory, at.path), { differences: [], recovered: after - before })
  t.equal(await isValid(at.path), true)
})

t.test('wherever the end of a trail is lost, each request of many clients has one entry again', async t => {
  const at = place(t)
  const first = await serveAudited(t, at)
  const clients = await Promise.all(Array.from({ length: 8 }, async () => await first.connect()))
  await clients[0]?.ask('procedures.register', { procedure: { name: 'both', steps } })
  await Promise.all(clients.map(async (client, i) => {
    for (let n = 0; n < 6; n++) {
      await client.ask('store.insert', { bucket: 'items', data: { id: `${i}-${n}` } })
      await client.request('procedures.call', { name: 'both' })
      await client.request('store.delete', { bucket: 'items', key: n % 2 === 0 ? 'p1' : 'p2' })
      const operations = [{ op: 'update', bucket: 'items', key: `${i}-${n}`, data: { n } }]
      await client.ask('store.transaction', { operations })
    }
  }))
  await first.stop()
  const { requests } = await compareTrailWithLog(at.directory, at.path)
  for (let count = readFileSync(at.path, 'utf8').split('\n').length - 2; count > 3; count -= 29) {
    lose(at, count)
    await (await serveAudited(t, at)).stop()
    t.match(await compareTrailWithLog(at.directory, at.path), { differences: [], requests }, `${count} lines`)
  }
})

t.test('a trail whose checkpoint names lost entries is refused', async t => {
  const at = place(t)
  const first = await serveAudited(t, at)
  await insert(first, 10)
  await first.stop()
  cut(at.path, 5)
  await t.rejects(serveAudited(t, at), /a checkpoint names \d+: entries are missing/)
})

t.test('entries that `keep` has removed are not restored', async t => {
  const at = place(t)
  const options = { keep: 1, maxBytes: 4_000 }
  const first = await serveAudited(t, at, options)
  await insert(first, 60)
  await first.stop()
  const second = await serveAudited(t, at, options)
  await second.stop()
  t.same(linesAbout(second, /audit entries|lacks/), [])
  // The remaining entries name no commits.
  const third = await serveAudited(t, at, options)
  const client = await third.connect()
  for (let i = 0; i < 60; i++) await client.request('store.delete', { bucket: 'items', key: 'none' })
  await third.stop()
  const names = readdirSync(dirname(at.path)).filter(name => name.endsWith('.jsonl'))
  const left = names.flatMap(name => writesIn(join(dirname(at.path), name)))
  t.same(left, [])
  const fourth = await serveAudited(t, at, options)
  await fourth.stop()
  t.same(linesAbout(fourth, /audit entries|lacks/), [])
})

async function beginAnew (t: Test, takeAway: (path: string) => void): Promise<void> {
  const at = place(t)
  const first = await serveAudited(t, at)
  await insert(first, 9)
  await untilWritten(at, 9)
  await delay(50)
  await insert(first, 1, 9)
  const { revision } = first.store
  await first.stop()
  for (const path of [at.path, checkpointsOf(at.path)]) takeAway(path)
  const second = await serveAudited(t, at)
  t.match(linesAbout(second, /lacks entries/), [
    { level: 50, trail: at.path, from: revision - 9, to: revision - 1 }
  ])
  await insert(second, 1, 10)
  await second.stop()
  t.ok(writesIn(at.path).length <= 2, 'it is not filled with old entries')
  const third = await serveAudited(t, at)
  await third.stop()
  t.same(linesAbout(third, /lacks/), [], 'a trail that goes on lacks nothing')
}

t.test('a trail whose files are gone begins again, and the log says so', async t => {
  await t.test('moved away', async t => { await beginAnew(t, path => { renameSync(path, `${path}.old`) }) })
  await t.test('removed', async t => { await beginAnew(t, path => { rmSync(path) }) })
  await t.test('emptied', async t => { await beginAnew(t, path => { writeFileSync(path, '') }) })
})

t.test('a start does not wait for ever for a sink that cannot write the restored entries', async t => {
  const at = place(t)
  const first = await serveAudited(t, at)
  await insert(first, 1)
  await untilWritten(at, 1)
  first.sink.isHolding = true
  await insert(first, 2, 1)
  await first.crash()
  const second = await serveAudited(t, at, undefined, true)
  t.match(linesAbout(second, /wait for a sink/), [{ level: 50, entries: 2 }])
  t.same(linesAbout(second, /brought back/), [])
  const client = await second.connect()
  const write = { bucket: 'items', data: { id: 'k3' } }
  t.match(await client.request('store.insert', write), { details: { reason: 'audit_unavailable' } })
  second.sink.isHolding = false
  await second.stop()
  t.match(await compareTrailWithLog(at.directory, at.path), { differences: [], requests: 3, recovered: 2 })
})
