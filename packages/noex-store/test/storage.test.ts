import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { test, type Test } from 'tap'
import {
  defaultSerializer, DeserializationError, MemoryAdapter, PersistenceError, SerializationError,
  type StorageAdapter
} from '../src/index.js'
import { awkwardKeys, fileAdapter, metadata, savedAs } from './support/adapters.js'

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
      const expected = awkwardKeys.filter(key => key.startsWith('a')).sort()
      t.strictSame([...await adapter.listKeys('a')].sort(), expected)
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
    const expected = { name: 'StorageError', operation: 'save', cause: Error }
    await t.rejects(adapter.save('key', savedAs(() => {})), expected)
    t.equal(adapter.size, 0)
  })
})

test('The serializer', async t => {
  const roundTrip = (value: unknown) =>
    defaultSerializer.deserialize<unknown>(defaultSerializer.serialize(value))
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
        fc.constantFrom(
          null, undefined, true, false, 0, 1.5, -1e300, 'bigint', 'date', 'object', 'undefined'
        ),
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
    const list = Object.freeze([1n, Object.freeze({ at: new Date(0) })])
    const value = Object.freeze({ list, [tag]: 'date' })
    t.strictSame(roundTrip(value), value)
  })

  t.test('keeps a property named __proto__ as an ordinary one', async t => {
    const value: object = JSON.parse('{"a":{"__proto__":{"polluted":true}}}')
    const text = defaultSerializer.serialize({ ...value, big: 1n })
    const loaded = defaultSerializer.deserialize<{ a: object }>(text)
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
    const expected = { name: 'SerializationError', cause }
    t.throws(() => defaultSerializer.serialize({ toJSON () { throw cause } }), expected)
    for (const text of ['', '{', `{"${tag}":"other"}`, `{"${tag}":"bigint","value":"x"}`]) {
      t.throws(() => defaultSerializer.deserialize(text), DeserializationError)
    }
    t.match(new PersistenceError('driver is missing', cause), { name: 'PersistenceError', cause })
  })
})
