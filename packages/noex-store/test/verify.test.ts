import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync, closeSync, cpSync, mkdirSync, openSync, readFileSync, rmSync, statSync, symlinkSync,
  truncateSync, writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import { logFormat } from '../src/log/log-format.js'
import { backupLog, readStore, verifyLog } from '../src/tools/index.js'
import { changeByte, filesOf, startOn, storeWithHistory } from './support/log-files.js'
import { rejection } from './support/store.js'
import { temporaryDirectory } from './support/temporary-directory.js'

test('verify says what a log has', async t => {
  const directory = temporaryDirectory(t)
  const store = await storeWithHistory(t, directory)
  await store.createBackup('Monday')
  const { revision, epoch } = store
  const expected = {
    ok: true,
    directory,
    epoch,
    revision,
    buckets: { orders: 100, empty: 0, passing: 1 },
    backups: [{ name: 'Monday', revision }],
    tornBytes: 0,
    faults: []
  }
  t.match(await verifyLog(directory), { ...expected, isRunning: true })
  await store.stop()
  const before = filesOf(directory).map(name => readFileSync(join(directory, name), 'latin1'))
  const report = await verifyLog(directory)
  t.match(report, { ...expected, isRunning: false })
  t.equal(report.snapshots.length, 2)
  t.ok(report.oldestCommit > 1 && report.logBytes > 0)
  t.same(filesOf(directory).map(name => readFileSync(join(directory, name), 'latin1')), before, 'unchanged')

  appendFileSync(join(directory, 'store.log'), '5f0c 12 noise')
  t.match(await verifyLog(directory), { ...expected, tornBytes: 13 }, 'the end of a crash is no fault')
  t.match(readFileSync(join(directory, 'store.log'), 'latin1'), /noise$/, 'and stays')
})

test('lines of a version that is not known are refused by name', async t => {
  const directory = temporaryDirectory(t)
  const store = await startOn(t, directory)
  await store.defineBucket('orders', { key: 'id', schema: { id: { type: 'string' } } })
  const { revision } = store
  await store.stop()
  const path = join(directory, 'store.log')
  const before = readFileSync(path, 'utf8')
  const change = { type: 'insert', bucket: 'orders', key: 'a', after: { id: { $noex: 'hologram' } } }
  const other = { ...change, type: 'teleport', after: { id: 'a' } }
  for (const [unknown, wrong] of [[change, /hologram/], [other, /teleport/]] as const) {
    const head = { revision, durable: revision }
    const { line } = logFormat.seal(JSON.stringify({ time: 1, changes: [unknown] }), head, head)
    writeFileSync(path, `${before}${line}\n`)
    const { message } = await rejection(startOn(t, directory))
    t.match(message, wrong)
    t.ok(message.startsWith(`${directory}: revision ${revision + 1} of the log cannot be read`), message)
    t.match(message, /run the version of the package that wrote it, or bring the directory back/)
    t.match((await verifyLog(directory)).faults, [/revision \d of the log .*: bring its files back/])
  }
  writeFileSync(path, before)
  const identity = join(directory, 'store.json')
  writeFileSync(identity, readFileSync(identity, 'utf8').replace('"format":1', '"format":2'))
  t.match((await verifyLog(directory)).faults, [/the log has format 2/])
  t.equal((await verifyLog(directory)).faults.length, 1, 'and the log is not called damaged')
})

test('verify finds a changed byte at any place of any file', async t => {
  const directory = temporaryDirectory(t)
  const store = await storeWithHistory(t, directory, 60)
  await store.createBackup('one')
  await store.stop()
  let places = 0
  for (const name of filesOf(directory)) {
    const path = join(directory, name)
    const { size } = statSync(path)
    for (let at = 0; at < size; at += at < 30 || at >= size - 30 ? 1 : 41) {
      const bringBack = changeByte(path, at)
      const { ok, faults } = await verifyLog(directory)
      if (ok) t.fail(`${name}, byte ${at} of ${size}`)
      if (!faults.some(fault => fault.includes(name) || fault.includes(directory))) t.fail(faults.join())
      bringBack()
      places++
    }
  }
  t.ok(places > 800, `${places} places`)
  t.equal((await verifyLog(directory)).ok, true)
})

test('verify finds files that are cut, gone, or of elsewhere', async t => {
  const directory = temporaryDirectory(t)
  const store = await storeWithHistory(t, directory)
  await store.stop()
  const names = filesOf(directory)
  const snapshots = names.filter(name => name.startsWith('snapshot.'))
  const faultsOf = async (change: (copy: string) => void): Promise<readonly string[]> => {
    const copy = join(temporaryDirectory(t), 'copy')
    cpSync(directory, copy, { recursive: true })
    change(copy)
    return (await verifyLog(copy)).faults
  }
  for (const name of names) {
    const { size } = statSync(join(directory, name))
    for (const at of [0, 1, Math.floor(size / 2), size - 1]) {
      const faults = await faultsOf(copy => { truncateSync(join(copy, name), at) })
      // An empty mark is that of a log which has just begun.
      t.equal(faults.length > 0, name !== 'store.mark' || at > 0, `${name} is cut at ${at}`)
    }
    const faults = await faultsOf(copy => { rmSync(join(copy, name)) })
    // The other snapshot and the log have everything, as at a start.
    const isSpare = name === 'store.mark' || name === snapshots[0] || name === snapshots[1]
    t.equal(faults.length > 0, !isSpare, `${name} is gone`)
  }
  t.match(await faultsOf(copy => { for (const name of snapshots) rmSync(join(copy, name)) }),
    [/the log begins with revision \d+; 1 to \d+ are missing: bring/])
  t.match(await faultsOf(copy => { writeFileSync(join(copy, 'production_bucket_orders.json'), '{}') }),
    [/production_bucket_orders\.json/])
  t.match(await faultsOf(copy => { appendFileSync(join(copy, snapshots[0] as string), 'x') }),
    [/line \d+ \(byte \d+\): the snapshot is damaged or cut there/])

  t.test('also where lines have a good CRC', async t => {
    const other = temporaryDirectory(t)
    const second = await storeWithHistory(t, other, 153)
    await second.bucket('orders').clear()
    for (let i = 0; i < 60; i++) await second.bucket('empty').insert({ id: `filler-${i}` })
    await second.stop()
    const foreign = filesOf(other).filter(name => name.startsWith('snapshot.')).at(-1) as string
    const revision = Number(foreign.slice(9, 25))
    const first = await startOn(t, directory)
    while (first.revision < revision + 1) await first.bucket('empty').insert({ id: `own-${first.revision}` })
    await first.stop()
    t.equal((await verifyLog(directory)).ok, true)
    const faults = await faultsOf(copy => { cpSync(join(other, foreign), join(copy, foreign)) })
    t.match(faults, [/revision \d+ of the log gives bucket "orders" 100 records, and .* 0/])
  })
})

test('verify reads no more than a log', async t => {
  const directory = temporaryDirectory(t)
  t.match(await rejection(verifyLog(join(directory, 'none'))), { message: /none: there is no such dir/ })
  t.match(await rejection(verifyLog(directory)), { message: /has no log of a store/ })
  writeFileSync(join(directory, 'file'), '')
  t.match(await rejection(verifyLog(join(directory, 'file'))), { message: /file is no directory/ })
  mkdirSync(join(directory, 'store.log'))
  t.match(await verifyLog(directory), { ok: false, faults: [/store\.log is not a file/] })
  rmSync(join(directory, 'store.log'), { recursive: true })
  symlinkSync('/dev/zero', join(directory, 'store.log'))
  writeFileSync(join(directory, 'store.json'), 'x'.repeat(100_000))
  t.match(await verifyLog(directory), { ok: false, faults: [/store\.json is damaged/, /ELOOP.*store\.log/] })
})

test('verify and backup read beside a server that writes', async t => {
  const directory = temporaryDirectory(t)
  const said = join(temporaryDirectory(t), 'said')
  const fixture = fileURLToPath(new URL('fixtures/durable-writer.js', import.meta.url))
  const output = openSync(said, 'w')
  const args = [fixture, directory, '20000']
  const writer = spawn(process.execPath, args, { stdio: ['ignore', output, 'inherit'] })
  closeSync(output)
  t.teardown(() => { writer.kill('SIGKILL') })
  /** The orders as they were acknowledged; `n` is undefined for one that was deleted. */
  const acknowledged = (): Map<number, { n?: number, isLast: boolean }> => {
    const orders = new Map<number, { n?: number, isLast: boolean }>()
    for (const line of readFileSync(said, 'utf8').split('\n').slice(0, -1)) {
      const [sign, id, n] = line.split(' ')
      const key = Number(id)
      // It is updated once, and then deleted when its number can be divided by five.
      if (sign === '+') orders.set(key, { n: Number(n), isLast: orders.has(key) && Number(n) % 5 !== 0 })
      else if (sign === '-') orders.set(key, { isLast: true })
    }
    return orders
  }
  while (acknowledged().size < 100) await delay(20)
  const snapshots = new Set<number>()
  let last = 0
  for (let round = 0; round < 10; round++) {
    const before = [...acknowledged()]
    const report = await verifyLog(directory)
    t.same(report.faults, [])
    for (const { revision } of report.snapshots) snapshots.add(revision)
    const { image } = await readStore(directory)
    const found = new Map(image.buckets[0]?.records.map(({ id, n }) => [id as number, n as number]))
    const wrong = before.filter(([id, { n, isLast }]) => {
      const now = found.get(id)
      return n === undefined ? now !== undefined : now === undefined ? isLast : now < n
    })
    t.same(wrong, [], 'all that was acknowledged before')
    t.ok(image.revision >= last)
    last = image.revision
    const { revision } = await backupLog(directory, `${said}.backup`, true)
    t.ok(revision >= last)
  }
  t.ok(snapshots.size > 2, `${snapshots.size} snapshots were written meanwhile`)
  writer.kill('SIGKILL')
  await once(writer, 'exit')
  t.match(await verifyLog(directory), { ok: true, isRunning: false })
  t.ok((await readStore(directory)).image.revision >= last)
})
