import t from 'tap'
import type { Store } from '@hamicek/noex-store'
import { FakeRuleEngine } from '../support/fake-rule-engine.js'
import { serve } from '../support/service.js'
import { serveTransfers, transfer } from '../support/money-transfers.js'

/** Lets another writer in before the commit of each of the next `times` transactions. */
function interfere (store: Store, write: () => Promise<unknown>, times = 1): () => number {
  const transaction = store.transaction.bind(store)
  let tries = 0
  store.transaction = async (work, options) =>
    await transaction(async tx => {
      const result = await work(tx)
      if (tries++ < times) await write()
      return result
    }, options)
  return () => {
    store.transaction = transaction
    return tries
  }
}

type Write = (store: Store) => Promise<unknown>

/** Reads, each with writes of others that change its result and writes that do not. */
const reads: ReadonlyArray<readonly [read: object, changing: readonly Write[], others: readonly Write[]]> = [
  [
    { op: 'get', key: 'a0' },
    [
      store => store.bucket('accounts').update('a0', { balance: 1 }),
      store => store.bucket('accounts').delete('a0'),
      async store => {
        await store.bucket('accounts').delete('a0')
        await store.bucket('accounts').insert({ id: 'a0', balance: 9, kind: 'open' })
      },
      store => store.bucket('accounts').deleteMany({ kind: 'open' })
    ],
    [
      store => store.bucket('accounts').update('a1', { balance: 1 }),
      store => store.bucket('accounts').insert({ id: 'new' })
    ]
  ],
  [
    { op: 'get', key: 'none' },
    [store => store.bucket('accounts').insert({ id: 'none' })],
    [store => store.bucket('accounts').update('a0', { balance: 1 })]
  ],
  ...[
    { op: 'where' },
    { op: 'findOne' },
    { op: 'groupBy', field: 'kind', aggregate: { function: 'sum', field: 'balance' } }
  ].map(
    read =>
      [
        { ...read, filter: { kind: 'open', balance: { $lt: 2_000_000 } } },
        [
          (store: Store) => store.bucket('accounts').update('a1', { balance: 1 }),
          (store: Store) => store.bucket('accounts').update('a1', { kind: 'closed' }),
          (store: Store) => store.bucket('accounts').insert({ id: 'phantom', kind: 'open', balance: 1 }),
          (store: Store) => store.bucket('accounts').delete('a1')
        ],
        [
          (store: Store) => store.bucket('accounts').insert({ id: 'phantom', kind: 'closed', balance: 1 }),
          (store: Store) => store.bucket('items').insert({ name: 'x' })
        ]
      ] as const
  ),
  [
    { op: 'count', filter: { kind: 'open' } },
    [
      store => store.bucket('accounts').update('a1', { kind: 'closed' }),
      store => store.bucket('accounts').insert({ id: 'phantom', kind: 'open' })
    ],
    [store => store.bucket('accounts').update('a1', { balance: 1 })]
  ],
  [
    { op: 'count' },
    [store => store.bucket('accounts').insert({ id: 'phantom' })],
    [store => store.bucket('accounts').update('a1', { kind: 'closed' })]
  ],
  [
    { op: 'updateMany', filter: { kind: 'closed' }, data: { balance: 0 } },
    [store => store.bucket('accounts').update('a1', { kind: 'closed' })],
    [store => store.bucket('accounts').insert({ id: 'phantom', kind: 'open' })]
  ],
  [
    { op: 'deleteMany', filter: { kind: 'closed' } },
    [store => store.bucket('accounts').update('a1', { kind: 'closed' })],
    [store => store.bucket('accounts').insert({ id: 'phantom', kind: 'open' })]
  ],
  [
    { op: 'upsert', data: { id: 'none', kind: 'new' } },
    [store => store.bucket('accounts').insert({ id: 'none' })],
    [store => store.bucket('accounts').insert({ id: 'phantom' })]
  ],
  [
    { op: 'increment', key: 'a0', field: 'balance', by: 1 },
    [store => store.bucket('accounts').update('a0', { kind: 'closed' })],
    [store => store.bucket('accounts').update('a1', { balance: 1 })]
  ]
]

t.test(
  'A transaction is run again when something that it has read does not hold at its commit, and only then',
  async t => {
    for (const [read, changing, others] of reads) {
      for (const [writes, expected] of [
        [changing, 2],
        [others, 1]
      ] as const) {
        for (const write of writes) {
          const { connect, store } = await serveTransfers(t, 2)
          const client = await connect()
          const stop = interfere(store, () => write(store))
          const operations = [
            { bucket: 'accounts', ...read },
            { op: 'insert', bucket: 'items', data: { name: 'done' } }
          ]
          const reply = await client.request('store.transaction', { operations })
          t.equal(reply['type'], 'result', JSON.stringify(reply))
          t.equal(stop(), expected, `tries of ${JSON.stringify(read)} beside ${String(write)}`)
          t.equal(await client.ask('store.count', { bucket: 'items', filter: { name: 'done' } }), 1)
          if (
            expected === 2 &&
            ['get', 'where', 'count', 'groupBy'].includes(String((read as { op: string }).op))
          ) {
            const { op, ...fields } = read as { op: string }
            t.same(
              reply['data'].results[0].data,
              await client.ask(`store.${op}`, { bucket: 'accounts', ...fields }),
              'the reply shows the newer state'
            )
          }
        }
      }
    }
  }
)

t.test('A reference that a transaction has followed holds at its commit', async t => {
  const { connect, store } = await serveTransfers(t, 2)
  const client = await connect()
  const stop = interfere(store, () => store.bucket('accounts').delete('a0'))
  t.equal(
    await client.code('store.transaction', {
      operations: [{ op: 'insert', bucket: 'entries', data: { account: 'a0' } }]
    }),
    'VALIDATION_ERROR',
    'the account is gone'
  )
  stop()
  const stopAgain = interfere(store, () => store.bucket('entries').insert({ account: 'a1' }))
  t.equal(
    await client.code('store.transaction', { operations: [{ op: 'delete', bucket: 'accounts', key: 'a1' }] }),
    'CONFLICT',
    'an entry refers to the account'
  )
  stopAgain()
  t.match(await store.bucket('accounts').get('a1'), { id: 'a1' })
})

t.test(
  'Writes that do not matter to a transaction are no conflict: for a full bucket, for references',
  async t => {
    const { connect, store } = await serveTransfers(t, 2)
    await store.defineBucket('small', { key: 'id', schema: { id: { type: 'string' } }, maxSize: 3 })
    await store.bucket('small').insert({ id: 'old' })
    const client = await connect()
    const table: ReadonlyArray<readonly [entry: object, write: Write]> = [
      [
        { op: 'insert', bucket: 'small', data: { id: 'new' } },
        store => store.bucket('small').update('old', { n: 1 })
      ],
      [
        { op: 'delete', bucket: 'accounts', key: 'a0' },
        store => store.bucket('entries').insert({ account: 'a1' })
      ]
    ]
    for (const [entry, write] of table) {
      const stop = interfere(store, () => write(store))
      t.match(
        await client.request('store.transaction', { operations: [entry] }),
        { type: 'result' },
        JSON.stringify(entry)
      )
      t.equal(stop(), 1)
    }
  }
)

t.test('Who is always overtaken is told CONFLICT after ten tries, and nothing is written', async t => {
  const { connect, store } = await serveTransfers(t, 2)
  const client = await connect()
  await client.ask('procedures.register', { procedure: transfer })
  let n = 0
  const requests: ReadonlyArray<readonly [type: string, fields: object]> = [
    [
      'store.transaction',
      {
        operations: [
          { op: 'get', bucket: 'accounts', key: 'a0' },
          { op: 'insert', bucket: 'items', data: {} }
        ]
      }
    ],
    [
      'store.transaction',
      {
        operations: [
          { op: 'count', bucket: 'accounts', filter: { balance: { $gt: 0 } } },
          { op: 'get', bucket: 'accounts', key: 'a0' }
        ]
      }
    ],
    ['procedures.call', { name: 'transfer', input: { from: 'a0', to: 'a1', amount: 1 } }]
  ]
  for (const [type, fields] of requests) {
    const stop = interfere(store, () => store.bucket('accounts').update('a0', { balance: ++n }), Infinity)
    t.match(
      await client.request(type, fields),
      { code: 'CONFLICT', details: { bucket: 'accounts', key: 'a0' } },
      type
    )
    t.equal(stop(), 10)
  }
  t.equal(await store.bucket('items').count(), 0)
  t.equal(await store.bucket('entries').count(), 0)
  t.match(await store.bucket('accounts').get('a0'), { balance: n })
})

t.test('A version that the client expects is not looked for again', async t => {
  const { connect, store } = await serveTransfers(t, 1)
  const client = await connect()
  const stop = interfere(store, () => store.bucket('accounts').update('a0', { balance: 5 }))
  const operations = [
    { op: 'increment', bucket: 'accounts', key: 'a0', field: 'balance', by: 1, expectedVersion: 1 }
  ]
  t.match(await client.request('store.transaction', { operations }), {
    code: 'CONFLICT',
    details: { expectedVersion: 1, version: 2 }
  })
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
  engine.onEmit = (_topic, data) => {
    emitted.push(data)
  }
  await client.ask('procedures.register', {
    procedure: {
      name: 'tell',
      transaction: true,
      steps: [
        { action: 'store.get', bucket: 'items', key: 'a', as: 'item' },
        { action: 'rules.emit', topic: 'seen', data: { n: '{{ item.n }}' } },
        {
          action: 'store.increment',
          bucket: 'items',
          key: 'a',
          field: 'n',
          by: '{{ item.n }}',
          as: 'changed'
        },
        { action: 'return', value: '{{ changed.n }}' }
      ]
    }
  })
  const stop = interfere(store, () => store.bucket('items').update('a', { n: 10 }))
  t.match(await client.ask('procedures.call', { name: 'tell' }), { result: 20, results: { item: { n: 10 } } })
  t.equal(stop(), 2)
  t.same(emitted, [{ n: 10 }])
})
