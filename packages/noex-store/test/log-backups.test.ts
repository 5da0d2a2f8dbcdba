import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import {
  BackupNotFoundError, MemoryLog, PersistenceRequiredError, Store, StoreUnavailableError
} from '../src/index.js'
import { restoreLog } from '../src/tools/index.js'
import { changeByte, filesOf, startOn, stateOf, storeWithHistory } from './support/log-files.js'
import { smallDisk } from './support/small-disk.js'
import { SlowLog } from './support/slow-log.js'
import { rejection, startStore, turnsDuring, users } from './support/store.js'
import { temporaryDirectory } from './support/temporary-directory.js'

test('a store with a log makes, lists, restores and deletes backups', async t => {
  const directory = temporaryDirectory(t)
  const store = await storeWithHistory(t, directory)
  const before = await store.bucket('orders').all()
  t.match(await store.createBackup('one'), {
    id: 'one', name: 'one', bucketNames: ['orders', 'empty'], totalRecords: 100
  })
  await store.bucket('orders').clear()
  await store.bucket('empty').insert({ id: 'a' })
  await store.createBackup('two')
  t.match(await store.listBackups(), [
    { id: 'one', name: 'one', totalRecords: 100 }, { id: 'two', totalRecords: 1 }
  ])
  const { revision } = store
  await store.restoreBackup('one')
  t.equal(store.revision, revision + 1, 'in one commit')
  t.equal(store.durability.durableRevision, store.revision, 'that is durable')
  t.same(await store.bucket('empty').all(), [])
  t.same((await store.bucket('orders').all()).map(({ id, text, at }) => ({ id, text, at })),
    before.map(({ id, text, at }) => ({ id, text, at })))
  t.match(await store.bucket('orders').insert({ text: 'new' }), { id: 151 })
  t.match(await store.bucket('passing').get('passing-1'), { id: 'passing-1' }, 'it is in no backup')
  t.notMatch(readFileSync(join(directory, 'backups', 'one.backup'), 'utf8'), /passing-1/)
  const state = stateOf(store)
  await store.stop()

  const again = await startOn(t, directory)
  t.same(JSON.parse(stateOf(again)).buckets[0], JSON.parse(state).buckets[0])
  t.equal((await again.listBackups()).length, 2)
  t.same([await again.deleteBackup('one'), await again.deleteBackup('one')], [true, false])
  await t.rejects(again.restoreBackup('one'), BackupNotFoundError)
  t.match(await again.createBackup(), { name: /^backup-\d+$/ })
  t.match(await again.createBackup('two'), { totalRecords: 101 }, 'in place of the one before')
  t.equal((await again.listBackups()).length, 2)
})

test('names of backups lead nowhere else, and are told apart', async t => {
  const directory = temporaryDirectory(t)
  const store = await startOn(t, join(directory, 'data'))
  await store.defineBucket('users', users)
  const names = [
    '', '.', '..', '../x', '../../etc/passwd', '/abs', 'C:\\x', 'a', 'A', 'con', 'nul.txt', 'a.backup',
    'a\0b', 'x'.repeat(1_000), 'X'.repeat(1_000), 'ž', '\ud800', '\ud801', '*', '~', '%', '%41', '__proto__',
    'new\nline'
  ]
  for (const [i, name] of names.entries()) {
    await store.bucket('users').insert({ id: `${i}` })
    t.match(await store.createBackup(name), { id: name, totalRecords: i + 1 })
  }
  t.same((await store.listBackups()).map(({ name }) => name).sort(), [...names].sort())
  for (const [i, name] of names.entries()) {
    await store.restoreBackup(name)
    t.equal(await store.bucket('users').count(), i + 1, JSON.stringify(name).slice(0, 50))
  }
  t.same(readdirSync(directory), ['data'])
  t.equal(readdirSync(join(directory, 'data', 'backups')).length, names.length)
  for (const name of readdirSync(join(directory, 'data', 'backups'))) {
    t.match(name, /^[a-z0-9%_-]{1,190}\.backup$/)
    t.equal(statSync(join(directory, 'data', 'backups', name)).mode & 0o777, 0o600)
  }
  for (const name of ['x'.repeat(1_001), 7, null, {}]) {
    t.match(await rejection(store.createBackup(name as string)), { message: /^name: must be a text/ })
  }
  for (const name of names) t.equal(await store.deleteBackup(name), true)
  t.same(await store.listBackups(), [])
})

test('a backup is what `restore` reads', async t => {
  const folder = temporaryDirectory(t)
  const store = await storeWithHistory(t, join(folder, 'data'))
  await store.createBackup('one')
  await restoreLog(join(folder, 'data', 'backups', 'one.backup'), join(folder, 'restored'))
  const restored = await startOn(t, join(folder, 'restored'))
  t.same(await restored.bucket('orders').all(), await store.bucket('orders').all())
  t.not(restored.epoch, store.epoch)
})

test('a damaged backup is refused, and nothing changes', async t => {
  const directory = temporaryDirectory(t)
  const store = await storeWithHistory(t, directory, 30)
  await store.createBackup('one')
  const path = join(directory, 'backups', 'one.backup')
  const { revision } = store
  const { size } = statSync(path)
  for (let at = 0; at < size; at += 97) {
    const bringBack = changeByte(path, at)
    t.match(await rejection(store.restoreBackup('one')), { message: /one\.backup, line \d+ \(byte \d+\)/ })
    bringBack()
  }
  t.equal(store.revision, revision)
  writeFileSync(join(directory, 'backups', 'other.backup'), 'x')
  t.match(await rejection(store.listBackups()), { message: /other\.backup, line 1 \(byte 0\)/ })
  t.match(await rejection(store.restoreBackup('other')), { message: /other\.backup, line 1 \(byte 0\)/ })
  t.equal(await store.deleteBackup('other'), true)
  mkdirSync(join(directory, 'backups', 'folder.backup'))
  t.match(await rejection(store.listBackups()), { message: /folder\.backup is not a file/ })
  await store.bucket('orders').insert({ text: 'goes on' })
})

test('backups are made in parts, one at a time, of one revision each', async t => {
  const directory = temporaryDirectory(t)
  const store = await startOn(t, directory)
  await store.defineBucket('users', users)
  const records = Array.from({ length: 5_000 }, (_, i) => ({ id: `${i}`, age: 0 }))
  await store.bucket('users').insertMany(records)
  const turns = await turnsDuring(async () => {
    const made = Array.from({ length: 5 }, async (_, i) => {
      const backup = store.createBackup(`${i}`)
      await store.bucket('users').update('4999', { age: i + 1 })
      return await backup
    })
    await Promise.all(made)
  })
  t.ok(turns > 20, `others have had ${turns} turns`)
  for (let i = 0; i < 5; i++) {
    await store.restoreBackup(`${i}`)
    t.match(await store.bucket('users').get('4999'), { age: i }, 'as it was at the call')
  }
})

test('a backup that a crash or a full disk has cut short is none', async t => {
  const directory = temporaryDirectory(t)
  await (await storeWithHistory(t, directory, 30)).stop()
  mkdirSync(join(directory, 'backups'))
  writeFileSync(join(directory, 'backups', 'half.backup.new'), 'half')
  const store = await startOn(t, directory)
  t.same(await store.listBackups(), [])
  t.notOk(existsSync(join(directory, 'backups', 'half.backup.new')))

  const disk = smallDisk(t)
  if (disk === undefined) return
  const small = await startOn(t, join(disk.directory, 'data'))
  await small.defineBucket('users', users)
  const name = 'x'.repeat(90)
  await small.bucket('users').insertMany(Array.from({ length: 900 }, (_, i) => ({ id: `${i}`, name })))
  disk.fill()
  t.match(await rejection(small.createBackup('big')), { message: /ENOSPC/ })
  t.same(filesOf(join(disk.directory, 'data')).filter(name => name.startsWith('backups')), [])
  await small.bucket('users').insert({ id: 'goes on' })
  disk.free()
  t.match(await small.createBackup('big'), { totalRecords: 901 })
})

test('a backup has nothing that is taken back', async t => {
  const log = new SlowLog()
  const kept: string[] = []
  const backups = {
    async create (_image: unknown, { name }: { readonly name: string }) { kept.push(name) },
    list: async () => [],
    read: async () => undefined,
    delete: async () => false
  }
  const store = await startStore(t)
  await store.attachLog(Object.assign(log, { backups }))
  const releasing = setInterval(() => { log.release().catch(t.threw) }, 1)
  t.teardown(() => { clearInterval(releasing) })
  await store.defineBucket('users', users)
  await store.createBackup('one')
  t.same(kept, ['one'])
  log.fails = true
  const write = store.bucket('users').insert({ id: 'a' })
  const backup = store.createBackup('two')
  await Promise.all([t.rejects(write, StoreUnavailableError), t.rejects(backup, StoreUnavailableError)])
  t.same(kept, ['one'])
  log.fails = false
})

test('a log that keeps none has no backups', async t => {
  const store = await Store.start({ ttlCheckIntervalMs: 0 })
  t.teardown(async () => { await store.stop() })
  await store.attachLog(new MemoryLog())
  await t.rejects(store.createBackup(), PersistenceRequiredError)
  await t.rejects(store.listBackups(), PersistenceRequiredError)
})
