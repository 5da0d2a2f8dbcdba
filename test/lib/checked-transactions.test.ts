import { setImmediate } from 'node:timers/promises'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import {
  matchesFilter,
  type BucketDefinition, type BucketEvent, type Store, type TransactionBucketHandle,
  type TransactionContext, type WhereFilter
} from '@hamicek/noex-store'
import { StoreAccess } from '../../lib/store/store-access.js'
import { ReadIndex, TransactionReads } from '../../lib/store/transaction-reads.js'
import { startStore } from '../helper.js'
import { isThorough, sampled } from '../sampled.js'

type Write = (store: Store) => Promise<unknown>

const buckets: Readonly<Record<string, BucketDefinition>> = {
  accounts: {
    key: 'id',
    schema: { id: { type: 'string' }, balance: { type: 'number', min: 0 }, kind: { type: 'string' } },
    indexes: ['kind']
  },
  items: { key: 'id', schema: { id: { type: 'string', generated: 'uuid' }, name: { type: 'string' } } }
}

/** Opens a store with so many accounts, as the plugin does. */
async function setUp (t: Test, accounts: number): Promise<{ readonly store: Store }> {
  const store = await startStore(t)
  const access = StoreAccess.open(store)
  t.teardown(() => { access.close() })
  for (const [name, definition] of Object.entries(buckets)) await store.defineBucket(name, definition)
  const records = Array.from({ length: accounts }, (_, n) => ({
    id: `a${n}`,
    balance: 1_000_000,
    kind: 'open'
  }))
  await store.bucket('accounts').insertMany(records)
  return { store }
}

t.test(
  'A transaction of the application is checked, too, by all of its reads, and is not run again',
  async t => {
    const table: ReadonlyArray<
      readonly [title: string, work: (tx: TransactionContext) => Promise<unknown>, write: Write]
    > = [
      [
        'get',
        async tx => await (await tx.bucket('accounts')).get('a0'),
        store => store.bucket('accounts').update('a0', { balance: 5 })
      ],
      [
        'all',
        async tx => await (await tx.bucket('accounts')).all(),
        store => store.bucket('accounts').insert({ id: 'phantom' })
      ],
      [
        'where',
        async tx => await (await tx.bucket('accounts')).where({ kind: 'open' }),
        store => store.bucket('accounts').update('a1', { kind: 'x' })
      ],
      [
        'findOne',
        async tx => await (await tx.bucket('accounts')).findOne({ kind: 'none' }),
        store => store.bucket('accounts').update('a1', { kind: 'none' })
      ],
      [
        'count',
        async tx => await (await tx.bucket('accounts')).count(),
        store => store.bucket('accounts').delete('a1')
      ],
      [
        'upsert',
        async tx => await (await tx.bucket('accounts')).upsert({ id: 'a1', balance: 3 }),
        store => store.bucket('accounts').update('a1', { kind: 'x' })
      ],
      [
        'updateMany',
        async tx => await (await tx.bucket('accounts')).updateMany({ kind: 'x' }, { balance: 3 }),
        store => store.bucket('accounts').update('a1', { kind: 'x' })
      ],
      [
        'deleteMany',
        async tx => await (await tx.bucket('accounts')).deleteMany({ kind: 'x' }),
        store => store.bucket('accounts').update('a1', { kind: 'x' })
      ],
      [
        'another transaction',
        async tx => await (await tx.bucket('accounts')).get('a0'),
        store =>
          store.transaction(async tx => await (await tx.bucket('accounts')).update('a0', { balance: 8 }))
      ]
    ]
    for (const [title, work, write] of table) {
      const { store } = await setUp(t, 2)
      for (const isDisturbed of [false, true]) {
        let tries = 0
        const transaction = store.transaction(async tx => {
          tries++
          await work(tx)
          await (await tx.bucket('items')).insert({ name: title })
          if (isDisturbed) await write(store)
        })
        if (isDisturbed) {
          await t.rejects(transaction, { name: 'TransactionConflictError', bucket: 'accounts' }, title)
        } else {
          await transaction
        }
        t.equal(tries, 1)
      }
      t.equal(await store.bucket('items').count(), 1, 'only the one that was not disturbed has written')
    }
  }
)

t.test('Transactions of two buckets that cross never both count on what the other changes', async t => {
  const { store } = await setUp(t, 2)
  await store.bucket('items').insert({ id: 'on call', n: 2 })
  // Each takes one off as long as the other is there: together they must not take both.
  const leave = async (
    mine: string,
    other: string,
    bucket: string,
    otherBucket: string
  ): Promise<boolean> => {
    try {
      return await store.transaction(async tx => {
        const records = await (
          await tx.bucket(otherBucket)
        ).where({ id: other, kind: { $neq: 'off' } } as WhereFilter)
        await setImmediate()
        if (records.length === 0) return false
        await (await tx.bucket(bucket)).update(mine, { kind: 'off' })
        return true
      })
    } catch {
      return false
    }
  }
  const left = await Promise.all([
    leave('a0', 'on call', 'accounts', 'items'),
    leave('on call', 'a0', 'items', 'accounts')
  ])
  t.same(left.filter(Boolean).length, 1, `left: ${left}`)
})

t.test('What is written to one bucket and taken back because of another is no base for a commit', async t => {
  const { store } = await setUp(t, 1)
  await store.defineBucket('codes', {
    key: 'id',
    schema: { id: { type: 'string', generated: 'uuid' }, code: { type: 'string', unique: true } }
  })
  await store.bucket('codes').insert({ code: 'taken' })
  let dirty = 0
  for (let delay = 0; delay < 30; delay++) {
    const failing = store.transaction(async tx => {
      await (await tx.bucket('accounts')).update('a0', { balance: 1 })
      await (await tx.bucket('codes')).insert({ code: 'taken' })
    })
    const reading = store.transaction(async tx => {
      const accounts = await tx.bucket('accounts')
      for (let turn = 0; turn < delay; turn++) await Promise.resolve()
      const balance = (await accounts.get('a0'))?.['balance']
      if (balance === 1) dirty++
      await (await tx.bucket('items')).insert({ name: String(balance) })
    })
    await t.rejects(failing, { name: 'UniqueConstraintError' })
    await reading.catch(() => {})
  }
  t.ok(dirty > 0, `${dirty} transactions have seen what was taken back`)
  t.equal(await store.bucket('items').count({ name: '1' }), 0, 'and none of them was committed')
  t.ok(await store.bucket('items').count() > 0)
})

/** One access of a transaction, or a write without one. */
interface Access {
  readonly op: 'get' | 'count' | 'where' | 'update' | 'upsert' | 'delete' | 'pause'
  readonly key: string
  readonly kind: string
}

t.test(
  'Transactions have the same effects and results as one after the other, in the order of their commits',
  { timeout: 120_000 },
  async t => {
    const access: fc.Arbitrary<Access> = fc.record({
      op: fc.constantFrom('get', 'count', 'where', 'update', 'upsert', 'delete', 'pause'),
      key: fc.constantFrom('a', 'b', 'c', 'd'),
      kind: fc.constantFrom('x', 'y')
    })
    const program = fc.array(access, { minLength: 1, maxLength: 6 })
    const totals = { committed: 0, refused: 0 }
    const { store } = await setUp(t, 0)
    let runs = 0
    await fc.assert(
      fc.asyncProperty(
        fc.array(program, { minLength: 2, maxLength: 5 }),
        program,
        async (programs, writes) => {
          const bucket = `run ${++runs}`
          await store.defineBucket(bucket, {
            key: 'id',
            schema: { id: { type: 'string' }, kind: { type: 'string' } },
            indexes: ['kind']
          })
          const handle = store.bucket(bucket)
          await handle.insertMany([
            { id: 'a', kind: 'x' },
            { id: 'b', kind: 'y' }
          ])
          const model = new Map((await handle.all()).map(({ id, kind }) => [String(id), String(kind)]))
          /** The results that each transaction has read. */
          const seen = new Map<string, Array<readonly [access: Access, result: unknown]>>()
          const problems: string[] = []
          const stop = await store.on<BucketEvent>(`bucket.${bucket}.*`, event => {
            const key = String(event.key)
            if (key.startsWith('log ')) {
              // The first event of its transaction: the model is what it must have read.
              for (const [{ op, key: of, kind }, result] of seen.get(key) ?? []) {
                const found = [...model]
                  .filter(([, value]) => value === kind)
                  .map(([id]) => id)
                  .sort()
                const expected = op === 'get' ? model.get(of) : op === 'count' ? found.length : found
                if (JSON.stringify(result) !== JSON.stringify(expected)) {
                  problems.push(
                    `${key} ${op} ${of} ${kind}: ${JSON.stringify([result, expected])}`
                  )
                }
              }
            } else if (event.type === 'deleted') {
              model.delete(key)
            } else {
              model.set(key, String((event.type === 'inserted' ? event.record : event.newRecord)['kind']))
            }
          })
          const transactions = programs.map(async (steps, n) => {
            const log = `log ${n}`
            const reads: Array<readonly [Access, unknown]> = []
            seen.set(log, reads)
            /** Its own writes are not what others have written. */
            const touched = new Set<string>()
            try {
              await store.transaction(async tx => {
                const own = await tx.bucket(bucket)
                await own.insert({ id: log, kind: 'log' })
                for (const step of steps) {
                  const { op, key, kind } = step
                  const isPure = touched.size === 0
                  switch (op) {
                    case 'get':
                      if (!touched.has(key)) reads.push([step, (await own.get(key))?.['kind']])
                      break
                    case 'count':
                      if (isPure) reads.push([step, await own.count({ kind })])
                      break
                    case 'where':
                      if (isPure) {
                        reads.push([step, (await own.where({ kind })).map(({ id }) => String(id)).sort()])
                      }
                      break
                    case 'update':
                      if ((await own.get(key)) !== undefined) await own.update(key, { kind })
                      touched.add(key)
                      break
                    case 'upsert':
                      await own.upsert({ id: key, kind })
                      touched.add(key)
                      break
                    case 'delete':
                      if (!touched.has(key)) await own.delete(key)
                      touched.add(key)
                      break
                    case 'pause':
                      await (n % 2 === 0 ? setImmediate() : Promise.resolve())
                  }
                }
              })
              totals.committed++
            } catch {
              totals.refused++
            }
          })
          const direct = async (): Promise<void> => {
            for (const { op, key, kind } of writes) {
              // A commit publishes its events a moment later; until then the model does not know of it.
              await setImmediate()
              if (op === 'update' || op === 'upsert') await handle.upsert({ id: key, kind })
              else if (op === 'delete') await handle.delete(key)
            }
          }
          await Promise.all([...transactions, direct()])
          await stop()
          const left = (await handle.where({ kind: { $neq: 'log' } }))
            .map(({ id, kind }) => [String(id), String(kind)])
            .sort()
          await store.dropBucket(bucket)
          if (problems.length > 0) throw new Error(problems.join('; '))
          if (JSON.stringify(left) !== JSON.stringify([...model].sort())) {
            throw new Error('the store is not what its events say')
          }
        }
      ),
      { numRuns: sampled(1_000) }
    )
    t.ok(
      totals.committed > sampled(1_000) && totals.refused > sampled(100),
      `${totals.committed} committed, ${totals.refused} refused`
    )
  }
)

t.test(
  'In a transaction, an index answers as it does outside, and finds what the transaction has done',
  async t => {
    const { store } = await setUp(t, 0)
    await store
      .bucket('accounts')
      .insertMany([
        { id: 'a', kind: 'x', balance: 1 },
        { id: 'b', kind: 'y' },
        { id: 'c' },
        { id: 'd', kind: null, balance: 1 },
        { id: 'e', kind: 'x' }
      ])
    const filters: readonly WhereFilter[] = [
      {},
      { kind: 'x' },
      { kind: null },
      { kind: 'x', balance: 1 },
      { balance: 1, kind: null },
      { kind: { $in: ['x', 'y'] } },
      { $or: [{ kind: 'y' }, { id: 'c' }] },
      { kind: 'z' }
    ]
    const before: ReadonlyArray<(bucket: TransactionBucketHandle) => Promise<unknown>> = [
      async () => {},
      async bucket => {
        await bucket.insertMany([
          { id: 'f', kind: 'x' },
          { id: 'g', kind: null }
        ])
      },
      async bucket => {
        await bucket.delete('a')
        await bucket.insert({ id: 'f', kind: 'x' })
        await bucket.delete('f')
      },
      async bucket => {
        await bucket.update('a', { kind: 'z' })
        await bucket.update('c', { kind: 'x' })
      },
      async bucket => {
        await bucket.insert({ id: 'f', kind: 'y' })
        await bucket.update('f', { kind: 'x' })
        await bucket.deleteMany({ kind: 'y' })
      },
      async bucket => {
        await bucket.upsert({ id: 'f', kind: 'x' })
        await bucket.upsert({ id: 'a', kind: 'y' })
      },
      // Not waited for.
      async bucket => {
        bucket.insert({ id: 'f', kind: 'x' }).catch(() => {})
      }
    ]
    for (const write of before) {
      for (const filter of filters) {
        await t.rejects(
          store.transaction(async tx => {
            const bucket = await tx.bucket('accounts')
            await write(bucket)
            const [found, one, count] = await Promise.all([
              bucket.where(filter),
              bucket.findOne(filter),
              bucket.count(filter)
            ])
            const expected = (await bucket.all())
              .filter(record => matchesFilter(record, filter))
              .map(({ id }) => String(id))
            const title = `${JSON.stringify(filter)} after ${String(write)}`
            t.same(found.map(({ id }) => String(id)).sort(), expected.sort(), title)
            t.equal(count, expected.length, title)
            t.equal(one === undefined, expected.length === 0, title)
            if (one !== undefined) t.ok(expected.includes(String(one['id'])), title)
            throw new Error('enough')
          }),
          { message: 'enough' }
        )
      }
    }
    t.equal(await store.bucket('accounts').count(), 5)
  }
)

t.test('What is read when a transaction is over is not remembered', async t => {
  const index = new ReadIndex()
  const reads = new TransactionReads(index)
  reads.addBucket('before')
  reads.release()
  reads.addBucket('after')
  for (const bucket of ['before', 'after']) index.reset(bucket)
  t.doesNotThrow(() => { reads.check() })
  const others = new TransactionReads(index)
  others.addBucket('after')
  index.reset('after')
  t.throws(() => { others.check() }, { name: 'TransactionConflictError', bucket: 'after' })
})

t.test('In a transaction, a filter with an index does not cost what the bucket holds', async t => {
  const { store } = await setUp(t, 0)
  await store
    .bucket('accounts')
    .insertMany(Array.from({ length: isThorough ? 50_000 : 10_000 }, (_, n) => ({ id: `n${n}`, kind: `k${n}` })))
  const tries = 300
  const cost = async (filter: WhereFilter): Promise<number> => {
    const before = process.cpuUsage()
    await store.transaction(async tx => {
      const bucket = await tx.bucket('accounts')
      await bucket.insert({ id: 'mine', kind: 'k7' })
      for (let n = 0; n < tries; n++) await bucket.where(filter)
      await bucket.delete('mine')
    })
    const { user, system } = process.cpuUsage(before)
    return (user + system) / 1_000
  }
  const indexed = await cost({ kind: 'k7' })
  const scanned = await cost({ balance: 7 })
  t.ok(
    indexed < scanned / 20,
    `${tries} filters took ${indexed.toFixed(1)} ms by index, ${scanned.toFixed(1)} ms without`
  )
})
