import { fork } from 'node:child_process'
import { once } from 'node:events'
import fs, { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { test, type Test } from 'tap'
import {
  ChecksumMismatchError, CorruptedStateError, defaultSerializer, DeserializationError, FileAdapter,
  type FileAdapterOptions, MemoryAdapter, PersistenceError, type PersistedState, SerializationError, type StateMetadata,
  type StorageAdapter, StorageError
} from '../src/index.js'

const metadata: StateMetadata = { persistedAt: 1000, serverId: 'shop', schemaVersion: 1 }

/** Keys that a careless naming of files would mix up, or could not store at all. */
const awkwardKeys = [
  'a:b', 'a_b', 'A:b', 'a%3ab', '../x', '..', '.', '', ' ', '%',
  'x'.repeat(300), 'X'.repeat(300), `${'x'.repeat(300)}y`,
  'příliš žluťoučký', '日本語', '\u{1f600}', '\ud800', '\udfff', '\ufffd', '\ud800'.repeat(100), '\udfff'.repeat(100),
  'con', 'CON', 'com1', '~a.tmp', 'a.json', 'a\0b', 'a/b', 'a\\b', '__proto__'
]

function savedAs (state: unknown): PersistedState<unknown> {
  return { state, metadata }
}

/** A file adapter without fsync, in a directory of the test that does not exist yet. */
function fileAdapter (t: Test, options: Partial<FileAdapterOptions> = {}) {
  const directory = join(t.testdir(), 'states')
  return { directory, adapter: new FileAdapter({ directory, fsync: false, ...options }) }
}

function contract (name: string, make: (t: Test) => StorageAdapter): void {
  test(`${name}, as a storage adapter,`, async t => {
    t.test('has nothing at first', async t => {
      const adapter = make(t)
      t.equal(await adapter.load('key'), undefined)
      t.equal(await adapter.exists('key'), false)
      t.equal(await adapter.delete('key'), false)
      t.same(await adapter.listKeys(), [])
      t.equal(await adapter.cleanup?.(0), 0)
      await adapter.close?.()
    })

    t.test('loads what was saved last, as a copy', async t => {
      const adapter = make(t)
      const state = { name: 'first', tags: ['a'] }
      await adapter.save('key', { state: 'overwritten', metadata })
      const ownMetadata = { ...metadata, serverName: 'shop', checksum: 'mine' }
      const saved = adapter.save('key', { state, metadata: ownMetadata })
      state.tags.push('too late')
      await saved
      const expected = { state: { name: 'first', tags: ['a'] }, metadata: ownMetadata }
      const loaded = await adapter.load<typeof state>('key')
      t.strictSame(loaded, expected)
      loaded?.state.tags.push('mine alone')
      t.strictSame(await adapter.load('key'), expected)
      t.equal(await adapter.exists('key'), true)
    })

    t.test('keeps Dates, Maps, Sets, bigints and undefined', async t => {
      const adapter = make(t)
      const state = {
        date: new Date(5),
        map: new Map<unknown, unknown>([['a', new Map([[{ k: 1 }, 2n]])]]),
        set: new Set([1, undefined]),
        explicit: undefined,
        list: [undefined, null]
      }
      await adapter.save('key', savedAs(state))
      t.strictSame((await adapter.load('key'))?.state, state)
    })

    t.test('deletes', async t => {
      const adapter = make(t)
      await adapter.save('key', savedAs(1))
      t.equal(await adapter.delete('key'), true)
      t.equal(await adapter.delete('key'), false)
      t.equal(await adapter.exists('key'), false)
    })

    t.test('keeps awkward keys apart and lists them as they are', async t => {
      const adapter = make(t)
      await Promise.all(awkwardKeys.map(key => adapter.save(key, savedAs(key))))
      t.strictSame([...await adapter.listKeys()].sort(), [...awkwardKeys].sort())
      for (const key of awkwardKeys) t.equal((await adapter.load(key))?.state, key)
      t.strictSame([...await adapter.listKeys('a')].sort(), awkwardKeys.filter(key => key.startsWith('a')).sort())
      t.strictSame(await adapter.listKeys('a:'), ['a:b'])
      t.strictSame(await adapter.listKeys('%'), ['%'])
    })

    t.test('cleans up what is older than asked for', async t => {
      const adapter = make(t)
      const now = Date.now()
      for (const age of [0, 60_000, 120_000]) {
        await adapter.save(`${age}`, { state: age, metadata: { ...metadata, persistedAt: now - age } })
      }
      t.equal(await adapter.cleanup?.(90_000), 1)
      t.strictSame([...await adapter.listKeys()].sort(), ['0', '60000'])
    })

    t.test('can be used again after it was closed', async t => {
      const adapter = make(t)
      await adapter.save('key', savedAs(1))
      await adapter.close?.()
      await adapter.close?.()
      t.equal((await adapter.load('key'))?.state, 1)
      await adapter.save('key', savedAs(2))
      t.equal((await adapter.load('key'))?.state, 2)
    })
  })
}

contract('MemoryAdapter', () => new MemoryAdapter())
contract('FileAdapter', t => fileAdapter(t, { fsync: true }).adapter)
contract('FileAdapter with other options', t => fileAdapter(t, {
  extension: '.state', prettyPrint: true, checksums: false, atomicWrites: false
}).adapter)

test('MemoryAdapter', async t => {
  t.test('begins with copies of the initial data', async t => {
    const data = { state: { list: [1] }, metadata }
    const adapter = new MemoryAdapter({ initialData: new Map([['key', data]]) })
    data.state.list.push(2)
    t.equal(adapter.size, 1)
    t.strictSame((await adapter.load('key'))?.state, { list: [1] })
    adapter.clear()
    t.equal(adapter.size, 0)
  })

  t.test('refuses what cannot be copied', async t => {
    const adapter = new MemoryAdapter()
    await t.rejects(adapter.save('key', savedAs(() => {})), { name: 'StorageError', operation: 'save', cause: Error })
    t.equal(adapter.size, 0)
  })
})

test('The serializer', async t => {
  const roundTrip = (value: unknown) => defaultSerializer.deserialize<unknown>(defaultSerializer.serialize(value))
  const tag = Object.keys(JSON.parse(defaultSerializer.serialize(1n)) as object)[0] ?? ''
  const key = fc.oneof(
    fc.constantFrom(tag, 'value', '__proto__', 'constructor', 'hasOwnProperty', 'toJSON', ''),
    fc.string({ unit: 'binary' })
  )
  const { value: anyValue } = fc.letrec<{ value: unknown }>(tie => {
    const value = tie('value')
    return {
      value: fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        fc.constantFrom(null, undefined, true, false, 0, 1.5, -1e300, 'bigint', 'date', 'object', 'undefined'),
        fc.string({ unit: 'binary' }),
        fc.bigInt(),
        fc.date({ noInvalidDate: true }),
        fc.array(value),
        fc.array(fc.tuple(key, value)).map(entries => Object.fromEntries(entries)),
        fc.array(fc.tuple(value, value)).map(entries => new Map(entries)),
        fc.array(value).map(items => new Set(items))
      )
    }
  })

  t.test('gives back any value, also one that looks like its own notation', async t => {
    t.equal(tag, '$noex')
    const isKept = fc.property(anyValue, value => isDeepStrictEqual(roundTrip(value), value))
    t.doesNotThrow(() => fc.assert(isKept, { numRuns: 500 }))
  })

  t.test('gives back its own notation, as ordinary data', async t => {
    const isKept = fc.property(anyValue, value => {
      const notation: unknown = JSON.parse(defaultSerializer.serialize(value))
      return isDeepStrictEqual(roundTrip(notation), notation)
    })
    t.doesNotThrow(() => fc.assert(isKept, { numRuns: 500 }))
  })

  t.test('leaves the value alone', async t => {
    const value = Object.freeze({ list: Object.freeze([1n, Object.freeze({ at: new Date(0) })]), [tag]: 'date' })
    t.strictSame(roundTrip(value), value)
  })

  t.test('keeps a property named __proto__ as an ordinary one', async t => {
    const value: object = JSON.parse('{"a":{"__proto__":{"polluted":true}}}')
    const loaded = defaultSerializer.deserialize<{ a: object }>(defaultSerializer.serialize({ ...value, big: 1n }))
    t.same(Object.keys(loaded.a), ['__proto__'])
    t.equal(Object.getPrototypeOf(loaded.a), Object.prototype)
    t.notOk('polluted' in loaded.a)
  })

  t.test('writes an object that occurs twice in both places', async t => {
    const shared = { at: new Date(7) }
    t.strictSame(roundTrip([shared, { shared }]), [shared, { shared }])
  })

  t.test('writes what JSON writes for the rest', async t => {
    class Point { x = 1; y = NaN; toString () { return 'point' } }
    class Money { amount = 5; toJSON () { return { amount: this.amount, at: new Date(0), by: () => {} } } }
    class Self { id = 1; toJSON () { return this } }
    t.strictSame(roundTrip(new Point()), { x: 1, y: null })
    t.strictSame(roundTrip([Infinity, () => {}, Symbol('s')]), [null, null, null])
    t.strictSame(roundTrip({ run () {}, kept: 1 }), { kept: 1 })
    t.strictSame(roundTrip(new Money()), { amount: 5, at: new Date(0) })
    t.strictSame(roundTrip({ self: new Self() }), { self: { id: 1 } })
    t.strictSame(roundTrip({ toJSON: () => [1, new Set([2])] }), [1, new Set([2])])
    t.strictSame(roundTrip({ toJSON: () => new Map([[1, 2]]) }), new Map([[1, 2]]))
    t.strictSame(roundTrip(new URL('http://localhost/')), 'http://localhost/')
    t.strictSame(roundTrip(Uint8Array.of(1, 2)), { 0: 1, 1: 2 })
    t.strictSame(roundTrip(() => {}), null)
    t.ok(Number.isNaN((roundTrip(new Date(NaN)) as Date).getTime()))
  })

  t.test('refuses a cycle', async t => {
    const circular: Record<string, unknown> = {}
    circular['list'] = [new Map([[1, new Set([circular])]])]
    t.throws(() => defaultSerializer.serialize(circular), SerializationError)
  })

  t.test('can read everything that is not nested too deeply to be written', async t => {
    const nest = (depth: number) => {
      let value: unknown = 'core'
      for (let i = 0; i < depth; i++) value = new Map([[i, value]])
      return value
    }
    const text = defaultSerializer.serialize(nest(1000))
    t.equal(defaultSerializer.serialize(defaultSerializer.deserialize(text)), text)
    t.throws(() => defaultSerializer.serialize(nest(1001)), SerializationError)
  })

  t.test('says why it cannot write or read', async t => {
    const cause = new Error('no')
    t.throws(() => defaultSerializer.serialize({ toJSON () { throw cause } }), { name: 'SerializationError', cause })
    for (const text of ['', '{', `{"${tag}":"other"}`, `{"${tag}":"bigint","value":"x"}`]) {
      t.throws(() => defaultSerializer.deserialize(text), DeserializationError)
    }
    t.match(new PersistenceError('driver is missing', cause), { name: 'PersistenceError', cause })
  })
})

test('FileAdapter', async t => {
  t.test('makes its directory when it saves for the first time', async t => {
    const directory = join(t.testdir(), 'deep', 'states')
    const adapter = new FileAdapter({ directory })
    t.equal(adapter.getDirectory(), directory)
    await adapter.close()
    await t.rejects(stat(directory), { code: 'ENOENT' })
    await adapter.save('key', savedAs(1))
    t.same(await readdir(directory), ['key.json'])
    t.equal((await stat(join(directory, 'key.json'))).mode & 0o777, 0o600)
  })

  t.test('writes JSON, indented if wanted', async t => {
    for (const prettyPrint of [false, true]) {
      const { directory, adapter } = fileAdapter(t, { prettyPrint })
      await adapter.save('a:b', savedAs({ list: [1] }))
      const text = await readFile(join(directory, 'a%3ab.json'), 'utf8')
      t.match(JSON.parse(text), { checksum: /^[0-9a-f]{64}$/, key: 'a:b', metadata, state: { list: [1] } })
      t.equal(text.includes('\n  "list"'), prettyPrint)
      t.strictSame((await adapter.load('a:b'))?.state, { list: [1] })
    }
  })

  t.test('refuses an extension that is more than a name', async t => {
    for (const extension of ['/x', '\\x', '\0']) {
      t.throws(() => new FileAdapter({ directory: '.', extension }), TypeError)
    }
  })

  t.test('loads anything that it saved, and never mistakes one key for another', async t => {
    const { adapter } = fileAdapter(t)
    const key = fc.string({ unit: 'binary', size: 'medium' })
    const anyState = fc.anything({ withDate: true, withMap: true, withSet: true, withBigInt: true })
    const isKept = fc.asyncProperty(key, key, anyState, async (a, b, state) => {
      await adapter.save(a, savedAs({ of: a, state }))
      await adapter.save(b, savedAs({ of: b }))
      return (await adapter.load<{ of: string }>(a))?.state.of === a
    })
    await t.resolves(fc.assert(isKept, { numRuns: 50 }))
  })

  t.test('leaves the old state when it is killed between writing and renaming', async t => {
    const directory = t.testdir()
    const child = fork(new URL('fixtures/save-and-die.js', import.meta.url), [directory])
    const [, signal] = await once(child, 'exit')
    t.equal(signal, 'SIGKILL')
    t.equal((await readdir(directory)).length, 2)

    const adapter = new FileAdapter({ directory })
    t.equal((await adapter.load('key'))?.state, 'old')
    t.same(await adapter.listKeys(), ['key'])
    await adapter.close()
    t.same(await readdir(directory), ['key.json'])
  })

  t.test('leaves the old state, and no temporary file, when it cannot rename', async t => {
    const { directory, adapter } = fileAdapter(t)
    await adapter.save('key', savedAs('old'))
    intercept(t, 'rename', async () => { throw new Error('no') })
    await t.rejects(adapter.save('key', savedAs('new')), {
      name: 'StorageError', operation: 'save', cause: { message: 'no' }
    })
    t.equal((await adapter.load('key'))?.state, 'old')
    t.same(await readdir(directory), ['key.json'])
  })

  t.test('leaves the temporary files alone that are being written', async t => {
    const { directory, adapter } = fileAdapter(t)
    const { reached, proceed } = hold(t)
    const saved = adapter.save('key', savedAs('new'))
    await reached
    await new FileAdapter({ directory }).close()
    proceed()
    await saved
    t.equal((await adapter.load('key'))?.state, 'new')
  })

  t.test('writes only the newest of the saves that wait, and ends with it', async t => {
    const { adapter } = fileAdapter(t)
    const { reached, proceed, renamed } = hold(t)
    const saves = [adapter.save('key', savedAs(0))]
    await reached
    for (let i = 1; i <= 10; i++) saves.push(adapter.save('key', savedAs(i)))
    proceed()
    await Promise.all(saves)
    t.equal((await adapter.load('key'))?.state, 10)
    t.equal(renamed(), 2)
  })

  t.test('takes operations on a key in the order in which they were begun', async t => {
    const { adapter } = fileAdapter(t)
    const outcomes = await Promise.all([
      adapter.save('key', savedAs(1)),
      adapter.load('key').then(loaded => loaded?.state),
      adapter.save('key', savedAs(2)),
      adapter.exists('key'),
      adapter.delete('key'),
      adapter.load('key'),
      adapter.save('key', savedAs(3)),
      adapter.cleanup(Infinity)
    ])
    t.strictSame(outcomes, [undefined, 1, undefined, true, true, undefined, undefined, 0])
    await adapter.close()
    t.equal((await adapter.load('key'))?.state, 3)
  })

  t.test('finishes what is under way before it is closed', async t => {
    const { directory, adapter } = fileAdapter(t)
    adapter.save('key', savedAs(1)).catch(t.fail)
    await adapter.close()
    t.same(await readdir(directory), ['key.json'])
  })

  t.test('never gives a damaged state: it rejects and sets the file aside', async t => {
    const { directory, adapter } = fileAdapter(t)
    const path = join(directory, 'key.json')
    const state = { text: 'ďábelské ódy', n: 1n }
    await adapter.save('key', savedAs(state))
    const intact = await readFile(path)
    const checksumAt = '{"checksum":"'.length
    const textAt = checksumAt + '0'.repeat(64).length + '",'.length
    for (let index = 0; index < intact.length; index++) {
      const damaged = Buffer.from(intact)
      damaged[index] = (damaged[index] ?? 0) ^ 1
      await writeFile(path, damaged)
      const outcome: unknown = await adapter.load('key').catch((error: unknown) => error)
      if (outcome instanceof Error) {
        const isCovered = (index >= checksumAt && index < textAt - 2) || index >= textAt
        if (isCovered && !(outcome instanceof ChecksumMismatchError)) t.fail(`byte ${index}: ${outcome.message}`)
        if (await adapter.exists('key')) t.fail(`byte ${index}: the file is still there`)
      } else if (!isDeepStrictEqual(outcome, { state, metadata })) {
        t.fail(`byte ${index} was changed without notice`)
      }
    }
    const asides = (await readdir(directory)).filter(name => /^key\.json\.corrupt-\d{13}$/.test(name))
    t.ok(asides.length > 0)
    t.same(await adapter.listKeys(), [])
  })

  t.test('tells what is wrong with a file', async t => {
    const { directory, adapter } = fileAdapter(t)
    await adapter.save('other', savedAs(1))
    const ofOther = await readFile(join(directory, 'other.json'), 'utf8')
    const changed = { name: 'ChecksumMismatchError', key: 'key', expected: 'abc', actual: /^\w{64}$/ }
    const unreadable = { name: 'StorageError', operation: 'load', cause: DeserializationError }
    const corrupted = { name: 'CorruptedStateError', key: 'key' }
    const cases: ReadonlyArray<readonly [text: string, error: object]> = [
      ['{"checksum":"abc","state":1,"metadata":{}}', changed],
      ['not JSON', unreadable],
      ['{"state":{"$noex":"x"},"metadata":{}}', unreadable],
      ['{"state":1}', corrupted],
      ['{"metadata":{}}', corrupted],
      ['{"state":1,"metadata":null}', corrupted],
      ['null', corrupted],
      [ofOther, { ...corrupted, message: /"other"/ }]
    ]
    for (const [text, error] of cases) {
      await writeFile(join(directory, 'key.json'), text)
      t.match(await adapter.load('key').catch((thrown: unknown) => thrown), error)
      t.equal(await adapter.load('key'), undefined)
    }
    t.ok(new CorruptedStateError('key', 'why') instanceof Error)
  })

  t.test('loads a file without checksum, and does not verify one if not wanted', async t => {
    const { directory, adapter } = fileAdapter(t)
    const careless = new FileAdapter({ directory, checksums: false })
    await careless.save('key', savedAs(1))
    t.equal((await adapter.load('key'))?.state, 1)
    await writeFile(join(directory, 'key.json'), '{"checksum":"abc","state":2,"metadata":{}}')
    t.equal((await careless.load('key'))?.state, 2)
  })

  t.test('tells of the damage also when it cannot set the file aside', async t => {
    const { directory, adapter } = fileAdapter(t)
    await adapter.save('key', savedAs(1))
    await writeFile(join(directory, 'key.json'), '{}')
    intercept(t, 'rename', async () => { throw new Error('no') })
    await t.rejects(adapter.load('key'), CorruptedStateError)
  })

  t.test('lists only files of its own, and cleans up none that is damaged', async t => {
    const { directory, adapter } = fileAdapter(t)
    const long = 'k'.repeat(200)
    await adapter.save(long, savedAs(1))
    await adapter.save('gone', savedAs(1))
    const [hashed = ''] = (await readdir(directory)).filter(name => name.startsWith('%h-'))
    const content = await readFile(join(directory, hashed))
    const strangers = [
      'README.md', 'A.json', 'a%3Ab.json', '%zz.json', `%h-${'0'.repeat(64)}.json`, `${hashed}.corrupt-1`, '~mine.tmp'
    ]
    for (const name of strangers) await writeFile(join(directory, name), content)
    await writeFile(join(directory, `%h-${'1'.repeat(64)}.json`), '{"key":"\\x"}')
    await writeFile(join(directory, `%h-${'2'.repeat(64)}.json`), 'no key')
    await writeFile(join(directory, 'damaged.json'), '{}')
    t.same(await adapter.listKeys(), ['damaged', 'gone', long])
    t.equal(await adapter.cleanup(0), 2)
    t.same(await adapter.listKeys(), ['damaged'])
    await adapter.close()
    for (const name of strangers) t.ok((await readdir(directory)).includes(name))
  })

  t.test('wraps what the file system says', async t => {
    const { directory, adapter } = fileAdapter(t)
    await mkdir(join(directory, 'key.json'), { recursive: true })
    await t.rejects(adapter.load('key'), { name: 'StorageError', operation: 'load', cause: { code: 'EISDIR' } })
    await t.rejects(adapter.delete('key'), { name: 'StorageError', operation: 'delete' })
    await t.rejects(adapter.save('key', savedAs(1)), { name: 'StorageError', operation: 'save' })
    const misplaced = new FileAdapter({ directory: new URL(import.meta.url).pathname })
    await t.rejects(misplaced.listKeys(), { name: 'StorageError', operation: 'listKeys' })
    await t.rejects(misplaced.exists('key'), { name: 'StorageError', operation: 'exists' })
    await t.rejects(misplaced.cleanup(0), { name: 'StorageError', operation: 'cleanup' })
    await t.resolves(misplaced.close(), 'tidying up holds nobody')
  })

  t.test('refuses what cannot be serialized, and keeps what it has', async t => {
    const { adapter } = fileAdapter(t)
    await adapter.save('key', savedAs(1))
    const circular: unknown[] = []
    circular.push(circular)
    await t.rejects(adapter.save('key', savedAs(circular)), {
      name: 'StorageError', operation: 'save', cause: SerializationError
    })
    t.ok(new StorageError('save', 'why') instanceof Error)
    t.equal((await adapter.load('key'))?.state, 1)
  })
})

/** Replaces a function of node:fs/promises until the test ends. */
function intercept<Name extends 'rename'> (t: Test, name: Name, replacement: typeof fs[Name]): void {
  const original = fs[name]
  fs[name] = replacement
  syncBuiltinESMExports()
  t.teardown(() => {
    fs[name] = original
    syncBuiltinESMExports()
  })
}

/** Holds the first rename of a file until it may proceed, and counts them all. */
function hold (t: Test) {
  let count = 0
  let proceed = () => {}
  const passage = new Promise<void>(resolve => { proceed = resolve })
  const reached = new Promise<void>(resolve => {
    const original = fs.rename
    intercept(t, 'rename', async (from, to) => {
      if (++count === 1) {
        resolve()
        await passage
      }
      await original(from, to)
    })
  })
  return { reached, proceed: () => proceed(), renamed: () => count }
}
