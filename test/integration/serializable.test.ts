import { setImmediate } from 'node:timers/promises'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { matchesFilter, type BucketDefinition, type BucketEvent, type Store, type StoreRecord, type TransactionBucketHandle, type TransactionContext, type WhereFilter } from '@hamicek/noex-store'
import type { Frame, TestClient } from '../client.js'
import { FakeRuleEngine } from '../fake-rule-engine.js'
import { serve, type Served } from '../helper.js'

const CLIENTS = 64

const buckets: Readonly<Record<string, BucketDefinition>> = {
  accounts: { key: 'id', schema: { id: { type: 'string' }, balance: { type: 'number', min: 0 }, kind: { type: 'string' } }, indexes: ['kind'] },
  entries: { key: 'id', schema: { id: { type: 'string', generated: 'uuid' }, account: { type: 'string', ref: 'accounts' }, amount: { type: 'number' } } }
}

async function setUp (t: Test, accounts: number): Promise<Served> {
  const served = await serve(t)
  for (const [name, definition] of Object.entries(buckets)) await served.store.defineBucket(name, definition)
  const records = Array.from({ length: accounts }, (_, n) => ({ id: `a${n}`, balance: 1_000_000, kind: 'open' }))
  await served.store.bucket('accounts').insertMany(records)
  return served
}

/** Reads two accounts, computes both balances, and writes them with an entry each. */
const transfer = {
  name: 'transfer',
  transaction: true,
  steps: [
    { action: 'store.get', bucket: 'accounts', key: '{{ input.from }}', as: 'from' },
    { action: 'store.get', bucket: 'accounts', key: '{{ input.to }}', as: 'to' },
    { action: 'compute', op: 'subtract', left: '{{ from.balance }}', right: '{{ input.amount }}', as: 'debited' },
    { action: 'compute', op: 'add', left: '{{ to.balance }}', right: '{{ input.amount }}', as: 'credited' },
    { action: 'store.update', bucket: 'accounts', key: '{{ input.from }}', data: { balance: '{{ debited }}' } },
    { action: 'store.update', bucket: 'accounts', key: '{{ input.to }}', data: { balance: '{{ credited }}' } },
    { action: 'store.insert', bucket: 'entries', data: { account: '{{ input.from }}', amount: -1 } },
    { action: 'store.insert', bucket: 'entries', data: { account: '{{ input.to }}', amount: 1 } }
  ]
}

/** Has writes wait for a change of the schema, so that all that wait go on in one tick and in step. */
async function changeSchemaUntil (isOver: () => boolean, admin: TestClient): Promise<void> {
  while (!isOver()) {
    await admin.ask('store.updateBucket', { name: 'items', updates: {} })
    await setImmediate()
  }
}

/** Calls `work` from each client in turn, and tells how many times it was answered with a result, and with which codes. */
async function hammer (clients: readonly TestClient[], rounds: number, work: (client: TestClient, n: number) => Promise<Frame>): Promise<Map<string, number>> {
  const answers = new Map<string, number>()
  await Promise.all(clients.map(async (client, n) => {
    for (let round = 0; round < rounds; round++) {
      const reply = await work(client, n * rounds + round)
      const answer = reply['code'] ?? 'ok'
      answers.set(answer, (answers.get(answer) ?? 0) + 1)
    }
  }))
  return answers
}

t.test('64 clients that move money between few accounts lose nothing, and none is told of a conflict', { timeout: 120_000 }, async t => {
  const { connect, store } = await setUp(t, 4)
  const admin = await connect()
  await admin.ask('procedures.register', { procedure: transfer })
  const clients = await Promise.all(Array.from({ length: CLIENTS }, () => connect()))
  let isOver = false
  const changing = changeSchemaUntil(() => isOver, admin)
  const answers = await hammer(clients, 30, async (client, n) => {
    const [from, to] = [`a${n % 4}`, `a${(n + 1 + n % 3) % 4}`]
    return await client.request('procedures.call', { name: 'transfer', input: { from, to, amount: 1 } })
  })
  isOver = true
  await changing
  t.same([...answers], [['ok', CLIENTS * 30]], 'each call was answered with its result')
  const moved = new Map<string, number>()
  for (const { account, amount } of await store.bucket('entries').all() as Array<StoreRecord & { account: string, amount: number }>) {
    moved.set(account, (moved.get(account) ?? 0) + amount)
  }
  const accounts = await store.bucket('accounts').all()
  for (const { id, balance } of accounts) t.equal(balance, 1_000_000 + (moved.get(String(id)) ?? 0), `the balance of ${String(id)} is what its entries say`)
  t.equal(await store.bucket('entries').count({ amount: 1 }), CLIENTS * 30, 'as many credits as calls')
  t.equal(await store.bucket('entries').count({ amount: -1 }), CLIENTS * 30, 'as many debits as calls')
})

t.test('64 clients that count in one record lose nothing', { timeout: 120_000 }, async t => {
  const { connect, store } = await setUp(t, 1)
  const admin = await connect()
  const clients = await Promise.all(Array.from({ length: CLIENTS }, () => connect()))
  let isOver = false
  const changing = changeSchemaUntil(() => isOver, admin)
  const answers = await hammer(clients, 20, async (client, n) => n % 2 === 0
    ? await client.request('store.increment', { bucket: 'accounts', key: 'a0', field: 'balance', by: 1 })
    : await client.request('store.transaction', {
      operations: [{ op: 'get', bucket: 'accounts', key: 'a0' }, { op: 'increment', bucket: 'accounts', key: 'a0', field: 'balance', by: 1 }]
    }))
  isOver = true
  await changing
  t.same([...answers], [['ok', CLIENTS * 20]])
  t.match(await store.bucket('accounts').get('a0'), { balance: 1_000_000 + CLIENTS * 20, _version: 1 + CLIENTS * 20 })
})

/** Lets another writer in after the last step of each of the next `times` transactions, before it is committed. */
function interfere (store: Store, write: () => Promise<unknown>, times = 1): () => number {
  const transaction = store.transaction.bind(store)
  let tries = 0
  store.transaction = async work => await transaction(async tx => {
    const result = await work(tx)
    if (tries++ < times) await write()
    return result
  })
  return () => {
    store.transaction = transaction
    return tries
  }
}

type Write = (store: Store) => Promise<unknown>

/** Reads, each with writes of others that change its result and writes that do not. */
const reads: ReadonlyArray<readonly [read: object, changing: readonly Write[], others: readonly Write[]]> = [
  [{ op: 'get', key: 'a0' }, [
    store => store.bucket('accounts').update('a0', { balance: 1 }),
    store => store.bucket('accounts').delete('a0'),
    async store => {
      await store.bucket('accounts').delete('a0')
      await store.bucket('accounts').insert({ id: 'a0', balance: 9, kind: 'open' })
    },
    store => store.bucket('accounts').deleteMany({ kind: 'open' })
  ], [
    store => store.bucket('accounts').update('a1', { balance: 1 }),
    store => store.bucket('accounts').insert({ id: 'new' })
  ]],
  [{ op: 'get', key: 'none' }, [store => store.bucket('accounts').insert({ id: 'none' })], [store => store.bucket('accounts').update('a0', { balance: 1 })]],
  ...[{ op: 'where' }, { op: 'findOne' }, { op: 'groupBy', field: 'kind', aggregate: { function: 'sum', field: 'balance' } }].map(read => [
    { ...read, filter: { kind: 'open', balance: { $lt: 2_000_000 } } }, [
      (store: Store) => store.bucket('accounts').update('a1', { balance: 1 }),
      (store: Store) => store.bucket('accounts').update('a1', { kind: 'closed' }),
      (store: Store) => store.bucket('accounts').insert({ id: 'phantom', kind: 'open', balance: 1 }),
      (store: Store) => store.bucket('accounts').delete('a1')
    ], [
      (store: Store) => store.bucket('accounts').insert({ id: 'phantom', kind: 'closed', balance: 1 }),
      (store: Store) => store.bucket('items').insert({ name: 'x' })
    ]
  ] as const),
  [{ op: 'count', filter: { kind: 'open' } }, [
    store => store.bucket('accounts').update('a1', { kind: 'closed' }),
    store => store.bucket('accounts').insert({ id: 'phantom', kind: 'open' })
  ], [store => store.bucket('accounts').update('a1', { balance: 1 })]],
  [{ op: 'count' }, [store => store.bucket('accounts').insert({ id: 'phantom' })], [store => store.bucket('accounts').update('a1', { kind: 'closed' })]],
  [{ op: 'updateMany', filter: { kind: 'closed' }, data: { balance: 0 } }, [store => store.bucket('accounts').update('a1', { kind: 'closed' })], [store => store.bucket('accounts').insert({ id: 'phantom', kind: 'open' })]],
  [{ op: 'deleteMany', filter: { kind: 'closed' } }, [store => store.bucket('accounts').update('a1', { kind: 'closed' })], [store => store.bucket('accounts').insert({ id: 'phantom', kind: 'open' })]],
  [{ op: 'upsert', data: { id: 'none', kind: 'new' } }, [store => store.bucket('accounts').insert({ id: 'none' })], [store => store.bucket('accounts').insert({ id: 'phantom' })]],
  [{ op: 'increment', key: 'a0', field: 'balance', by: 1 }, [store => store.bucket('accounts').update('a0', { kind: 'closed' })], [store => store.bucket('accounts').update('a1', { balance: 1 })]]
]

t.test('A transaction is run again when something that it has read does not hold at its commit, and only then', async t => {
  for (const [read, changing, others] of reads) {
    for (const [writes, expected] of [[changing, 2], [others, 1]] as const) {
      for (const write of writes) {
        const { connect, store } = await setUp(t, 2)
        const client = await connect()
        const stop = interfere(store, () => write(store))
        const operations = [{ bucket: 'accounts', ...read }, { op: 'insert', bucket: 'items', data: { name: 'done' } }]
        const reply = await client.request('store.transaction', { operations })
        t.equal(reply['type'], 'result', JSON.stringify(reply))
        t.equal(stop(), expected, `tries of ${JSON.stringify(read)} beside ${String(write)}`)
        t.equal(await client.ask('store.count', { bucket: 'items', filter: { name: 'done' } }), 1)
        if (expected === 2 && ['get', 'where', 'count', 'groupBy'].includes(String((read as { op: string }).op))) {
          const { op, ...fields } = read as { op: string }
          t.same(reply['data'].results[0].data, await client.ask(`store.${op}`, { bucket: 'accounts', ...fields }), 'the reply shows the newer state')
        }
      }
    }
  }
})

t.test('A reference that a transaction has followed holds at its commit', async t => {
  const { connect, store } = await setUp(t, 2)
  const client = await connect()
  const stop = interfere(store, () => store.bucket('accounts').delete('a0'))
  t.equal(await client.code('store.transaction', { operations: [{ op: 'insert', bucket: 'entries', data: { account: 'a0' } }] }), 'VALIDATION_ERROR', 'the account is gone')
  stop()
  const stopAgain = interfere(store, () => store.bucket('entries').insert({ account: 'a1' }))
  t.equal(await client.code('store.transaction', { operations: [{ op: 'delete', bucket: 'accounts', key: 'a1' }] }), 'CONFLICT', 'an entry refers to the account')
  stopAgain()
  t.match(await store.bucket('accounts').get('a1'), { id: 'a1' })
})

t.test('Writes that do not matter to a transaction are no conflict: for a full bucket, for references', async t => {
  const { connect, store } = await setUp(t, 2)
  await store.defineBucket('small', { key: 'id', schema: { id: { type: 'string' } }, maxSize: 3 })
  await store.bucket('small').insert({ id: 'old' })
  const client = await connect()
  const table: ReadonlyArray<readonly [entry: object, write: Write]> = [
    [{ op: 'insert', bucket: 'small', data: { id: 'new' } }, store => store.bucket('small').update('old', { n: 1 })],
    [{ op: 'delete', bucket: 'accounts', key: 'a0' }, store => store.bucket('entries').insert({ account: 'a1' })]
  ]
  for (const [entry, write] of table) {
    const stop = interfere(store, () => write(store))
    t.match(await client.request('store.transaction', { operations: [entry] }), { type: 'result' }, JSON.stringify(entry))
    t.equal(stop(), 1)
  }
})

t.test('Who is always overtaken is told CONFLICT after ten tries, and nothing is written', async t => {
  const { connect, store } = await setUp(t, 2)
  const client = await connect()
  await client.ask('procedures.register', { procedure: transfer })
  let n = 0
  const requests: ReadonlyArray<readonly [type: string, fields: object]> = [
    ['store.transaction', { operations: [{ op: 'get', bucket: 'accounts', key: 'a0' }, { op: 'insert', bucket: 'items', data: {} }] }],
    ['store.transaction', { operations: [{ op: 'count', bucket: 'accounts', filter: { balance: { $gt: 0 } } }, { op: 'get', bucket: 'accounts', key: 'a0' }] }],
    ['store.increment', { bucket: 'accounts', key: 'a0', field: 'balance', by: 1 }],
    ['procedures.call', { name: 'transfer', input: { from: 'a0', to: 'a1', amount: 1 } }]
  ]
  for (const [type, fields] of requests) {
    const stop = interfere(store, () => store.bucket('accounts').update('a0', { balance: ++n }), Infinity)
    t.match(await client.request(type, fields), { code: 'CONFLICT', details: { bucket: 'accounts', key: 'a0' } }, type)
    t.equal(stop(), 10)
  }
  t.equal(await store.bucket('items').count(), 0)
  t.equal(await store.bucket('entries').count(), 0)
  t.match(await store.bucket('accounts').get('a0'), { balance: n })
})

t.test('A version that the client expects is not looked for again', async t => {
  const { connect, store } = await setUp(t, 1)
  const client = await connect()
  const stop = interfere(store, () => store.bucket('accounts').update('a0', { balance: 5 }))
  const fields = { bucket: 'accounts', key: 'a0', field: 'balance', by: 1, expectedVersion: 1 }
  t.match(await client.request('store.increment', fields), { code: 'CONFLICT', details: { expectedVersion: 1, version: 2 } })
  stop()
  t.match(await store.bucket('accounts').get('a0'), { balance: 5 })
})

t.test('What a procedure would tell the rule engine is told once, by the try that is committed', async t => {
  const engine = new FakeRuleEngine()
  const served = await serve(t, { rules: engine })
  const { store } = served
  await store.bucket('items').insert({ id: 'a', n: 1 })
  const client = await served.connect()
  const emitted: unknown[] = []
  engine.onEmit = (_topic, data) => { emitted.push(data) }
  await client.ask('procedures.register', {
    procedure: {
      name: 'tell',
      transaction: true,
      steps: [
        { action: 'store.get', bucket: 'items', key: 'a', as: 'item' },
        { action: 'rules.emit', topic: 'seen', data: { n: '{{ item.n }}' } },
        { action: 'store.increment', bucket: 'items', key: 'a', field: 'n', by: '{{ item.n }}', as: 'changed' },
        { action: 'return', value: '{{ changed.n }}' }
      ]
    }
  })
  const stop = interfere(store, () => store.bucket('items').update('a', { n: 10 }))
  t.match(await client.ask('procedures.call', { name: 'tell' }), { result: 20, results: { item: { n: 10 } } })
  t.equal(stop(), 2)
  t.same(emitted, [{ n: 10 }])
})

t.test('A transaction of the application is checked, too, whatever it reads by, and is not run again', async t => {
  const table: ReadonlyArray<readonly [title: string, work: (tx: TransactionContext) => Promise<unknown>, write: Write]> = [
    ['get', async tx => await (await tx.bucket('accounts')).get('a0'), store => store.bucket('accounts').update('a0', { balance: 5 })],
    ['all', async tx => await (await tx.bucket('accounts')).all(), store => store.bucket('accounts').insert({ id: 'phantom' })],
    ['where', async tx => await (await tx.bucket('accounts')).where({ kind: 'open' }), store => store.bucket('accounts').update('a1', { kind: 'x' })],
    ['findOne', async tx => await (await tx.bucket('accounts')).findOne({ kind: 'none' }), store => store.bucket('accounts').update('a1', { kind: 'none' })],
    ['count', async tx => await (await tx.bucket('accounts')).count(), store => store.bucket('accounts').delete('a1')],
    ['upsert', async tx => await (await tx.bucket('accounts')).upsert({ id: 'a1', balance: 3 }), store => store.bucket('accounts').update('a1', { kind: 'x' })],
    ['updateMany', async tx => await (await tx.bucket('accounts')).updateMany({ kind: 'x' }, { balance: 3 }), store => store.bucket('accounts').update('a1', { kind: 'x' })],
    ['deleteMany', async tx => await (await tx.bucket('accounts')).deleteMany({ kind: 'x' }), store => store.bucket('accounts').update('a1', { kind: 'x' })],
    ['another transaction', async tx => await (await tx.bucket('accounts')).get('a0'), store => store.transaction(async tx => await (await tx.bucket('accounts')).update('a0', { balance: 8 }))]
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
      if (isDisturbed) await t.rejects(transaction, { name: 'TransactionConflictError', bucket: 'accounts' }, title)
      else await transaction
      t.equal(tries, 1)
    }
    t.equal(await store.bucket('items').count(), 1, 'only the one that was not disturbed has written')
  }
})

t.test('Transactions of two buckets that cross never both count on what the other changes', async t => {
  const { store } = await setUp(t, 2)
  await store.bucket('items').insert({ id: 'on call', n: 2 })
  // Each takes one off as long as the other is there: together they must not take both.
  const leave = async (mine: string, other: string, bucket: string, otherBucket: string): Promise<boolean> => {
    try {
      return await store.transaction(async tx => {
        const records = await (await tx.bucket(otherBucket)).where({ id: other, kind: { $neq: 'off' } } as WhereFilter)
        await setImmediate()
        if (records.length === 0) return false
        await (await tx.bucket(bucket)).update(mine, { kind: 'off' })
        return true
      })
    } catch {
      return false
    }
  }
  const left = await Promise.all([leave('a0', 'on call', 'accounts', 'items'), leave('on call', 'a0', 'items', 'accounts')])
  t.same(left.filter(Boolean).length, 1, `left: ${left}`)
})

/** One access of a transaction, or a write without one. */
interface Access {
  readonly op: 'get' | 'count' | 'where' | 'update' | 'upsert' | 'delete' | 'pause'
  readonly key: string
  readonly kind: string
}

t.test('Transactions have the same effects and results as one after the other, in the order of their commits', { timeout: 120_000 }, async t => {
  const access: fc.Arbitrary<Access> = fc.record({
    op: fc.constantFrom('get', 'count', 'where', 'update', 'upsert', 'delete', 'pause'),
    key: fc.constantFrom('a', 'b', 'c', 'd'),
    kind: fc.constantFrom('x', 'y')
  })
  const program = fc.array(access, { minLength: 1, maxLength: 6 })
  const totals = { committed: 0, refused: 0 }
  const { store } = await setUp(t, 0)
  let runs = 0
  await fc.assert(fc.asyncProperty(fc.array(program, { minLength: 2, maxLength: 5 }), program, async (programs, writes) => {
    const bucket = `run ${++runs}`
    await store.defineBucket(bucket, { key: 'id', schema: { id: { type: 'string' }, kind: { type: 'string' } }, indexes: ['kind'] })
    const handle = store.bucket(bucket)
    await handle.insertMany([{ id: 'a', kind: 'x' }, { id: 'b', kind: 'y' }])
    const model = new Map((await handle.all()).map(({ id, kind }) => [String(id), String(kind)]))
    /** What each transaction has read, and what that would be of the model. */
    const seen = new Map<string, Array<readonly [access: Access, result: unknown]>>()
    const problems: string[] = []
    const stop = await store.on<BucketEvent>(`bucket.${bucket}.*`, event => {
      const key = String(event.key)
      if (key.startsWith('log ')) {
        // The first event of its transaction: the model is what it must have read.
        for (const [{ op, key: of, kind }, result] of seen.get(key) ?? []) {
          const found = [...model].filter(([, value]) => value === kind).map(([id]) => id).sort()
          const expected = op === 'get' ? model.get(of) : op === 'count' ? found.length : found
          if (JSON.stringify(result) !== JSON.stringify(expected)) problems.push(`${key} ${op} ${of} ${kind}: ${JSON.stringify(result)} instead of ${JSON.stringify(expected)}`)
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
              case 'get': if (!touched.has(key)) reads.push([step, (await own.get(key))?.['kind']]); break
              case 'count': if (isPure) reads.push([step, await own.count({ kind })]); break
              case 'where': if (isPure) reads.push([step, (await own.where({ kind })).map(({ id }) => String(id)).sort()]); break
              case 'update': if (await own.get(key) !== undefined) await own.update(key, { kind }); touched.add(key); break
              case 'upsert': await own.upsert({ id: key, kind }); touched.add(key); break
              case 'delete': if (!touched.has(key)) await own.delete(key); touched.add(key); break
              case 'pause': await (n % 2 === 0 ? setImmediate() : Promise.resolve())
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
        if (op === 'update' || op === 'upsert') await handle.upsert({ id: key, kind })
        else if (op === 'delete') await handle.delete(key)
        else await setImmediate()
      }
    }
    await Promise.all([...transactions, direct()])
    await stop()
    const left = (await handle.where({ kind: { $neq: 'log' } })).map(({ id, kind }) => [String(id), String(kind)]).sort()
    await store.dropBucket(bucket)
    if (problems.length > 0) throw new Error(problems.join('; '))
    if (JSON.stringify(left) !== JSON.stringify([...model].sort())) throw new Error('the store is not what its events say')
  }), { numRuns: 1_000 })
  t.ok(totals.committed > 1_000 && totals.refused > 100, `${totals.committed} committed, ${totals.refused} refused`)
})

t.test('In a transaction, an index answers as it does outside, and finds what the transaction has done', async t => {
  const { store } = await setUp(t, 0)
  await store.bucket('accounts').insertMany([
    { id: 'a', kind: 'x', balance: 1 }, { id: 'b', kind: 'y' }, { id: 'c' }, { id: 'd', kind: null, balance: 1 }, { id: 'e', kind: 'x' }
  ])
  const filters: readonly WhereFilter[] = [
    {}, { kind: 'x' }, { kind: null }, { kind: 'x', balance: 1 }, { balance: 1, kind: null },
    { kind: { $in: ['x', 'y'] } }, { $or: [{ kind: 'y' }, { id: 'c' }] }, { kind: 'z' }
  ]
  const before: ReadonlyArray<(bucket: TransactionBucketHandle) => Promise<unknown>> = [
    async () => {},
    async bucket => { await bucket.insertMany([{ id: 'f', kind: 'x' }, { id: 'g', kind: null }]) },
    async bucket => { await bucket.delete('a'); await bucket.insert({ id: 'f', kind: 'x' }); await bucket.delete('f') },
    async bucket => { await bucket.update('a', { kind: 'z' }); await bucket.update('c', { kind: 'x' }) },
    async bucket => { await bucket.insert({ id: 'f', kind: 'y' }); await bucket.update('f', { kind: 'x' }); await bucket.deleteMany({ kind: 'y' }) },
    async bucket => { await bucket.upsert({ id: 'f', kind: 'x' }); await bucket.upsert({ id: 'a', kind: 'y' }) },
    // Not waited for.
    async bucket => { bucket.insert({ id: 'f', kind: 'x' }).catch(() => {}) }
  ]
  for (const write of before) {
    for (const filter of filters) {
      await t.rejects(store.transaction(async tx => {
        const bucket = await tx.bucket('accounts')
        await write(bucket)
        const [found, one, count] = await Promise.all([bucket.where(filter), bucket.findOne(filter), bucket.count(filter)])
        const expected = (await bucket.all()).filter(record => matchesFilter(record, filter)).map(({ id }) => String(id))
        const title = `${JSON.stringify(filter)} after ${String(write)}`
        t.same(found.map(({ id }) => String(id)).sort(), expected.sort(), title)
        t.equal(count, expected.length, title)
        t.equal(one === undefined, expected.length === 0, title)
        if (one !== undefined) t.ok(expected.includes(String(one['id'])), title)
        throw new Error('enough')
      }), { message: 'enough' })
    }
  }
  t.equal(await store.bucket('accounts').count(), 5)
})

t.test('In a transaction, a filter with an index does not cost what the bucket holds', async t => {
  const { store } = await setUp(t, 0)
  await store.bucket('accounts').insertMany(Array.from({ length: 50_000 }, (_, n) => ({ id: `n${n}`, kind: `k${n}` })))
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
  t.ok(indexed < scanned / 20, `${tries} filters took ${indexed.toFixed(1)} ms by index, ${scanned.toFixed(1)} ms without`)
})
