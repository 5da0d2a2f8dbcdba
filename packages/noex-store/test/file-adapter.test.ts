import { fork } from 'node:child_process'
import { once } from 'node:events'
import fs, { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { test, type Test } from 'tap'
import {
  ChecksumMismatchError, CorruptedStateError, DeserializationError, FileAdapter, SerializationError,
  StorageError
} from '../src/index.js'
import { fileAdapter, metadata, savedAs } from './support/adapters.js'

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
        if (isCovered && !(outcome instanceof ChecksumMismatchError)) {
          t.fail(`byte ${index}: ${outcome.message}`)
        }
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
      'README.md', 'A.json', 'a%3Ab.json', '%zz.json', `%h-${'0'.repeat(64)}.json`, `${hashed}.corrupt-1`,
      '~mine.tmp'
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
    const expected = { name: 'StorageError', operation: 'load', cause: { code: 'EISDIR' } }
    await t.rejects(adapter.load('key'), expected)
    await t.rejects(adapter.delete('key'), { name: 'StorageError', operation: 'delete' })
    await t.rejects(adapter.save('key', savedAs(1)), { name: 'StorageError', operation: 'save' })
    const misplaced = new FileAdapter({ directory: new URL(import.meta.url).pathname })
    await t.rejects(misplaced.listKeys(), { name: 'StorageError', operation: 'listKeys' })
    await t.rejects(misplaced.exists('key'), { name: 'StorageError', operation: 'exists' })
    await t.rejects(misplaced.cleanup(0), { name: 'StorageError', operation: 'cleanup' })
    await t.resolves(misplaced.close(), 'tidying up holds no caller')
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
