import t, { type Test } from 'tap'
import { Store } from '@hamicek/noex-store'
import { MemoryAdapter } from '../../../lib/exports/store.js'
import { serve, serveBuckets, startStore, type ServedClient } from '../../support/service.js'
import { peopleBucket, waysToNameField } from '../../support/unknown-fields.js'

/** A bucket `people` with the record a, and one without a schema of its own, `notes`. */
async function withPeople (t: Test): Promise<ServedClient> {
  const served = await serveBuckets(t, {
    people: peopleBucket,
    notes: { key: 'id', schema: { id: { type: 'string' } } }
  })
  await served.store.bucket('people').insert({ id: 'a', name: 'Ann', age: 30 })
  return served
}

t.test('A field that no record has is refused with the nearest one, wherever it is named', async t => {
  const { client } = await withPeople(t)
  for (const [type, fields, path] of waysToNameField) {
    t.match(await client.request(type, { bucket: 'people', ...fields('nmae') }), {
      code: 'VALIDATION_ERROR',
      message: `${path.replace(
        'FIELD',
        'nmae'
      )}: no record of bucket "people" has this field; did you mean "name"?`
    }, `${type} ${JSON.stringify(fields('nmae'))}`)
    for (const field of ['age', '_version', '_createdAt', '_updatedAt', '_expiresAt']) {
      if (type.endsWith('Many')) continue
      t.equal(
        (await client.request(type, { bucket: 'people', ...fields(field) }))['type'],
        'result',
        `${type} by ${field}`
      )
    }
  }
  t.match(
    await client.request('store.where', { bucket: 'people', filter: { shoeSize: 1 } }),
    { message: 'filter.shoeSize: no record of bucket "people" has this field' }
  )
  const operations = [
    { op: 'count', bucket: 'people' },
    { op: 'where', bucket: 'people', filter: { agee: 1 } }
  ]
  t.match(
    await client.request('store.transaction', { operations }),
    { message: 'operations[1].filter.agee: no record of bucket "people" has this field; did you mean "age"?' }
  )
  const groups = [{
    op: 'groupBy',
    bucket: 'people',
    field: 'name',
    aggregate: { function: 'max', field: 'agee' }
  }]
  t.match(
    await client.request('store.transaction', { operations: groups }),
    { message: /^operations\[0\]\.aggregate\.field: / }
  )
  for (const transaction of [false, true]) {
    const steps = [{ action: 'store.count', bucket: 'people', filter: { agee: '{{ input.age }}' }, as: 'n' }]
    const name = `p ${String(transaction)}`
    await client.ask('procedures.register', { procedure: { name, steps, transaction } })
    t.match(
      await client.request('procedures.call', { name, input: { age: 1 } }),
      { code: 'VALIDATION_ERROR', message: /^steps\[0\]: filter\.agee: / }
    )
  }
  t.equal(await client.code('store.where', { bucket: 'nowhere', filter: { x: 1 } }), 'BUCKET_NOT_DEFINED')
})

t.test('A member that a record has beside the schema is a field, however it was written', async t => {
  const { client, store } = await withPeople(t)
  const asks = async (field: string, bucket = 'people') => (await client.request(
    'store.where',
    { bucket, filter: { [field]: 1 } }
  ))['type']
  type Write = (data: Record<string, unknown>) => Promise<unknown>
  const writes: ReadonlyArray<readonly [field: string, write: Write]> = [
    [
      'insert',
      async data => await client.ask('store.insert', { bucket: 'people', data: { id: 'i', ...data } })
    ],
    [
      'insertMany',
      async data => await client.ask('store.insertMany', { bucket: 'people', data: [{ id: 'm', ...data }] })
    ],
    [
      'upsert',
      async data => await client.ask('store.upsert', { bucket: 'people', data: { id: 'u', ...data } })
    ],
    ['update', async data => await client.ask('store.update', { bucket: 'people', key: 'a', data })],
    [
      'updateMany',
      async data => await client.ask('store.updateMany', { bucket: 'people', filter: {}, data })
    ],
    [
      'transaction',
      async data => await client.ask(
        'store.transaction',
        { operations: [{ op: 'update', bucket: 'people', key: 'a', data }] }
      )
    ],
    ['direct', async data => await store.bucket('people').insert({ id: 'd', ...data })],
    ['directUpdate', async data => await store.bucket('people').update('a', data)],
    [
      'directTransaction',
      async data =>
        await store.transaction(async tx => await (await tx.bucket('people')).insert({ id: 't', ...data }))
    ]
  ]
  for (const [field, write] of writes) {
    t.equal(await asks(field), 'error', `${field} is no field before`)
    await write({ [field]: 1 })
    t.equal(await asks(field), 'result', `${field} is one afterwards`)
  }
  await client.ask('store.deleteMany', { bucket: 'people', filter: {} })
  for (const [field] of writes) {
    t.equal(
      await asks(field),
      'result',
    `${field} stays one when no record has it any more`
    )
  }

  t.equal(
    (await client.request(
      'store.insert',
      { bucket: 'people', data: { id: 'x', age: 'no number', refused: 1 } }
    ))['code'],
    'VALIDATION_ERROR'
  )
  t.equal(await asks('refused'), 'error', 'a record that was refused counts for nothing')
  await client.ask(
    'store.updateBucket',
    { name: 'people', updates: { addFields: { added: { type: 'string' } } } }
  )
  t.equal(await asks('added'), 'result', 'so is a field that was added to the schema')
  t.equal(await asks('insert'), 'result')
  await client.ask('store.dropBucket', { name: 'people' })
  await client.ask('store.defineBucket', {
    name: 'people',
    config: { key: 'id', schema: peopleBucket.schema }
  })
  t.equal(await asks('insert'), 'error', 'a bucket that is defined anew begins anew')
})

t.test('An insert and a filter by what it brings can be sent at once', async t => {
  const { client } = await withPeople(t)
  client.send({ id: 901, type: 'store.insert', bucket: 'people', data: { id: 'p', fresh: 1 } })
  client.send({ id: 902, type: 'store.where', bucket: 'people', filter: { fresh: 1 } })
  t.match(await client.next(({ id }) => id === 902), { data: [{ id: 'p' }] })
})

t.test('A transaction may filter by what it has written itself', async t => {
  const { client } = await withPeople(t)
  const operations = [
    { op: 'insertMany', bucket: 'people', data: [{ id: 'b', mark: 1 }, { id: 'c', sign: 2 }] },
    { op: 'where', bucket: 'people', filter: { sign: 2 } },
    { op: 'deleteMany', bucket: 'people', filter: { mark: 1 } }
  ]
  t.match(
    await client.ask('store.transaction', { operations }),
    { results: [{}, { data: [{ id: 'c' }] }, { data: 1 }] }
  )
  t.match(await client.request(
    'store.transaction',
    {
      operations: [
        { op: 'insert', bucket: 'notes', data: { id: 'n', other: 1 } },
        { op: 'where', bucket: 'people', filter: { other: 1 } }
      ]
    }
  ),
  { message: /^operations\[1\]\.filter\.other: / }, 'but not by what it has written elsewhere')
  const steps = [
    { action: 'store.insert', bucket: 'people', data: { id: 'z', step: 1 } },
    { action: 'store.where', bucket: 'people', filter: { step: 1 }, as: 'found' }
  ]
  await client.ask('procedures.register', { procedure: { name: 'p', steps, transaction: true } })
  t.match(await client.ask('procedures.call', { name: 'p' }), { results: { found: [{ id: 'z' }] } })
})

t.test('A bucket without a schema is known by its records', async t => {
  const { client } = await withPeople(t)
  const ask = async (filter: object) => await client.request('store.where', { bucket: 'notes', filter })
  t.match(await ask({ text: 'x' }), { type: 'result', data: [] }, 'before there are any, nothing is refused')
  await client.ask('store.insert', { bucket: 'notes', data: { id: 'n', text: 'x' } })
  t.match(await ask({ text: 'x' }), { data: [{ id: 'n' }] })
  t.match(
    await ask({ txet: 'x' }),
    { message: 'filter.txet: no record of bucket "notes" has this field; did you mean "text"?' }
  )
})

t.test('Records that were there before the service, and that come without events, are known', async t => {
  const store = await startStore(t)
  await store.defineBucket('people', peopleBucket)
  await store.bucket('people').insertMany(Array.from(
    { length: 3_000 },
    (_, i) => ({ id: `${i}`, ...(i === 2_999 && { last: 1 }) })
  ))
  const { connect } = await serve(t, {}, { store })
  const client = await connect()
  t.match(
    await client.request('store.where', { bucket: 'people', filter: { last: 1 } }),
    { data: [{ id: '2999' }] }
  )
  t.equal(await client.code('store.where', { bucket: 'people', filter: { lsat: 1 } }), 'VALIDATION_ERROR')
  await store.rebuildBucket(
    'people',
    peopleBucket,
    records => records.map(([key, record]) => [key, { ...record, rebuilt: 1 }])
  )
  t.match(await client.request('store.count', { bucket: 'people', filter: { rebuilt: 1 } }), { data: 3_000 })
})

t.test('Records that come from the storage are known', async t => {
  const adapter = new MemoryAdapter()
  const first = await Store.start({ name: 'kept', persistence: { adapter } })
  await first.defineBucket('people', peopleBucket)
  await first.bucket('people').insert({ id: 'a', stored: 1 })
  await first.stop()
  const store = await startStore(t, { name: 'kept', persistence: { adapter } })
  const { connect } = await serve(t, {}, { store })
  await store.defineBucket('people', peopleBucket)
  const client = await connect()
  t.match(
    await client.request('store.where', { bucket: 'people', filter: { stored: 1 } }),
    { data: [{ id: 'a' }] }
  )
  t.match(
    await client.request('store.where', { bucket: 'people', filter: { storde: 1 } }),
    { message: /did you mean "stored"\?$/ }
  )
})

t.test('Beyond a thousand names nothing is refused', async t => {
  const { client, store } = await withPeople(t)
  const members = (from: number, to: number) => Object.fromEntries(Array.from(
    { length: to - from },
    (_, i) => [`m${from + i}`, 1]
  ))
  const asks = async () => (await client.request(
    'store.where',
    { bucket: 'people', filter: { nowhere: 1 } }
  ))['type']
  await store.bucket('people').insert({ id: 'b', ...members(0, 900) })
  t.equal(await asks(), 'error')
  await store.bucket('people').insert({ id: 'c', ...members(900, 1_100) })
  t.equal(await asks(), 'result')
  await store.bucket('notes').insert({ id: 'n', ['x'.repeat(300)]: 1 })
  t.match(
    await client.request('store.where', { bucket: 'notes', filter: { nowhere: 1 } }),
    { type: 'result' },
    'a very long name is too many as well'
  )
})

t.test('A path into a field is refused with a sentence', async t => {
  const { client, store } = await withPeople(t)
  await store.bucket('people').insert({ id: 'b', meta: { k: 1 } })
  t.match(await client.request('store.where', { bucket: 'people', filter: { 'meta.k': 1 } }), {
    code: 'VALIDATION_ERROR',
    message: 'filter.meta.k: is a path into the field "meta": only whole fields can be named here'
  })
  await store.bucket('people').insert({ id: 'c', 'meta.k': 1 })
  t.match(
    await client.request('store.where', { bucket: 'people', filter: { 'meta.k': 1 } }),
    { data: [{ id: 'b' }, { id: 'c' }] },
    'unless that is what a field is called; the store itself knows paths, so it finds the other one, too'
  )
})
