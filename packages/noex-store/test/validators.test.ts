import { setTimeout as delay } from 'node:timers/promises'
import { test } from 'tap'
import {
  TransactionConflictError, ValidationError, ValidatorError, type BucketDefinition, type Store,
  type StoreOptions
} from '../src/index.js'
import { rejection, startStore } from './support/store.js'

type Validate = (value: unknown, record: Record<string, unknown>) => unknown

const unhandled: unknown[] = []
process.on('unhandledRejection', reason => { unhandled.push(reason) })

/** Starts a store whose bucket `b` has a validator of field `n`. */
async function withValidator (
  t: Parameters<typeof startStore>[0], validate: Validate, options: StoreOptions = {}
): Promise<Store> {
  const store = await startStore(t, { validatorTimeoutMs: 100, ...options })
  await store.defineBucket('b', {
    key: 'id',
    schema: {
      id: { type: 'string' },
      n: { type: 'number', validate: validate as never },
      x: { type: 'number' }
    }
  })
  return store
}

const later = async (value: unknown): Promise<string | undefined> => {
  await delay(1)
  return (value as number) < 0 ? 'is negative' : undefined
}

test('an asynchronous validator is waited for by every write', async t => {
  const store = await withValidator(t, later)
  const bucket = store.bucket('b')
  const many = (n: number): Array<Record<string, unknown>> =>
    Array.from({ length: 2_500 }, (_, i) => ({ id: `m${i}`, n: i === 2_400 ? n : i }))
  await bucket.insert({ id: 'a', n: 1 })
  const refused = [
    bucket.insert({ id: 'b', n: -1 }), bucket.update('a', { n: -1 }), bucket.upsert({ id: 'a', n: -1 }),
    bucket.upsert({ id: 'c', n: -1 }), bucket.insertMany([{ id: 'd', n: 1 }, { id: 'e', n: -1 }]),
    bucket.insertMany(many(-1)), bucket.updateMany({ id: 'a' }, { n: -1 }),
    ...[
      async (tx: Awaited<ReturnType<typeof store.bucket>>) => { await tx.insert({ id: 't', n: -1 }) },
      async (tx: Awaited<ReturnType<typeof store.bucket>>) => { await tx.insertMany([{ id: 't', n: -1 }]) },
      async (tx: Awaited<ReturnType<typeof store.bucket>>) => { await tx.update('a', { n: -1 }) },
      async (tx: Awaited<ReturnType<typeof store.bucket>>) => { await tx.updateMany({}, { n: -1 }) },
      async (tx: Awaited<ReturnType<typeof store.bucket>>) => { await tx.upsert({ id: 'a', n: -1 }) }
    ].map(async run => await store.transaction(async tx => {
      await tx.bucket('b').then(async handle => { await run(handle as never) })
    }))
  ]
  for (const error of await Promise.all(refused.map(rejection))) {
    t.ok(error instanceof ValidationError)
    t.match(error.message, /n: is negative/)
  }
  t.match(await bucket.all(), [{ id: 'a', n: 1, _version: 1 }])
  t.equal(store.revision, 2)
  await bucket.insertMany(many(1))
  t.equal(await bucket.updateMany({ n: { $gt: 1 } }, { n: 3 }), 2_497)
  await store.transaction(async tx => {
    const own = await tx.bucket('b')
    await Promise.all([own.update('a', { n: 2 }), own.update('a', { x: 1 })])
  })
  t.match(await bucket.get('a'), { n: 2, x: 1 })
})

test('while it is waited for', async t => {
  t.test('others write, and what they have changed is planned anew', async t => {
    let calls = 0
    const store = await withValidator(t, async () => {
      calls++
      await delay(5)
      return undefined
    })
    const bucket = store.bucket('b')
    await bucket.insert({ id: 'a', x: 0 })
    const slow = bucket.update('a', { n: 1 })
    await bucket.update('a', { x: 7 })
    t.match(await bucket.get('a'), { x: 7, _version: 2 })
    t.match(await slow, { n: 1, x: 7, _version: 3 })
    t.equal(calls, 2)
    const many = bucket.updateMany({}, { n: 2 })
    await bucket.insert({ id: 'b', x: 1 })
    t.equal(await many, 2)
    const insert = bucket.insert({ id: 'c', n: 1 })
    await bucket.insert({ id: 'c' })
    t.match(await rejection(insert), { code: 'RECORD_EXISTS' })
    const again = bucket.insert({ id: 'd', n: 1 })
    await bucket.insert({ id: 'd' })
    await bucket.delete('d')
    t.match(await again, { _version: 2 })
    const gone = bucket.update('d', { n: 3 })
    await bucket.delete('d')
    t.match(await rejection(gone), { code: 'RECORD_NOT_FOUND' })
    const versioned = bucket.update('a', { n: 3 }, { expectedVersion: 4 })
    await bucket.update('a', { n: null, x: 8 })
    t.ok(await rejection(versioned) instanceof TransactionConflictError)
  })

  t.test('a bucket that is updated or dropped is the one that counts', async t => {
    const store = await withValidator(t, later)
    const bucket = store.bucket('b')
    const insert = bucket.insert({ id: 'a', n: 1 })
    await store.updateBucket('b', { addFields: { y: { type: 'number', default: 5 } } })
    t.match(await insert, { y: 5 })
    const many = bucket.insertMany([{ id: 'b', n: 1 }])
    await store.dropBucket('b')
    t.match(await rejection(many), { name: 'BucketNotDefinedError' })
  })

  t.test('a write that is always overtaken ends in a conflict', async t => {
    let x = 0
    const store: Store = await withValidator(t, async () => {
      await store.bucket('b').update('a', { n: null, x: ++x })
    })
    await store.bucket('b').insert({ id: 'a' })
    t.ok(await rejection(store.bucket('b').update('a', { n: 1 })) instanceof TransactionConflictError)
    t.equal(x, 10)
  })
})

test('a validator that does wrong refuses its write, names itself and holds up no other', async t => {
  const trap = {
    get then (): never { throw new Error('trap') }
  }
  const wrong: ReadonlyArray<readonly [title: string, validate: Validate, message: RegExp, name?: string]> = [
    ['throws', () => { throw new TypeError('own') }, /^own$/, 'TypeError'],
    ['rejects', async () => { throw new TypeError('own') }, /^own$/, 'TypeError'],
    [
      'never settles', async () => await new Promise(() => {}),
      /validator of field "n" of bucket "b" has not settled within 100 ms/
    ],
    ['is a thenable that never settles', () => ({ then () {} }), /has not settled/],
    ['is a thenable that throws', () => ({ then () { throw new TypeError('own') } }), /^own$/, 'TypeError'],
    ['cannot be looked at', () => trap, /^trap$/, 'Error'],
    [
      'returns a boolean',
      () => false,
      /field "n" of bucket "b" must return undefined or a text of .*, got bool/
    ],
    ['resolves with a boolean', async () => true, /must return undefined or a text of .*, got boolean/],
    ['returns a number', () => 1, /got number/],
    ['resolves with a list', async () => ['x'], /got array/]
  ]
  for (const [title, validate, message, name = 'ValidatorError'] of wrong) {
    await t.test(title, async t => {
      const store = await withValidator(t, validate)
      const refused = rejection(store.bucket('b').insert({ id: 'a', n: 1 }))
      await store.bucket('b').insert({ id: 'free' })
      const error = await refused
      t.match(error.message, message)
      t.equal(error.name, name)
      t.equal(await store.bucket('b').count(), 1)
    })
  }

  t.test('a wrong one of a whole record', async t => {
    for (const answer of ['text', [1], true, Promise.resolve('text')]) {
      const store = await startStore(t)
      const definition: BucketDefinition = {
        key: 'id', schema: { id: { type: 'string' } }, validate: () => answer as never
      }
      await store.defineBucket('b', definition)
      const error = await rejection(store.bucket('b').insert({ id: 'a' }))
      t.ok(error instanceof ValidatorError)
      t.match(error.message, /must return undefined or at most 250 texts/)
    }
  })

  t.test('writes to the store itself without an end', async t => {
    let count = 0
    const store: Store = await withValidator(t, async () => {
      await store.bucket('b').insert({ id: `${++count}`, n: 1 })
    })
    const error = await rejection(store.bucket('b').insert({ id: 'a', n: 1 }))
    t.match(error, { name: 'ValidatorError', message: /writes to the store in a loop/ })
    t.equal(await store.bucket('b').count(), 0)

    const slow: Store = await withValidator(t, async () => {
      await undefined
      await slow.bucket('b').insert({ id: `${++count}`, n: 1 })
    }, { validatorTimeoutMs: 10_000 })
    const loop = await rejection(slow.bucket('b').insert({ id: 'a', n: 1 }))
    t.match(loop, { name: 'ValidatorError', message: /10000 answers are waited for/ })
    t.equal(await slow.bucket('b').count(), 0)
  })

  t.test('a default that is a thenable is refused by name', async t => {
    for (const value of [Promise.reject(new Error('x')), { then () {} }]) {
      const store = await startStore(t)
      const schema = { id: { type: 'string' }, d: { type: 'object', default: () => value } } as const
      await store.defineBucket('b', { key: 'id', schema })
      t.match(
        await rejection(store.bucket('b').insert({ id: 'a' })),
        { name: 'ValidatorError', message: /default of field "d" of bucket .* is asynchronous/ }
      )
    }
  })

  t.test('an asynchronous one cannot be waited for by a delete that takes a reference away', async t => {
    const store = await withValidator(t, later)
    await store.defineBucket('of', {
      key: 'id',
      schema: { id: { type: 'string' }, ref: { type: 'string', ref: 'b', onDelete: 'set_null' } },
      validate: async () => undefined
    })
    await store.bucket('b').insert({ id: 'a' })
    await store.bucket('of').insert({ id: 'x', ref: 'a' })
    const error = await rejection(store.bucket('b').delete('a'))
    t.match(error, { name: 'ValidatorError', message: /validator of bucket "of" is asynchronous/ })
    t.equal(await store.bucket('b').count(), 1)
  })

  await delay(20)
  t.strictSame(unhandled, [])
})
