import {
  cpSync, linkSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { FileAdapter, Store } from '../src/index.js'
import {
  backupLog, compactLog, importDirectory, readStore, restoreLog, verifyLog
} from '../src/tools/index.js'
import { filesOf, startOn, storeWithHistory } from './support/log-files.js'
import { rejection } from './support/store.js'
import { temporaryDirectory } from './support/temporary-directory.js'

/** Names of the files in a directory and in those below it; no links. */
const filesIn = (directory: string): string[] =>
  readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name)).sort()

/** The files of a directory with their contents. */
const contentsOf = (directory: string): string[][] =>
  filesIn(directory).map(name => [name, readFileSync(name, 'latin1')])

test('a backup is written into no store, under no name of a log, and over nothing but a backup', async t => {
  const folder = temporaryDirectory(t)
  const [data, other, empty] = ['data', 'other', 'empty'].map(name => join(folder, name)) as
    [string, string, string]
  await (await storeWithHistory(t, data)).stop()
  cpSync(data, other, { recursive: true })
  mkdirSync(join(data, 'backups'))
  mkdirSync(empty)
  symlinkSync(data, join(folder, 'link'))
  const before = [contentsOf(data), contentsOf(other)]
  const inside = [
    ...filesOf(data).map(name => join(data, name)), join(data, 'snapshot.0000000000009999.log'),
    join(data, 'mine'), join(data, 'backups', 'one.backup'), `${folder}/link/store.log`,
    `${empty}/../data/store.log`, `${folder}/./data//x`, join(folder, 'link', 'backups', 'x'),
    join(other, 'store.log'), join(other, 'mine')
  ]
  for (const file of inside) {
    for (const isForced of [false, true]) {
      const refusal = /is inside .*, the directory of a store: name a file outside/
      t.match(await rejection(backupLog(data, file, isForced)), { message: refusal }, file)
    }
  }
  t.match(await rejection(backupLog(join(folder, 'link'), join(data, 'x'))), { message: /is inside/ })
  const names = ['store.json', 'store.log', 'STORE.LOG', 'store.mark', 'store.lock', 'store.torn',
    'store.unfinished', 'store.0000000000000007.log', 'snapshot.0000000000009999.log', 'snapshot.new']
  for (const name of names) {
    t.match(await rejection(backupLog(data, join(empty, name), true)), { message: /name of a store's log/ })
  }
  t.same(readdirSync(empty), [])
  linkSync(join(data, 'store.log'), join(folder, 'hard'))
  writeFileSync(join(folder, 'letter'), 'of another program')
  for (const name of ['hard', 'letter']) {
    t.match(await rejection(backupLog(data, join(folder, name), true)), { message: /is no backup: --force/ })
  }
  symlinkSync(join(data, 'store.log'), join(folder, 'to-log'))
  t.match(await rejection(backupLog(data, join(folder, 'to-log'), true)), { message: /is not a file/ })
  t.match(await rejection(backupLog(data, join(folder, 'none', 'x'))), {
    message: /none\/x: .*none is no directory: make it, or name another file/
  })
  t.match(await rejection(backupLog(data, join(folder, 'letter', 'x'))), {
    message: /letter is no directory/
  })
  t.same([contentsOf(data), contentsOf(other)], before)

  writeFileSync(join(empty, 'was-empty'), '')
  await backupLog(data, join(empty, 'was-empty'), true)
  await backupLog(data, join(folder, 'store.backup'))
  await backupLog(data, join(folder, 'store.backup'), true)
  t.match(await verifyLog(data), { ok: true })
})

test('a backup is restored into a folder of its own', async t => {
  const folder = temporaryDirectory(t)
  const data = join(folder, 'data')
  const kept = join(folder, 'kept')
  await (await storeWithHistory(t, data)).stop()
  mkdirSync(kept, { mode: 0o755 })
  const file = join(kept, 'one.backup')
  await backupLog(data, file)
  symlinkSync(join(folder, 'nowhere'), join(folder, 'dangling'))
  symlinkSync(kept, join(folder, 'link'))
  const refusals: ReadonlyArray<readonly [file: string, directory: string, RegExp]> = [
    [file, kept, /kept is the folder of the backup: name another directory/],
    [file, join(folder, 'link'), /link is the folder of the backup/],
    [join(folder, 'link', 'one.backup'), kept, /is the folder of the backup/],
    [file, `${data}/../kept`, /is the folder of the backup/],
    [file, join(data, 'sub'), /sub is inside .*data, the directory of a store: name one outside/],
    [file, join(data, 'backups', 'deep'), /is inside .*data, the directory of a store/],
    [file, join(folder, 'dangling'), /dangling is a link that leads to no directory: remove it, or/],
    [file, join(folder, 'dangling', 'sub'), /dangling is a link that leads to no directory: remove it/],
    [join(folder, 'none'), join(folder, 'new'), /none: there is no such file: name a backup/],
    [join(folder, 'dangling'), join(folder, 'new'), /dangling: there is no such file: name a backup/],
    [join(file, 'x'), join(folder, 'new'), /x: there is no such file: name a backup/],
    [file, join(file, 'x'), /cannot be made: name a directory where/]
  ]
  const before = contentsOf(folder)
  for (const [from, to, refusal] of refusals) {
    t.match(await rejection(restoreLog(from, to)), { message: refusal }, `${from} ${to}`)
  }
  t.same(contentsOf(folder), before)
  t.equal(statSync(kept).mode & 0o777, 0o755)
  symlinkSync(join(folder, 'real'), join(folder, 'good'))
  mkdirSync(join(folder, 'real'))
  await restoreLog(file, join(folder, 'good'))
  t.match(await verifyLog(join(folder, 'real')), { ok: true })
})

test('import --into leaves the old files alone, by any name of their folder', async t => {
  const folder = temporaryDirectory(t)
  const [data, other] = ['deep/data', 'other'].map(name => join(folder, name)) as [string, string]
  const persistence = { adapter: new FileAdapter({ directory: data }) }
  const store = await Store.start({ name: 'shop', persistence })
  await store.defineBucket('orders', { key: 'id', schema: { id: { type: 'string' } } })
  await store.bucket('orders').insert({ id: 'a' })
  await store.stop()
  await (await storeWithHistory(t, other, 10)).stop()
  symlinkSync(data, join(folder, 'link'))
  symlinkSync(join(folder, 'nowhere'), join(folder, 'dangling'))
  const half = join(folder, 'half')
  mkdirSync(half)
  cpSync(join(other, 'store.log'), join(half, 'store.log'))
  const before = contentsOf(folder)
  const refusals: ReadonlyArray<readonly [into: string, RegExp]> = [
    [data, /data is the folder that is imported: name another one, or leave --into out/],
    [`${data}/`, /is the folder that is imported/],
    [`${other}/../deep/data`, /is the folder that is imported/],
    [join(folder, 'link'), /link is the folder that is imported/],
    [join(folder, 'deep'), /deep has the folder that is imported in it: name an empty folder/],
    [folder, /has the folder that is imported in it/],
    [join(other, 'sub'), /sub is inside .*other, the directory of a store: name one outside/],
    [half, /half has a part of a log \(store\.log\): name an empty folder/],
    [join(folder, 'dangling'), /dangling is a link that leads to no directory: remove it, or/]
  ]
  for (const [into, refusal] of refusals) {
    t.match(await rejection(importDirectory({ directory: data, into })), { message: refusal }, into)
  }
  t.match(await rejection(importDirectory({ directory: join(folder, 'none') })), {
    message: /none is not a folder: name that of an adapter's files/
  })
  t.same(contentsOf(folder), before)
  // A part of a log in the folder itself is not written over, either.
  cpSync(join(other, 'store.log'), join(data, 'store.log'))
  t.match(await rejection(importDirectory({ directory: data })), {
    message: /has a part of a log \(store\.log\): move it to another folder/
  })
  renameSync(join(data, 'store.log'), join(folder, 'away'))
  await importDirectory({ directory: join(folder, 'link'), into: join(data, 'sub') })
  t.match(await verifyLog(join(data, 'sub')), { ok: true, buckets: { orders: 1 } })
})

test('commands on a directory that is not there, or is none, say the remedy', async t => {
  const folder = temporaryDirectory(t)
  writeFileSync(join(folder, 'file'), '')
  symlinkSync(join(folder, 'nowhere'), join(folder, 'dangling'))
  for (const name of ['none', 'dangling', 'file/x', 'file']) {
    const directory = join(folder, name)
    const message = new RegExp(`${name}(: there is no such| is no) directory: name that of a store`)
    t.match(await rejection(verifyLog(directory)), { message })
    t.match(await rejection(compactLog(directory)), { message })
    t.match(await rejection(backupLog(directory, join(folder, 'x'))), { message })
  }
})

test('a foreign file in the place of one of the log is the one that is named', async t => {
  const folder = temporaryDirectory(t)
  const data = join(folder, 'data')
  const backup = join(folder, 'one.backup')
  const store = await storeWithHistory(t, data)
  await store.stop()
  await backupLog(data, backup)
  const names = filesOf(data)
  const closed = names.filter(name => /^store\.\d/.test(name))
  const snapshots = names.filter(name => name.startsWith('snapshot.'))
  const young = join(folder, 'young')
  await (await storeWithHistory(t, young, 3)).stop()
  const last = closed.at(-1) as string
  const ahead = 'snapshot.0000000000009999.log'
  const unmarked = join(folder, 'unmarked')
  cpSync(young, unmarked, { recursive: true })
  rmSync(join(unmarked, 'store.mark'))
  const cases: ReadonlyArray<readonly [source: string, name: string, directory?: string]> = [
    [backup, 'store.log'], [join(data, snapshots[0] as string), 'store.log'],
    [join(data, snapshots[1] as string), 'store.log'], [join(data, closed[0] as string), 'store.log'],
    [join(data, last), 'store.log'], [join(young, 'store.log'), 'store.log'], [backup, last],
    [join(data, snapshots[1] as string), last], [join(data, 'store.log'), last],
    [join(data, 'store.json'), last], [backup, 'store.0000000000009999.log'],
    [join(data, 'store.json'), 'store.0000000000009999.log'],
    [join(data, last), 'store.0000000000009999.log'], [backup, ahead],
    [join(data, snapshots[1] as string), ahead], [join(data, 'store.json'), ahead],
    [backup, 'store.log', young], [backup, 'store.log', unmarked],
    [join(data, snapshots[1] as string), 'store.log', young],
    [join(data, snapshots[1] as string), snapshots[1] as string, young],
    [join(data, snapshots[1] as string), snapshots[1] as string, unmarked]
  ]
  for (const [source, name, directory = data] of cases) {
    const copy = join(temporaryDirectory(t), 'copy')
    cpSync(directory, copy, { recursive: true })
    cpSync(source, join(copy, name))
    const before = contentsOf(copy)
    const title = `${source.slice(folder.length)} as ${name}`
    const { message } = await rejection(startOn(t, copy)) as Error
    t.ok(message.startsWith(join(copy, name)), `start: ${title}: ${message}`)
    t.match(message, /bring|move it away/)
    const { faults } = await verifyLog(copy)
    const culprits = faults.filter(fault => fault.startsWith(join(copy, name)))
    t.ok(culprits.length > 0 && culprits.length === faults.length, `verify: ${title}: ${faults.join('; ')}`)
    const read = await rejection(readStore(copy)) as Error
    t.ok(read.message.startsWith(join(copy, name)), `read: ${title}: ${read.message}`)
    t.same(contentsOf(copy), before)
  }
})
