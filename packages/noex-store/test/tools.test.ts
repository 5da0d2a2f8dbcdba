import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync,
  truncateSync, writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import { DefinitionMissingError, FileLog, Store } from '../src/index.js'
import { backupLog, compactLog, readStore, restoreLog, verifyLog } from '../src/tools/index.js'
import { changeByte, filesOf, startOn, stateOf, storeWithHistory } from './support/log-files.js'
import { FakeClock, rejection, startStore, users } from './support/store.js'
import { temporaryDirectory } from './support/temporary-directory.js'

test('a backup is a whole store in one file', async t => {
  const folder = temporaryDirectory(t)
  const directory = join(folder, 'data')
  const file = join(folder, 'monday.backup')
  const store = await storeWithHistory(t, directory)
  const { revision, epoch } = store
  t.match(await backupLog(directory, file), { file, revision, epoch, buckets: 2, records: 100 })
  t.notMatch(readFileSync(file, 'utf8'), /passing-1|deleted-/, 'neither what is deleted nor what is passing')
  t.equal(statSync(file).mode & 0o777, 0o600)
  await t.rejects(backupLog(directory, file), { message: /monday\.backup exists already: .* --force/ })
  await store.bucket('orders').insert({ text: 'one more' })
  t.match(await backupLog(directory, file, true), { records: 101 })
  await t.rejects(backupLog(directory, folder, true), { message: /is not a file/ })
  await t.rejects(backupLog(directory, join(folder, 'none', 'file')), { message: /make it, or name/ })
  await t.rejects(backupLog(folder, join(folder, 'other')), { message: /has no log of a store/ })
  await store.stop()
  const bringBack = changeByte(join(directory, 'store.log'), 3)
  await t.rejects(backupLog(directory, join(folder, 'other')), { message: /store\.log|are missing/ })
  bringBack()
  t.same(readdirSync(folder).sort(), ['data', 'monday.backup'], 'and nothing else is left')
})

test('a backup becomes the directory of a new history', async t => {
  const folder = temporaryDirectory(t)
  const [directory, file, restored] = ['data', 'backup', 'deep/restored'].map(name => join(folder, name)) as
    [string, string, string]
  const store = await storeWithHistory(t, directory)
  await store.defineBucket('checked', {
    key: 'id', schema: { id: { type: 'string', validate: () => undefined } } as never
  })
  await store.bucket('passing').clear()
  const state = stateOf(store)
  await store.stop()
  await backupLog(directory, file)
  const report = await restoreLog(file, restored)
  t.notSame(report.epoch, store.epoch)
  t.equal(statSync(restored).mode & 0o777, 0o700)
  t.match(await verifyLog(restored), {
    ok: true, epoch: report.epoch, revision: store.revision, oldestCommit: 0, buckets: { orders: 100 }
  })
  for (let round = 0; round < 3; round++) {
    const again = await startOn(t, restored)
    t.equal(again.epoch, report.epoch)
    if (round === 0) {
      t.same(JSON.parse(stateOf(again)), { ...JSON.parse(state), buckets: withoutPassing(state) })
      t.equal(again.revision, store.revision)
      await t.rejects(again.bucket('checked').insert({ id: 'x' }), DefinitionMissingError)
    }
    const before = again.revision
    t.match(await again.bucket('orders').insert({ text: 'new' }), { id: 151 + round, _version: 1 })
    t.equal(again.revision, before + 1)
    // Enough for snapshots, the first of which takes the place of the backup's.
    for (let i = 0; i < 90; i++) await again.bucket('empty').insert({ id: `${round}-${i}` })
    await again.stop()
    t.match(await verifyLog(restored), { ok: true, buckets: { empty: 90 * (round + 1) } })
  }
  await t.rejects(restoreLog(file, restored), { message: /has a log already/ })
})

function withoutPassing (state: string): unknown {
  const { buckets } = JSON.parse(state) as { buckets: Array<{ name: string }> }
  return buckets.map(bucket => bucket.name === 'passing' ? { ...bucket, deleted: [] } : bucket)
}

test('a backup that is cut, changed or newer is refused, and nothing is made of it', async t => {
  const folder = temporaryDirectory(t)
  const file = join(folder, 'backup')
  const restored = join(folder, 'restored')
  const store = await storeWithHistory(t, join(folder, 'data'), 30)
  await backupLog(join(folder, 'data'), file)
  const { size } = statSync(file)
  const whole = readFileSync(file)
  const refusal = /backup, line \d+ \(byte \d+\): the backup/
  for (let at = 0; at < size; at += at < 40 || at >= size - 30 ? 1 : 61) {
    const bringBack = changeByte(file, at)
    t.match(await rejection(restoreLog(file, restored)), { message: refusal })
    truncateSync(file, at)
    t.match(await rejection(restoreLog(file, restored)), { message: refusal })
    bringBack()
  }
  appendFileSync(file, 'x')
  await t.rejects(restoreLog(file, restored), { message: /the backup is damaged or cut there/ })
  writeFileSync(file, whole)
  t.notOk(existsSync(restored))
  await t.rejects(restoreLog(join(folder, 'none'), restored), { message: /there is no such file/ })
  await t.rejects(restoreLog(folder, restored), { message: /is not a file/ })
  const [snapshot] = filesOf(join(folder, 'data')).filter(name => name.startsWith('snapshot.'))
  await t.rejects(restoreLog(join(folder, 'data', snapshot as string), restored), {
    message: /is no backup of a store/
  })
  await store.stop()
  symlinkSync(file, join(folder, 'latest'))
  t.match(await restoreLog(join(folder, 'latest'), restored), { records: 20 }, 'by a link')
})

test('a directory with anything of a log is not restored into', async t => {
  const folder = temporaryDirectory(t)
  const file = join(folder, 'backup')
  const data = join(folder, 'data')
  const store = await storeWithHistory(t, data, 60)
  await store.createBackup('kept')
  await backupLog(data, file)
  t.match(await rejection(restoreLog(file, data)), { message: /store\.lock: another process has this store/ })
  await store.stop()
  for (const name of filesOf(data)) {
    const directory = join(temporaryDirectory(t), 'one')
    mkdirSync(join(directory, 'backups'), { recursive: true })
    cpSync(join(data, name), join(directory, name))
    if (name.startsWith('backups')) {
      await restoreLog(join(data, name), directory)
      const restored = await startOn(t, directory)
      t.match(await restored.listBackups(), [{ name: 'kept' }], 'backups are no part of it')
      continue
    }
    t.match(await rejection(restoreLog(file, directory)), { message: /has a log already, or a part/ }, name)
    t.same(filesOf(directory), [name])
  }
})

test('compact leaves nothing of deleted records in the files', async t => {
  const directory = temporaryDirectory(t)
  const store = await storeWithHistory(t, directory)
  await store.createBackup('kept')
  await t.rejects(compactLog(directory), { message: /another process has this store/ })
  await store.bucket('passing').clear()
  const state = stateOf(store)
  await store.stop()
  appendFileSync(join(directory, 'store.log'), '5f0c 12 deleted-3')
  writeFileSync(join(directory, 'store.log.foreign'), 'deleted-6')
  const contents = (): string => filesOf(directory)
    .filter(name => !name.startsWith('backups'))
    .map(name => readFileSync(join(directory, name), 'latin1')).join()
  t.match(contents(), /deleted-/)
  const report = await compactLog(directory)
  t.match(report, { directory, revision: store.revision, backups: 1 })
  t.ok(report.bytesAfter < report.bytesBefore)
  t.notMatch(contents(), /deleted-/)
  t.match(await verifyLog(directory), { ok: true, revision: store.revision, oldestCommit: 0, asideBytes: 0 })
  t.match(await compactLog(directory), { revision: store.revision }, 'also a second time')
  const again = await startOn(t, directory)
  t.same(JSON.parse(stateOf(again)), JSON.parse(state))
  t.match([again.epoch, again.revision], [store.epoch, store.revision], 'the history goes on')
  t.match(await again.bucket('orders').insert({ text: 'new' }), { id: 151 })
  await again.stop()

  // Now the snapshot is all there is: a start without it would be an empty store.
  const [snapshot] = filesOf(directory).filter(name => name.startsWith('snapshot.'))
  const bringBack = changeByte(join(directory, snapshot as string), 100)
  await t.rejects(startOn(t, directory), { message: /the snapshot of revision \d+, with which/ })
  await t.rejects(compactLog(directory), { message: /with which the log begins, is missing or damaged/ })
  await t.rejects(readStore(directory), { message: /bring its files back from a backup/ })
  t.equal((await verifyLog(directory)).ok, false)
  bringBack()
  await (await startOn(t, directory)).stop()
})

test('a deleted record is gone from the log and its snapshots after three snapshots', async t => {
  const directory = temporaryDirectory(t)
  const log = new FileLog({ directory })
  const store = await startStore(t)
  await store.attachLog(log)
  await store.defineBucket('notes', { key: 'id', schema: { id: { type: 'number' } } })
  const notes = store.bucket('notes')
  const isThere = (): boolean => filesOf(directory).some(
    name => readFileSync(join(directory, name), 'utf8').includes('deleted-text')
  )
  await notes.insert({ id: 0, text: 'deleted-text' })
  await log.truncate(store.image())
  // Deleted while a snapshot is written: the segment with both goes on behind it.
  const image = store.image()
  await notes.insert({ id: 1, text: 'deleted-text' })
  await notes.delete(0)
  await notes.delete(1)
  await log.truncate(image)
  t.ok(isThere())
  for (let id = 2; id < 5; id++) {
    await notes.insert({ id })
    await log.truncate(store.image())
  }
  t.notOk(isThere())
})

test('records whose time is up while the server is stopped are nowhere after compact', async t => {
  const directory = temporaryDirectory(t)
  const clock = new FakeClock()
  const store = await Store.start({ now: clock.now, ttlCheckIntervalMs: 0, durability: { directory } })
  t.teardown(async () => { await store.stop() })
  // Its function is in no log: the process that compacts has none of the program's.
  const check = (): undefined => undefined
  await store.defineBucket('codes', {
    key: 'id', schema: { id: { type: 'string' }, code: { type: 'string', validate: check } }, ttl: '1h'
  } as never)
  await store.bucket('codes').insert({ id: 'a', code: 'expired-text' })
  await store.stop()
  t.match(readFileSync(join(directory, 'store.log'), 'utf8'), /expired-text/)
  await compactLog(directory)
  t.match(await verifyLog(directory), { ok: true, buckets: { codes: 0 } })
  const texts = filesOf(directory).map(name => readFileSync(join(directory, name), 'utf8'))
  t.notMatch(texts.join(), /expired-text/)
})

test('compact refuses what it cannot read whole, and makes no log', async t => {
  const folder = temporaryDirectory(t)
  await t.rejects(compactLog(join(folder, 'none')), { message: /there is no such directory/ })
  await t.rejects(compactLog(folder), { message: /has no log of a store/ })
  t.same(readdirSync(folder), [])
  const directory = join(folder, 'data')
  await (await storeWithHistory(t, directory)).stop()
  const names = filesOf(directory)
  const bringBack = changeByte(join(directory, 'store.log'), 3)
  await t.rejects(compactLog(directory), { message: /bring/ })
  t.same(filesOf(directory), names)
  bringBack()
  const newest = names.filter(name => name.startsWith('snapshot.')).at(-1) as string
  changeByte(join(directory, newest), 50)
  await compactLog(directory)
  t.match(await verifyLog(directory), { ok: true, buckets: { orders: 100 } }, 'a snapshot is made anew')
})

test('compact and backup after a crash go by what the log notes', async t => {
  const folder = temporaryDirectory(t)
  const file = join(folder, 'backup')
  const writer = fileURLToPath(new URL('./fixtures/counting-writer.js', import.meta.url))
  const crash = async (directory: string): Promise<void> => {
    const child = spawn(process.execPath, [writer, directory, '1'], {
      env: { ...process.env, NODE_OPTIONS: '', HOLD: '1' }, stdio: ['pipe', 'pipe', 'inherit']
    })
    t.teardown(() => { child.kill('SIGKILL') })
    let said = ''
    while (!said.includes('\n1\n')) said += String((await once(child.stdout, 'data'))[0])
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  const plain = join(folder, 'plain')
  await crash(plain)
  t.match(await backupLog(plain, file), { afterCrash: false }, 'without notes there is nothing to lose')
  await compactLog(plain)

  const noted = join(folder, 'noted')
  const store = await startOn(t, noted)
  await store.defineBucket('users', users)
  await store.bucket('users').insert({ id: 'a' }, { note: () => 'of a trail' })
  await store.stop()
  t.match(await backupLog(noted, file, true), { afterCrash: false }, 'stopped in order')
  await crash(noted)
  t.match(await backupLog(noted, file, true), { afterCrash: true })
  for (let i = 0; i < 2; i++) {
    await t.rejects(compactLog(noted), { message: /noted: .*start the service once/ })
  }
  await (await startOn(t, noted)).stop()
  await compactLog(noted)
  t.match(await verifyLog(noted), { ok: true })
})
