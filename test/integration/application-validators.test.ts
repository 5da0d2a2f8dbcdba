import { setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { BucketDefinition, FieldDefinition, Store } from '@hamicek/noex-store'
import type { TestClient } from '../support/client.js'
import { serve, startStore } from '../support/service.js'
import { watchUncaughtErrors } from '../support/uncaught-errors.js'
import { logText } from '../support/log-into.js'

const uncaught = watchUncaughtErrors(t)

type Callback = (...args: unknown[]) => unknown

/** Where the application can put a function into the definition of a bucket. */
const places: Readonly<Record<string, (callback: Callback) => Partial<BucketDefinition>>> = {
  'the validator of bucket "guarded"': callback => ({
    validate: callback as NonNullable<BucketDefinition['validate']>
  }),
  'the validator of field "n" of bucket "guarded"': callback => ({
    schema: { n: { type: 'number', validate: callback as NonNullable<FieldDefinition['validate']> } }
  }),
  'the validator of field "o.deep" of bucket "guarded"': callback => ({
    schema: {
      o: {
        type: 'object',
        properties: {
          deep: { type: 'number', validate: callback as NonNullable<FieldDefinition['validate']> }
        }
      }
    }
  }),
  'the validator of field "list[0]" of bucket "guarded"': callback => ({
    schema: {
      list: {
        type: 'array',
        items: { type: 'number', validate: callback as NonNullable<FieldDefinition['validate']> }
      }
    }
  }),
  'the default of field "d" of bucket "guarded"': callback => ({
    schema: { d: { type: 'object', default: callback } }
  })
}

const cyclic: Record<string, unknown> = {}
cyclic['self'] = cyclic

/** Mistakes of functions, and what the log must say of each, but for what they throw themselves. */
const wrong: Readonly<Record<string, readonly [callback: Callback, said: RegExp, isNamed?: boolean]>> = {
  'throws at once': [
    () => {
      throw new Error('a secret')
    },
    /a secret/,
    false
  ],
  'throws nothing': [
    () => {
      const nothing: unknown = undefined
      throw nothing
    },
    /failed/,
    false
  ],
  'is async and rejects': [
    async () => {
      throw new Error('a secret')
    },
    /a secret| is asynchronous/,
    false
  ],
  'is async and never ends': [
    async () => await new Promise(() => {}), / has not settled within 20 ms| is asynchronous/
  ],
  'returns a trap': [
    () => ({
      get then () {
        throw new Error('a secret')
      }
    }),
    /a secret/,
    false
  ],
  'returns a cycle': [() => cyclic, / must return undefined/],
  'returns a BigInt': [() => 1n, / must return undefined/],
  'returns a function': [() => () => {}, / must return undefined/],
  'returns far too much': [() => ['x'.repeat(2 ** 21)], / must return undefined/]
}

interface Setting {
  readonly store: Store
  readonly client: TestClient
  readonly logged: () => string
}

/** Serves the bucket `guarded`, defined before or after the plugin was there, with one record. */
async function setUp (t: Test, place: string, callback: Callback, isEarly: boolean): Promise<Setting> {
  const store = await startStore(t, { validatorTimeoutMs: 20 })
  let isOn = false
  const definition = places[place]?.((...args) => (isOn ? callback(...args) : undefined))
  const define = async (): Promise<void> => {
    await store.defineBucket('guarded', {
      key: 'id',
      ...definition,
      schema: {
        id: { type: 'string' },
        other: { type: 'string' },
        ref: { type: 'string', ref: 'items', onDelete: 'set_null' },
        ...definition?.schema
      }
    })
    await store.bucket('guarded').insert(record)
  }
  const { logger, logged } = logText()
  const { connect } = await serve(
    t,
    {},
    {
      store,
      fastify: { logger },
      async before () {
        await store.bucket('items').insert({ id: 'target' })
        if (isEarly) await define()
      }
    }
  )
  if (!isEarly) await define()
  isOn = true
  return { store, client: await connect(), logged }
}

const record = { id: 'here', n: 1, o: { deep: 1 }, list: [1], d: {}, ref: 'target' }
const fresh = { id: 'fresh', n: 2, o: { deep: 2 }, list: [2] }

const entries: ReadonlyArray<readonly [entry: object, isNew: boolean]> = [
  [{ op: 'insert', data: fresh }, true],
  [{ op: 'insertMany', data: [fresh] }, true],
  [{ op: 'upsert', data: fresh }, true],
  [{ op: 'upsert', data: { id: 'here' } }, false],
  [{ op: 'update', key: 'here', data: {} }, false],
  [{ op: 'updateMany', filter: {}, data: {} }, false],
  [{ op: 'increment', key: 'here', field: 'n', by: 1 }, false]
]

/** Every way to write a record. A default is asked for by those that make one only. */
const writes: ReadonlyArray<readonly [type: string, fields: object, isNew: boolean]> = [
  ['store.insert', { data: fresh }, true],
  ['store.insertMany', { data: [{ ...fresh, id: 'first' }, fresh] }, true],
  ['store.upsert', { data: fresh }, true],
  ['store.upsert', { data: { ...fresh, id: 'here' } }, false],
  ['store.update', { key: 'here', data: { other: 'x' } }, false],
  ['store.updateMany', { filter: {}, data: { other: 'x' } }, false],
  ['store.increment', { key: 'here', field: 'n', by: 1 }, false],
  ...entries.map(
    ([entry, isNew]) =>
      [
        'store.transaction',
        {
          operations: [
            { bucket: 'items', op: 'insert', data: {} },
            { bucket: 'guarded', ...entry }
          ]
        },
        isNew
      ] as const
  ),
  ['store.delete', { bucket: 'items', key: 'target' }, false],
  ['store.deleteMany', { bucket: 'items', filter: {} }, false],
  ['procedures.call', { name: 'insert' }, true],
  ['procedures.call', { name: 'insert as a whole' }, true]
]

for (const [place] of Object.entries(places)) {
  t.test(`${place} does wrong`, async t => {
    for (const [index, [title, [callback, said, isNamed = true]]] of Object.entries(wrong).entries()) {
      // The value of a default is checked like one of the client.
      if (place.includes('default') && title.startsWith('returns')) continue
      await t.test(title, async t => {
        const { store, client, logged } = await setUp(t, place, callback, index % 2 === 0)
        const step = { action: 'store.insert', bucket: 'guarded', data: fresh }
        for (const [name, transaction] of [
          ['insert', false],
          ['insert as a whole', true]
        ] as const) {
          await client.ask('procedures.register', { procedure: { name, transaction, steps: [step] } })
        }
        const before = await Promise.all(['guarded', 'items'].map(bucket => store.bucket(bucket).all()))
        for (const [type, fields, isNew] of writes) {
          if (place.includes('default') && !isNew) continue
          const reply = await client.request(type, { bucket: 'guarded', ...fields })
          t.match(
            reply,
            { type: 'error', code: 'INTERNAL_ERROR' },
            `${type} ${JSON.stringify(fields)}: ${JSON.stringify(reply).slice(0, 200)}`
          )
          t.notMatch(JSON.stringify(reply), /secret/)
        }
        t.same(
          await Promise.all(['guarded', 'items'].map(bucket => store.bucket(bucket).all())),
          before,
          'nothing was written'
        )
        t.match(logged(), said)
        if (isNamed) {
          t.ok(
            logged().toLowerCase().includes(place.replaceAll('"', '\\"').toLowerCase()),
            'the log names the function'
          )
        }
        t.ok(await client.ask('store.insert', { bucket: 'items', data: {} }), 'the connection goes on')
      })
    }
  })
}

t.test('an asynchronous validator is waited for', async t => {
  const { store, connect } = await serve(t)
  await store.defineBucket('slow', {
    key: 'id',
    schema: { id: { type: 'string' }, n: { type: 'number' } },
    async validate ({ n }: Readonly<Record<string, unknown>>) {
      await setImmediate()
      return n === 7 ? ['is unlucky'] : undefined
    }
  })
  const client = await connect()
  const bucket = 'slow'
  await client.ask('store.insertMany', { bucket, data: [{ id: 'a', n: 1 }, { id: 'b', n: 1 }] })
  t.equal(await client.ask('store.updateMany', { bucket, filter: { n: 1 }, data: { n: 2 } }), 2)
  t.match(await client.ask('store.increment', { bucket, key: 'a', field: 'n', by: 1 }), { n: 3 })
  for (const [type, fields] of [
    ['store.insert', { data: { id: 'c', n: 7 } }],
    ['store.update', { key: 'a', data: { n: 7 } }],
    ['store.updateMany', { filter: {}, data: { n: 7 } }],
    ['store.increment', { key: 'a', field: 'n', by: 4 }],
    ['store.transaction', { operations: [{ op: 'upsert', bucket, data: { id: 'b', n: 7 } }] }]
  ] as const) {
    t.match(await client.request(type, { bucket, ...fields }), {
      code: 'VALIDATION_ERROR', details: [{ field: '_record', message: 'is unlucky' }]
    }, type)
  }
  t.match(await client.ask('store.all', { bucket }), [{ id: 'a', n: 3 }, { id: 'b', n: 2 }])
})

t.test(
  'what validators have against a record is answered as the store does, with everything else',
  async t => {
    const { client, store } = await serve(t).then(async served => ({
      ...served,
      client: await served.connect()
    }))
    let asked = 0
    const seen: unknown[] = []
    await store.defineBucket('checked', {
      key: 'id',
      schema: {
        id: { type: 'string', generated: 'uuid' },
        kind: { type: 'string', default: () => `kind ${++asked}` },
        n: { type: 'number', min: 0, validate: value => (value === 13 ? 'is unlucky' : undefined) },
        late: { type: 'date', default: () => new Date(5) }
      },
      validate (record) {
        seen.push(record['id'], record['kind'])
        return record['n'] === 7 ? ['first', 'second'] : undefined
      }
    })
    const made = await client.ask('store.insert', { bucket: 'checked', data: { n: 1 } })
    t.match(
      made,
      { id: String, kind: 'kind 1', n: 1, late: '1970-01-01T00:00:00.005Z', _version: 1 },
      'a default is asked for once'
    )
    t.ok(
      seen.every(value => typeof value === 'string'),
      'validators see what is filled in'
    )
    t.match(await client.request('store.insert', { bucket: 'checked', data: { n: 13 } }), {
      code: 'VALIDATION_ERROR',
      details: [{ field: 'n', message: 'is unlucky', code: 'custom' }]
    })
    t.match(await client.request('store.insert', { bucket: 'checked', data: { n: 7 } }), {
      code: 'VALIDATION_ERROR',
      details: [{ field: '_record', message: 'first' }, { message: 'second' }]
    })
    t.match(await client.request('store.update', { bucket: 'checked', key: made.id, data: { n: 13 } }), {
      code: 'VALIDATION_ERROR',
      details: [{ field: 'n' }]
    })
    t.match(await client.request('store.insert', { bucket: 'checked', data: { n: -1 } }), {
      code: 'VALIDATION_ERROR',
      details: [{ field: 'n', code: 'min' }]
    })
    t.match(await client.request('store.insert', { bucket: 'checked', data: { n: 'x' } }), {
      code: 'VALIDATION_ERROR',
      details: [{ field: 'n', code: 'type' }]
    })
    t.match(await client.ask('store.upsert', { bucket: 'checked', data: { id: made.id, n: 2 } }), {
      id: made.id,
      kind: 'kind 1',
      n: 2,
      _version: 2
    })
    t.match(await client.ask('store.upsert', { bucket: 'checked', data: { id: 'new', n: 2 } }), {
      id: 'new',
      kind: /^kind \d/,
      _version: 1
    })
    t.match(await client.request('store.insert', { bucket: 'checked', data: { id: 'new' } }), {
      code: 'ALREADY_EXISTS'
    })
  }
)

t.test('a key can be given by a default', async t => {
  const { store, connect } = await serve(t)
  let last = 0
  await store.defineBucket('numbered', {
    key: 'id',
    schema: { id: { type: 'string', default: () => `n${++last}` } }
  })
  const client = await connect()
  t.match(await client.ask('store.insert', { bucket: 'numbered', data: {} }), { id: 'n1' })
  t.match(await client.ask('store.insertMany', { bucket: 'numbered', data: [{}, {}] }), [
    { id: 'n2' },
    { id: 'n3' }
  ])
  t.match(await client.ask('store.upsert', { bucket: 'numbered', data: {} }), { id: 'n4' })
  t.match(
    await client.ask('store.transaction', { operations: [{ op: 'insert', bucket: 'numbered', data: {} }] }),
    { results: [{ data: { id: 'n5' } }] }
  )
  last = 0
  t.match(await client.request('store.insert', { bucket: 'numbered', data: {} }), {
    code: 'ALREADY_EXISTS',
    details: { field: 'id', value: 'n1' }
  })
})

t.test('a validator that writes to the store meets no lock', async t => {
  const { store, connect } = await serve(t)
  await store.defineBucket('eager', {
    key: 'id',
    schema: { id: { type: 'string' } },
    validate (record) {
      store
        .bucket('items')
        .upsert({ id: String(record['id']) })
        .catch(() => {})
      return undefined
    }
  })
  const client = await connect()
  t.match(await client.ask('store.insert', { bucket: 'eager', data: { id: 'a' } }), { id: 'a' })
  t.match(
    await client.ask('store.transaction', {
      operations: [
        { op: 'insert', bucket: 'eager', data: { id: 'b' } },
        { op: 'count', bucket: 'eager' }
      ]
    }),
    { results: [{}, { data: 2 }] }
  )
  t.equal(await client.ask('store.count', { bucket: 'items' }), 2)
})

t.test('no rejection was left to the process', async t => {
  await setImmediate()
  t.same(uncaught, [])
})
