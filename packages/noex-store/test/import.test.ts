import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import {
  BucketAlreadyExistsError, CommitMismatchError, DefinitionError, DefinitionMissingError, FileAdapter,
  FileLog, MemoryLog, Store, UniqueConstraintError, type BucketDefinition, type FieldDefinition
} from '../src/index.js'
import { importDirectory, type ImportOptions } from '../src/tools/index.js'
import { adapterFolder, customers, orders, startOn } from './support/adapter-folder.js'
import { smallDisk } from './support/small-disk.js'
import { temporaryDirectory } from './support/temporary-directory.js'

test('a folder of FileAdapter becomes a log in its place', async t => {
  const { directory, before } = await adapterFolder(t)
  writeFileSync(join(directory, 'rules.json'), '{}')
  const [customersFile, ordersFile] = ['shop%3abucket%3acustomers.json', 'shop%3abucket%3aorders.json']
  await t.rejects(startOn(t, directory), {
    message: `${directory} has buckets of a storage adapter (${customersFile}): ` +
      `run "npx fastify-noex import ${directory}" first`
  })
  const report = await importDirectory({ directory })
  t.same(report, {
    directory,
    store: 'shop',
    buckets: [
      { name: 'customers', records: 2, file: customersFile }, { name: 'orders', records: 3, file: ordersFile }
    ],
    setAside: join(directory, 'before-import'),
    left: ['rules.json']
  })
  t.same(readdirSync(join(directory, 'before-import')).sort(), [customersFile, ordersFile])
  t.same(await importDirectory({ directory }), {
    directory, store: undefined, buckets: [], setAside: undefined, left: ['rules.json']
  }, 'once more does nothing')

  const records = before.buckets.find(({ name }) => name === 'orders')?.records
  for (let start = 1; start <= 3; start++) {
    const store = await startOn(t, directory)
    t.ok(store.hasBucket('orders'))
    t.same(store.image().buckets.find(({ name }) => name === 'orders')?.records.slice(0, 3), records)
    if (start < 3) {
      t.same(store.incompleteBuckets.map(({ bucket }) => bucket), ['customers', 'orders'])
      const copy = new MemoryLog()
      await copy.truncate(store.image())
      const follower = await Store.start()
      await follower.attachLog(copy)
      t.same(follower.incompleteBuckets, store.incompleteBuckets, 'also by way of a snapshot')
      await follower.stop()
      await t.rejects(store.bucket('orders').insert({ total: 1 }), DefinitionMissingError)
      await t.rejects(store.bucket('orders').clear(), DefinitionMissingError)
    } else {
      t.same(store.incompleteBuckets, [])
    }
    if (start === 1) {
      await store.stop()
      continue
    }
    await store.defineBucket('orders', orders)
    await store.defineBucket('customers', customers)
    t.same(store.incompleteBuckets, [])
    const { id, _version } = await store.bucket('orders').insert({ total: 6, due: '2025-01-01' })
    t.equal(id, start === 2 ? 6 : 8, 'numbers go on')
    t.equal(_version, 1)
    const [row] = await store.bucket('orders').where({ due: new Date(1.7e12 + 3) })
    t.match(row, { id: 3, total: 3 })
    t.match(await store.bucket('orders').insert({ id: 5, total: 5 }), { _version: start }, 'versions too')
    await store.bucket('orders').delete(5)
    await store.stop()
  }
  writeFileSync(join(directory, ordersFile), '{}')
  await t.rejects(startOn(t, directory), /has buckets of a storage adapter/)
  await t.rejects(importDirectory({ directory }), /has a log, and beside it files of an adapter \(shop%3ab/)
})

test('a folder of noex-server becomes a log in another place', async t => {
  const directory = temporaryDirectory(t)
  const fixture = fileURLToPath(new URL('../../../../test/fixtures/noex-server', import.meta.url))
  cpSync(fixture, directory, { recursive: true })
  const names = readdirSync(directory)
  const into = join(directory, 'log')
  const { buckets, setAside, left } = await importDirectory({
    directory, into, rename: new Map([['user_sessions', 'user.sessions']])
  })
  t.same(buckets.map(({ name, records }) => [name, records]),
    [['_users', 1], ['customers', 2], ['orders', 3], ['user.sessions', 1]])
  t.equal(setAside, undefined)
  t.same(left, ['my_bucket_list.json', 'production_backup_nightly.json', 'rules.json'])
  t.same(readdirSync(directory).filter(name => name !== 'log'), names)
  const store = await startOn(t, into)
  t.match(await store.bucket('customers').get('c1'), { since: new Date('2024-02-29T12:00:00Z'), _version: 1 })
  t.equal(Object.hasOwn(await store.bucket('customers').get('c2') as object, 'note'), true)
  await store.defineBucket('orders', { ...orders, schema: { ...orders.schema, due: { type: 'date' } } })
  t.equal((await store.bucket('orders').insert({ total: 1 }))['id'], 6)
  const sessions: BucketDefinition = { key: 'token', schema: { token: { type: 'string' } }, ttl: '1d' }
  await store.defineBucket('user.sessions', sessions)
  t.match(await store.bucket('user.sessions').get('s'), { _expiresAt: 4_102_444_800_000 })
  await store.stop()
  await t.rejects(importDirectory({ directory, into }), /log has a store already: name an empty folder/)
})

test('an imported bucket takes the first definition that its records fit', async t => {
  const { directory } = await adapterFolder(t)
  await importDirectory({ directory })
  const store = await startOn(t, directory)
  const refused: ReadonlyArray<readonly [BucketDefinition, RegExp]> = [
    [{ ...orders, key: 'total' }, /with key "2" does not fit: field "total" has not the key.*rebuildB/],
    [{ ...orders, schema: { ...orders.schema, total: { type: 'string' } } }, /record with key "2".*"total"/],
    [{ ...orders, schema: { ...orders.schema, n: { type: 'string', required: true } } }, /"n": Field is req/],
    [{ key: 'id', schema: { id: { type: 'string' } } }, /record with key "2".*field "id".*rebuildBucket/],
    [{ key: 'no', schema: { no: { type: 'string' } } }, /record with key "2".*field "no" has not the key/]
  ]
  for (const [definition, message] of refused) {
    await t.rejects(store.defineBucket('orders', definition), { message })
    t.equal(store.incompleteBuckets.length, 2)
  }
  await t.rejects(store.defineBucket('orders', { ...orders, key: 'no' }), DefinitionError)
  await store.updateBucket('orders', { addFields: { more: { type: 'string' } } })
  await t.rejects(store.bucket('orders').delete(2), DefinitionMissingError, 'a change is no definition')
  const first = store.defineBucket('orders', orders)
  await t.rejects(store.defineBucket('orders', orders), BucketAlreadyExistsError)
  await first
  const nick: FieldDefinition = { type: 'number' }
  const definition: BucketDefinition = { ...customers, schema: { ...customers.schema, nick } }
  await store.rebuildBucket('customers', definition, { each: record => ({ ...record, nick: 1 }) })
  t.same(store.incompleteBuckets, [], 'a rebuild defines it, with other records')
  await store.stop()
  const again = await startOn(t, directory)
  await again.defineBucket('orders', orders)
  await again.defineBucket('customers', definition)
  t.match(await again.bucket('customers').get('b'), { nick: 1 })
})

test('two records with one unique value, a log that is attached late, a bucket that is dropped', async t => {
  const directory = temporaryDirectory(t)
  const plain: BucketDefinition = { key: 'name', schema: { name: { type: 'string' } } }
  const before = await Store.start({ name: 's', persistence: { adapter: new FileAdapter({ directory }) } })
  await before.defineBucket('customers', plain)
  await before.bucket('customers').insertMany([{ name: 'a', nick: 'x' }, { name: 'b', nick: 'x' }])
  await before.stop()
  await importDirectory({ directory })
  const late = await Store.start()
  await late.defineBucket('customers', plain)
  const log = new FileLog({ directory })
  await t.rejects(late.attachLog(log), CommitMismatchError)
  await log.close()
  await late.stop()
  const store = await startOn(t, directory)
  await t.rejects(store.defineBucket('customers', customers), UniqueConstraintError)
  t.equal(await store.dropBucket('customers'), true)
  await store.defineBucket('customers', customers)
  t.equal(await store.bucket('customers').count(), 0)
})

test('many records go in by parts; keys that become dates stay deleted', async t => {
  const directory = temporaryDirectory(t)
  const before = await Store.start({ name: 's', persistence: { adapter: new FileAdapter({ directory }) } })
  const schema = { day: { type: 'string' }, n: { type: 'number' } } as const
  const definition: BucketDefinition = { key: 'day', schema }
  await before.defineBucket('days', definition)
  const day = (n: number): string => new Date(1e12 + n * 86_400_000).toISOString()
  await before.bucket('days').insertMany(Array.from({ length: 3_500 }, (_, n) => ({ day: day(n), n })))
  await before.bucket('days').update(day(0), { n: -1 })
  await before.bucket('days').delete(day(0))
  await before.stop()
  await importDirectory({ directory })
  for (let start = 0; start < 2; start++) {
    const store = await startOn(t, directory)
    await store.defineBucket('days', { ...definition, schema: { ...schema, day: { type: 'date' } } })
    t.equal(await store.bucket('days').count(), 3_499)
    t.match(await store.bucket('days').get(new Date(day(7))), { n: 7 })
    t.match(await store.bucket('days').insert({ day: new Date(day(0)), n: 0 }), { _version: 3 + start })
    await store.bucket('days').delete(day(0))
    await store.stop()
  }
})

/** The text of a file as FileAdapter writes it. */
function saved (key: string, state: unknown, metadata: object = {}): string {
  const facts = { persistedAt: 1, serverId: 'shop', schemaVersion: 1, ...metadata }
  const covered = `\n"key":${JSON.stringify(key)},\n"metadata":${JSON.stringify(facts)},\n"state":${
    typeof state === 'string' ? state : JSON.stringify(state)}}\n`
  return `{"checksum":"${createHash('sha256').update(covered).digest('hex')}",${covered}`
}

const meta = { _version: 1, _createdAt: 1, _updatedAt: 1 }
const records = (...entries: unknown[]): object => ({ records: entries, autoincrementCounter: 0 })
const deep = (levels: number): string => `${'['.repeat(levels)}${']'.repeat(levels)}`

const messageOf = ({ message }: Error): string => message

test('what is not as an adapter has written it is refused by file, and nothing is written', async t => {
  const key = 'shop:bucket:things'
  const own = 'shop%3abucket%3athings.json'
  const record = { id: 'a', ...meta }
  const good = saved(key, records(['a', record]))
  const tagged = (tag: unknown): object => records(['a', { ...record, x: tag }])
  const original = (state: object, metadata: object = {}): string =>
    JSON.stringify({ state, metadata: { persistedAt: 1, serverId: 'shop', schemaVersion: 1, ...metadata } })
  const refused: ReadonlyArray<readonly [name: string, text: string | Buffer, message: RegExp]> = [
    [own, '', /Unexpected end of JSON/],
    [own, good.slice(0, -20), /has the checksum/],
    [own, good.replace('"a"', '"b"'), /has the checksum/],
    [own, Buffer.from([0xff, 0xfe, 0x7b]), /not valid for encoding utf-8/],
    [own, saved('shop:bucket:other', records(['a', record])), /belongs to the key "shop:bucket:other"/],
    [own, saved(key, records(['a', record]), { schemaVersion: 2 }), /format 2, and this version reads 1: im/],
    [own, saved(key, records(['a', record]), { schemaVersion: 'x' }), /it has no version/],
    [own, saved(key, { records: {} }), /no list of records/],
    [own, saved(key, { records: [], autoincrementCounter: -1 }), /counter is -1/],
    [own, saved(key, records(['a'])), /record number 1 is not a key and a record/],
    [own, saved(key, records([null, record])), /key null \(number 1\) has no key/],
    [own, saved(key, records(['a', record], ['b', { name: 'b', ...meta }])), /key "b" \(number 2\) has not/],
    [own, saved(key, records(['a', record], ['a', record])), /key "a" \(number 2\) is there twice/],
    [own, saved(key, records(['a', { id: 'a' }])), /has no _version/],
    [own, saved(key, tagged({ $noex: 'regexp', value: 1 })), /unknown tag: regexp/],
    [own, saved(key, tagged({ $noex: 'map', value: [] })), /field "x".*instance of Map/],
    [own, saved(key, tagged({ $noex: 'bigint', value: '1' })), /field "x".*bigint/],
    [own, saved(key, tagged({ $noex: 'bigint', value: 'x' })), /Cannot convert x to a BigInt/],
    [own, saved(key, tagged({ $noex: 'date', value: 'x' })), /field "x".*invalid date/],
    [own, saved(key, tagged(JSON.parse(deep(200)))), /field "x.*more than 100 levels/],
    [own, saved(key, `{"records":[{"$noex":"set","value":[]}],"x":${deep(200_000)}}`), /call stack size/],
    [`%h-${createHash('sha256').update('x').digest('hex')}.json`, '{', /its key is not the one of its name/],
    ['shop_bucket_things.json', '', /Unexpected end of JSON/],
    ['shop_bucket_things.json', '{"state":{"records":[]}}', /no state or no metadata/],
    ['shop_bucket_things.json', '{}', /no state or no metadata/],
    ['shop_bucket_things.json', original(records(['a', record]), { checksum: 'abc' }), /checksum is not abc/],
    ['shop_bucket_things.json', original(tagged({ __noex_type__: 'RegExp', v: 1 })), /unknown type "RegExp"/],
    ['shop_bucket_things.json', original(tagged({ __noex_type__: 'Date', v: 'x' })), /"x".*invalid date/],
    ['shop_bucket_things.json', original(tagged({ __noex_type__: 'Set', v: [] })), /"x".*instance of Set/],
    ['shop_bucket_things.json', original(tagged({ __noex_type__: 'Map', v: 7 })), /cannot be imported/],
    ['shop_bucket_things.json', original(records(['a', record]), { schemaVersion: 9 }), /format 9/]
  ]
  for (const [name, text, message] of refused) {
    const directory = temporaryDirectory(t)
    writeFileSync(join(directory, name), text)
    const first = saved('shop:bucket:aaa', records(['a', record]))
    writeFileSync(join(directory, 'shop%3abucket%3aaaa.json'), first)
    for (const into of [undefined, join(directory, 'new')]) {
      const store = name.startsWith('%h') ? 'unknown' : undefined
      const text = await importDirectory({ directory, into, store }).then(() => '', messageOf)
      if (name.startsWith('%h') && into === undefined) t.match(text, /several stores/)
      else t.ok(text.startsWith(join(directory, name)) && message.test(text), text)
      t.equal(readdirSync(directory).length, 2, 'nothing is written')
    }
    await t.rejects(startOn(t, directory), /fastify-noex import/)
  }
})

test('a disk that is full: nothing is imported, until there is room', async t => {
  const disk = smallDisk(t)
  if (disk === undefined) return
  const directory = join(disk.directory, 'data')
  mkdirSync(directory)
  const record = { id: 'a', text: 'x'.repeat(100_000), ...meta }
  const name = 'shop%3abucket%3athings.json'
  writeFileSync(join(directory, name), saved('shop:bucket:things', records(['a', record])))
  disk.fill()
  await t.rejects(importDirectory({ directory }), /ENOSPC|no space/)
  t.same(readdirSync(directory), [name])
  disk.free()
  t.match(await importDirectory({ directory }), { buckets: [{ name: 'things', records: 1 }] })
})

test('names are harmless', async t => {
  const directory = temporaryDirectory(t)
  const state = '{"records":[["__proto__",{"id":"__proto__","__proto__":{"x":{"$noex":"date","value":5}},' +
    '"_version":1,"_createdAt":1,"_updatedAt":1}]]}'
  const key = 'shop:bucket:__proto__'
  writeFileSync(join(directory, 'shop%3abucket%3a__proto__.json'), saved(key, state))
  await importDirectory({ directory })
  const store = await startOn(t, directory)
  await store.defineBucket('__proto__', { key: 'id', schema: { id: { type: 'string' } } })
  const record = await store.bucket('__proto__').get('__proto__') as object
  t.same(Object.getOwnPropertyDescriptor(record, '__proto__')?.value, { x: new Date(5) })
  t.equal(({} as { x?: unknown }).x, undefined)
})

test('one folder, one store', async t => {
  const { directory } = await adapterFolder(t)
  const other = saved('other:bucket:a', records(['a', { id: 'a', ...meta }]), { serverId: 'other' })
  writeFileSync(join(directory, 'other%3abucket%3aa.json'), other)
  const into = join(directory, 'into')
  const refused: ReadonlyArray<readonly [ImportOptions, RegExp]> = [
    [{ directory }, /several stores \(other, shop\): import each .* --store NAME --into FOLDER/],
    [{ directory, into }, /several stores/],
    [{ directory, store: 'shop' }, /several stores/],
    [{ directory, into: '/proc/none/into' }, /none\/into cannot be made: name a directory/],
    [{ directory, into, store: 'x' }, /has no store "x"; it has other, shop/],
    [{ directory, into, store: 'shop', rename: new Map([['x', 'y']]) }, /no bucket to be named "y"; there a/],
    [{ directory, into, store: 'shop', rename: new Map([['orders', 'customers']]) }, /are both bucket "cust/],
    [{ directory: join(directory, 'none') }, /none is not a folder/],
    [{ directory: temporaryDirectory(t) }, /has no buckets of an adapter/]
  ]
  for (const [options, message] of refused) await t.rejects(importDirectory(options), { message })
  t.equal(existsSync(into), false)
  const report = await importDirectory({ directory, into, store: 'shop' })
  t.match(report, { store: 'shop', buckets: [{ name: 'customers' }, { name: 'orders' }] })
  t.ok(report.left.includes('other%3abucket%3aa.json'))
  const store = await startOn(t, into)
  await t.rejects(importDirectory({ directory, into, store: 'other' }), /another process has this store/)
  await store.stop()
  const another = await importDirectory({ directory, into: `${into}-2`, store: 'other' })
  t.match(another, { buckets: [{ name: 'a' }] })
})

test('a rest of an import that has begun lets no store start', async t => {
  const directory = temporaryDirectory(t)
  mkdirSync(join(directory, 'import.new'))
  await t.rejects(startOn(t, directory), /has an import that has not ended: run "npx fastify-noex import/)
})
