import t, { type Test } from 'tap'
import { serveBuckets, type ServedClient } from '../support/service.js'

/** A bucket with a record for each value of `n`, all of one kind. */
async function withValues (t: Test, ...values: readonly unknown[]): Promise<ServedClient> {
  const served = await serveBuckets(t, { values: { key: 'id', schema: { id: { type: 'number' } } } })
  await served.store.bucket('values').insertMany(values.map((n, id) => ({ id, n, kind: 'a' })))
  return served
}

const overflow = { type: 'error', code: 'VALIDATION_ERROR', message: /overflows/ }

type Way = (setting: ServedClient, fn: string) => Promise<unknown>

/** The ways in which a field can be aggregated; each answers with the number, or with the error reply. */
const ways: ReadonlyArray<readonly [title: string, aggregate: Way]> = [
  [
    'the operation',
    async ({ client }, fn) => valueOf(await client.request(`store.${fn}`, { bucket: 'values', field: 'n' }))
  ],
  ['the operation with a filter', async ({ client }, fn) =>
    valueOf(await client.request(
      `store.${fn}`,
      { bucket: 'values', field: 'n', filter: { id: { $gte: 0 } } }
    ))],
  ['groupBy', async ({ client }, fn) =>
    valueOf(
      await client.request(
        'store.groupBy',
        { bucket: 'values', field: 'kind', aggregate: { function: fn, field: 'n' } }
      ),
      ([group]) => group.value
    )],
  ['groupBy in a transaction', async ({ client }, fn) =>
    valueOf(await client.request(
      'store.transaction',
      {
        operations: [{
          op: 'groupBy',
          bucket: 'values',
          field: 'kind',
          aggregate: { function: fn, field: 'n' }
        }]
      }
    ),
    ({ results }) => results[0].data[0].value)],
  ['a query', async ({ client, store }, fn) => {
    store.undefineQuery('q')
    store.defineDeclarativeQuery('q', { bucket: 'values', aggregate: { function: fn as 'sum', field: 'n' } })
    return valueOf(await client.request('store.query', { query: 'q' }))
  }],
  ['a query with a parameter', async ({ client, store }, fn) => {
    store.undefineQuery('q')
    store.defineDeclarativeQuery(
      'q',
      {
        bucket: 'values',
        filter: { id: { $gte: '{{ params.least }}' as never } },
        aggregate: { function: fn as 'sum', field: 'n' }
      }
    )
    return valueOf(await client.request('store.query', { query: 'q', params: { least: 0 } }))
  }],
  ['a grouping query', async ({ client, store }, fn) => {
    store.undefineQuery('q')
    store.defineDeclarativeQuery(
      'q',
      { bucket: 'values', aggregate: { function: fn as 'sum', field: 'n', groupBy: 'kind' } }
    )
    return valueOf(await client.request('store.query', { query: 'q' }), ([group]) => group.value)
  }],
  ['a query in code', async ({ client, store }, fn) => {
    store.undefineQuery('q')
    store.defineQuery('q', async context => await context.bucket('values')[fn as 'sum']('n'))
    return valueOf(await client.request('store.query', { query: 'q' }))
  }],
  ['a subscription to a query in code', async ({ client, store }, fn) => {
    store.undefineQuery('q')
    store.defineQuery('q', async context => await context.bucket('values')[fn as 'sum']('n', { kind: 'a' }))
    return valueOf(await client.request('store.subscribe', { query: 'q' }), ({ data }) => data)
  }],
  ['a subscription to groups in code', async ({ client, store }, fn) => {
    store.undefineQuery('q')
    store.defineQuery('q', async context =>
      await context.bucket('values').groupBy('kind', { function: fn as 'sum', field: 'n' }))
    return valueOf(await client.request('store.subscribe', { query: 'q' }), ({ data }) => data[0].value)
  }],
  ['a step of a procedure', async ({ client }, fn) => {
    const steps = [
      { action: 'store.where', bucket: 'values', filter: {}, as: 'all' },
      { action: 'aggregate', source: 'all', op: fn, field: 'n', as: 'it' }
    ]
    await client.request('procedures.unregister', { name: 'p' })
    await client.ask('procedures.register', { procedure: { name: 'p', steps } })
    return valueOf(await client.request('procedures.call', { name: 'p' }), ({ results }) => results.it)
  }]
]

function valueOf (reply: Readonly<Record<string, any>>, pick = (data: any): unknown => data): unknown {
  return reply['type'] === 'result' ? pick(reply['data']) : reply
}

const MAX = Number.MAX_VALUE

type Expected = Readonly<Record<string, unknown>>

const table: ReadonlyArray<readonly [values: readonly unknown[], expected: Expected]> = [
  [[1e308, 1e308], { sum: overflow, avg: 1e308, min: 1e308, max: 1e308 }],
  [[-1e308, -1e308, -1e308], { sum: overflow, avg: -1e308, min: -1e308, max: -1e308 }],
  [[1e308, 1e308, -1e308], { sum: 1e308, avg: 1e308 / 3, min: -1e308, max: 1e308 }],
  [[MAX, MAX, MAX], { sum: overflow, avg: MAX, min: MAX, max: MAX }],
  [[1, 2, 6], { sum: 9, avg: 3, min: 1, max: 6 }]
]

for (const [title, aggregate] of ways) {
  t.test(`A figure that does not fit into a number is not answered with null: ${title}`, async t => {
    for (const [values, expected] of table) {
      const setting = await withValues(t, ...values)
      for (const [fn, value] of Object.entries(expected)) {
        const found = await aggregate(setting, fn)
        if (typeof value === 'number') {
          t.ok(
            typeof found === 'number' && Math.abs(found - value) <= Math.abs(value) * 1e-15,
            `${fn} of ${values.join()} is about ${value}: ${found}`
          )
        } else t.match(found, value, `${fn} of ${values.join()}`)
      }
    }
  })
}

t.test('What is no number counts as none, and one that JSON does not have is no value', async t => {
  for (const value of [NaN, Infinity, -Infinity]) {
    await t.rejects(withValues(t, value), { name: 'ValidationError' }, 'the application is refused, too')
  }
  const setting = await withValues(t, 5, 3, 'x', null, true, undefined)
  for (const [title, aggregate] of ways) {
    if (title.startsWith('a step')) continue
    for (const [fn, value] of Object.entries({ sum: 8, avg: 4, min: 3, max: 5 })) {
      t.equal(
        await aggregate(setting, fn),
        value,
      `${fn} by ${title}`
      )
    }
  }
})

t.test('Of no numbers, the sum and the average are 0', async t => {
  const setting = await withValues(t, 'x', null)
  for (const [title, aggregate] of ways) {
    const none = /^(?:the operation|a query|a subscription to a query)/.test(title) ? null : 0
    for (const [fn, value] of Object.entries({ sum: 0, avg: 0, min: none, max: none })) {
      t.equal(
        await aggregate(setting, fn),
        value,
      `${fn} by ${title}`
      )
    }
  }
})

t.test('A live query tells an average whose sum overflows', async t => {
  const { client, store } = await withValues(t, 1e308)
  store.defineDeclarativeQuery('mean', { bucket: 'values', aggregate: { function: 'avg', field: 'n' } })
  const { subscriptionId, data } = await client.ask('store.subscribe', { query: 'mean' })
  t.equal(data, 1e308)
  await store.bucket('values').insert({ id: 7, n: 1.6e308 })
  t.match(await client.push(subscriptionId), { data: 1.3e308 })
})
