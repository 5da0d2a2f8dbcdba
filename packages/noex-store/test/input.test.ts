import { test } from 'tap'
import { InputTooLargeError, ValidationError, type BucketDefinition, type Store } from '../src/index.js'
import { rejection, startStore } from './support/store.js'

const anything: BucketDefinition = { key: 'id', schema: { id: { type: 'string' }, made: { type: 'object' } } }

/** Tries a value in every kind of write. */
async function refusals (store: Store, value: () => unknown): Promise<Error[]> {
  const bucket = store.bucket('b')
  const wrap = (): Record<string, unknown> => ({ id: 'x', extra: value() })
  return await Promise.all([
    bucket.insert(wrap()), bucket.insertMany([wrap()]), bucket.upsert(wrap()),
    bucket.insertMany(
      Array.from({ length: 1_001 }, (_, i) => ({ id: `${i}`, extra: i === 0 ? value() : 1 }))
    ),
    bucket.update('here', { extra: value() }), bucket.updateMany({}, { extra: value() }),
    bucket.insert({ id: 'x', extra: { deep: [{ er: value() }] } }),
    store.transaction(async tx => { await (await tx.bucket('b')).insert(wrap()) }),
    store.transaction(async tx => { await (await tx.bucket('b')).update('here', { extra: value() }) })
  ].map(rejection))
}

test('what JSON would lose is refused by name in every write', async t => {
  const circle: unknown[] = []
  circle.push({ circle })
  let deep: unknown = 1
  for (let i = 0; i < 101; i++) deep = [deep]
  const cases: ReadonlyArray<readonly [title: string, value: () => unknown, message: RegExp]> = [
    ['a circle', () => circle, /a circle/],
    ['more than 100 levels', () => deep, /more than 100 levels/],
    ['a BigInt', () => 1n, /a bigint/],
    ['a function', () => () => {}, /a function/],
    ['a symbol', () => Symbol('s'), /a symbol/],
    ['NaN', () => NaN, /the number NaN/],
    ['Infinity', () => -Infinity, /the number -Infinity/],
    ['a Map', () => new Map(), /an instance of Map/],
    ['a Set', () => new Set(), /an instance of Set/],
    ['a Buffer', () => Buffer.from('x'), /an instance of Buffer/],
    ['an Error', () => new Error('x'), /an instance of Error/],
    ['a number object', () => Object(1), /an instance of Number/],
    ['an object of a class', () => new (class Point { x = 1 })(), /an instance of Point/],
    ['an object with toJSON', () => ({ toJSON: () => 1 }), /extra\.toJSON|er\.toJSON/],
    ['a promise', () => Promise.resolve(1), /an instance of Promise/],
    ['an invalid date', () => new Date(NaN), /an invalid date/],
    ['a hole in a list', () => Object.assign([1], { 2: 2 }), /undefined in a list/],
    [
      'a list that says it is endless',
      () => new Proxy([], { get: (_, name) => name === 'length' ? 2 ** 32 : 1 }),
      /more than 1000000 bytes/
    ]
  ]
  for (const [title, value, message] of cases) {
    await t.test(title, async t => {
      const store = await startStore(t, { maxRecordBytes: 1_000_000 })
      await store.defineBucket('b', anything)
      await store.bucket('b').insert({ id: 'here' })
      for (const error of await refusals(store, value)) {
        t.ok(error instanceof ValidationError || error instanceof InputTooLargeError, String(error))
        t.match(error.message, message)
      }
      t.match(await store.bucket('b').all(), [{ id: 'here', _version: 1 }])
    })
  }
})

test('what an object throws when it is read reaches the caller, and nothing is written', async t => {
  const store = await startStore(t)
  await store.defineBucket('b', anything)
  await store.bucket('b').insert({ id: 'here' })
  const getter = (): unknown => ({ get bad (): never { throw new RangeError('no') } })
  const proxy = (): unknown => new Proxy({}, { ownKeys () { throw new RangeError('no') } })
  for (const value of [getter, proxy]) {
    for (const error of await refusals(store, value)) t.match(error, { name: 'RangeError', message: 'no' })
  }
  t.equal(await store.bucket('b').count(), 1)
})

test('an object is read once: what is stored is what was checked', async t => {
  const store = await startStore(t)
  await store.defineBucket('b', anything)
  let reads = 0
  const extra = { get changing (): unknown { return ++reads === 1 ? 'first' : () => {} } }
  t.match(await store.bucket('b').insert({ id: 'a', extra }), { extra: { changing: 'first' } })
  const hidden = new Proxy({ a: 1 }, {})
  t.strictSame((await store.bucket('b').insert({ id: 'c', hidden }))['hidden'], { a: 1 })
  const shared = { n: 1 }
  const twice = await store.bucket('b').insert({ id: 'd', list: [shared, shared] })
  t.strictSame(twice['list'], [{ n: 1 }, { n: 1 }])
})

test('a value that a default makes is held to the same', async t => {
  const store = await startStore(t)
  await store.defineBucket('b', {
    key: 'id', schema: { id: { type: 'string' }, d: { type: 'object', default: () => new Map() } }
  })
  t.match(await rejection(store.bucket('b').insert({ id: 'a' })), {
    code: 'VALIDATOR',
    message: /The default of field "d" of bucket "b" gave a wrong value.* an instance of Map/
  })
})

test('bytes', async t => {
  t.test('a record of 1 MB is written, read, changed and deleted', async t => {
    const store = await startStore(t)
    await store.defineBucket('b', anything)
    const bucket = store.bucket('b')
    const text = 'x'.repeat(1_000_000)
    await bucket.insert({ id: 'a', text })
    await bucket.update('a', { list: Array.from({ length: 50_000 }, (_, i) => i) })
    t.equal((await bucket.get('a'))?.['text'], text)
    await store.transaction(async tx => { await (await tx.bucket('b')).update('a', { text: `${text}y` }) })
    const { bytes } = await store.getStats()
    t.ok(bytes.total > 1_250_000 && bytes.total < 1_350_000, `${bytes.total}`)
    await bucket.delete('a')
    t.equal((await store.getStats()).bytes.total, 0)
  })

  t.test('a record and an operation above their budget are refused by name, and nothing is done', async t => {
    const store = await startStore(t, { maxRecordBytes: 1_000, maxOperationBytes: 5_000 })
    await store.defineBucket('b', anything)
    const bucket = store.bucket('b')
    const big = 'x'.repeat(1_000)
    const half = 'x'.repeat(600)
    await bucket.insert({ id: 'a', half })
    const rows = Array.from({ length: 1_500 }, (_, i) => ({ id: `r${i}`, half }))
    for (const error of await Promise.all([
      bucket.insert({ id: 'b', big }), bucket.update('a', { big }), bucket.upsert({ id: 'b', big }),
      bucket.update('a', { other: `${half}${half}` }), bucket.insert({ id: 'b', deep: [[[{ big }]]] }),
      bucket.updateMany({}, { big })
    ].map(rejection))) {
      t.ok(error instanceof InputTooLargeError)
      t.match(error, { subject: 'record', limit: 1_000, message: /maxRecordBytes/ })
    }
    for (const error of await Promise.all([
      bucket.insertMany(rows.slice(0, 10)), bucket.insertMany(rows),
      store.transaction(async tx => {
        const own = await tx.bucket('b')
        for (const row of rows) await own.insert(row)
      }),
      store.transaction(async tx => {
        for (let i = 0; i < 100; i++) await (await tx.bucket('b')).update('a', { half })
        for (let i = 0; i < 100; i++) await (await tx.bucket('b')).update('a', { half: `${half}${i}` })
      })
    ].map(rejection))) {
      t.ok(error instanceof InputTooLargeError)
      t.match(error, { subject: 'operation', limit: 5_000, message: /maxOperationBytes/ })
    }
    await bucket.insertMany(rows.slice(0, 7))
    t.equal(await bucket.count(), 8)
    t.equal(store.revision, 3)
  })

  t.test('are estimated within 5 % for ASCII texts and whole numbers', async t => {
    const store = await startStore(t)
    await store.defineBucket('b', anything)
    let exact = 0
    for (let i = 0; i < 500; i++) {
      const record = await store.bucket('b').insert({
        id: `k${i}`,
        n: i * 997,
        neg: -i,
        flag: i % 2 === 0,
        none: null,
        tags: ['a', 'bc'],
        at: new Date(i * 1e9),
        o: { city: 'Brno', zip: 60200 + i, list: [1, 2, { x: 'y' }] },
        text: 'lorem ipsum '.repeat(i % 7)
      })
      exact += Buffer.byteLength(JSON.stringify(record))
    }
    const { bytes } = await store.getStats()
    const error = Math.abs(bytes.perBucket['b'] as number - exact) / exact
    t.ok(error < 0.05, `${error}`)
    await store.bucket('b').clear()
    const record = await store.bucket('b').insert({ id: 'a', text: '漢字'.repeat(1_000) })
    const ratio = Buffer.byteLength(JSON.stringify(record)) / (await store.getStats()).bytes.total
    t.ok(ratio > 2.5 && ratio <= 3, `${ratio}`)
  })

  t.test('a record does not outgrow its bound by many small updates', async t => {
    const writes: Array<(store: Store, changes: Record<string, unknown>) => Promise<unknown>> = [
      async (store, changes) => await store.bucket('b').update('a', changes),
      async (store, changes) => await store.bucket('b').updateMany({ id: 'a' }, changes),
      async (store, changes) => await store.bucket('b').upsert({ id: 'a', ...changes }),
      async (store, changes) => await store.transaction(async tx => {
        await (await tx.bucket('b')).update('a', changes)
      })
    ]
    for (const [i, write] of writes.entries()) {
      const store = await startStore(t, { maxRecordBytes: 10_000 })
      await store.defineBucket('b', anything)
      await store.bucket('b').insert({ id: 'a' })
      for (let n = 0; n < 15; n++) await write(store, { [`f${n}`]: 'x'.repeat(500) })
      t.match(await rejection((async () => {
        for (let n = 15; n < 40; n++) await write(store, { [`f${n}`]: 'x'.repeat(500) })
      })()), { name: 'InputTooLargeError', subject: 'record' }, `write ${i}`)
      t.ok(JSON.stringify(await store.bucket('b').get('a')).length < 10_500)
      await write(store, { f0: 'y'.repeat(500) })
      t.match(await store.bucket('b').get('a'), { f0: /^y+$/ }, 'one that does not grow it passes')
    }
  })

  t.test('quotas count records and bytes', async t => {
    const store = await startStore(t)
    await store.defineBucket('b', { ...anything, maxRecords: 2, maxBytes: 400 })
    const bucket = store.bucket('b')
    await bucket.insertMany([{ id: 'a' }, { id: 'b' }])
    t.match(await rejection(bucket.insert({ id: 'c' })), { name: 'QuotaExceededError', quota: 'maxRecords' })
    const text = 'x'.repeat(400)
    t.match(await rejection(bucket.update('a', { text })), { name: 'QuotaExceededError', quota: 'maxBytes' })
    await bucket.delete('a')
    await bucket.insert({ id: 'c' })
    t.equal(await bucket.count(), 2)
  })
})
