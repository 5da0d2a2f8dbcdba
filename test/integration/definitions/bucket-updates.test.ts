import t from 'tap'
import { MemoryAdapter } from '@hamicek/noex-store'
import { serve, startStore, serveBuckets } from '../../support/service.js'
import { assertIntact, numberField, textField, withKept } from '../../support/definitions.js'

const numbered = { key: 'id', schema: { id: { type: 'string', generated: 'uuid' }, n: numberField } }

t.test('updateBucket', async t => {
  const setting = await withKept(t)
  const { client } = setting
  const update = async (updates: object) => await client.ask('store.updateBucket', { name: 'kept', updates })

  t.same(await update({}), { name: 'kept', updated: true })
  await update({ addFields: { age: { ...numberField, min: 0 } }, addIndexes: ['age', 'id'] })
  await assertIntact(t, setting)
  t.match(await client.ask('store.getBucketSchema', { name: 'kept' }), {
    config: { schema: { age: { type: 'number', min: 0 } }, indexes: ['id', 'age'], ttl: '1h' }
  })
  t.match(await client.request('store.insert', { bucket: 'kept', data: { id: 'x', age: -1 } }), {
    details: [{ field: 'age', code: 'min' }]
  })
  await update({ ttl: null })
  t.notOk(
    '_expiresAt' in (await client.ask('store.insert', { bucket: 'kept', data: { id: 'd' } })),
    'ttl: null removes the TTL'
  )
  await update({ ttl: 60_000 })
  t.match(await client.ask('store.insert', { bucket: 'kept', data: { id: 'e' } }), { _expiresAt: Number })
  await client.ask('store.deleteMany', { bucket: 'kept', filter: { id: { $in: ['d', 'e'] } } })
  await assertIntact(t, setting)

  t.test('G-F9 a bad update loses nothing', async t => {
    const table: ReadonlyArray<readonly [updates: object, at: string]> = [
      ...['soon', '', '5', '0s', 0, -1, true, {}, []].map(ttl => [{ ttl }, 'updates.ttl'] as const),
      [{ nope: 1 }, 'updates.nope'],
      [{ key: 'age' }, 'updates.key'],
      [{ schema: {} }, 'updates.schema'],
      [{ addFields: null }, 'updates.addFields'],
      [{ addFields: [] }, 'updates.addFields'],
      [{ addFields: { z: null } }, 'updates.addFields.z'],
      [{ addFields: { z: { type: 'nope' } } }, 'updates.addFields.z.type'],
      [{ addFields: { z: { ...textField, pattern: '(a+)+' } } }, 'updates.addFields.z.pattern'],
      [{ addFields: { z: { ...textField, ref: 'nope' } } }, 'updates.addFields.z.ref'],
      [{ addFields: { id: textField } }, 'updates.addFields.id'],
      [{ addFields: { age: numberField } }, 'updates.addFields.age'],
      [{ addIndexes: 'id' }, 'updates.addIndexes'],
      [{ addIndexes: ['nope'] }, 'updates.addIndexes[0]'],
      [{ addIndexes: ['id', 5] }, 'updates.addIndexes[1]'],
      [{ addIndexes: ['valueOf'] }, 'updates.addIndexes[0]']
    ]
    for (const [updates, at] of table) {
      const reply = await client.request('store.updateBucket', { name: 'kept', updates })
      t.match(reply, { type: 'error', code: 'VALIDATION_ERROR' }, JSON.stringify(updates))
      t.ok(reply['message']?.startsWith(at), `"${String(reply['message'])}" names ${at}`)
    }
    await assertIntact(t, setting)
  })

  t.test('G-F9 a field that records share cannot become unique', async t => {
    t.match(
      await client.request('store.updateBucket', {
        name: 'kept',
        updates: { addFields: { twin: { ...numberField, unique: true } } }
      }),
      { code: 'ALREADY_EXISTS', details: { bucket: 'kept', field: 'twin', value: 1 } }
    )
    await assertIntact(t, setting)
    await client.ask('store.updateBucket', {
      name: 'kept',
      updates: { addFields: { mail: { ...textField, unique: true } } }
    })
    await client.ask('store.insert', { bucket: 'kept', data: { id: 'm', mail: 'm' } })
    t.equal(
      await client.code('store.insert', { bucket: 'kept', data: { id: 'n', mail: 'm' } }),
      'ALREADY_EXISTS'
    )
    await client.ask('store.delete', { bucket: 'kept', key: 'm' })
    await assertIntact(t, setting)
  })

  t.test('A reference that is added holds like any other', async t => {
    await client.ask('store.updateBucket', {
      name: 'kept',
      updates: { addFields: { item: { ...textField, ref: 'items' } } }
    })
    await client.ask('store.insert', { bucket: 'items', data: { id: 'i' } })
    const data = { id: 'r', item: 'gone' }
    t.equal(await client.code('store.insert', { bucket: 'kept', data }), 'VALIDATION_ERROR', 'insert')
    t.equal(
      await client.code('store.insertMany', { bucket: 'kept', data: [data] }),
      'VALIDATION_ERROR',
      'insertMany'
    )
    t.equal(await client.code('store.upsert', { bucket: 'kept', data }), 'VALIDATION_ERROR', 'upsert')
    t.equal(
      await client.code('store.update', { bucket: 'kept', key: 'a', data: { item: 'gone' } }),
      'VALIDATION_ERROR',
      'update'
    )
    t.equal(
      await client.code('store.updateMany', { bucket: 'kept', filter: {}, data: { item: 'gone' } }),
      'VALIDATION_ERROR',
      'updateMany'
    )
    await client.ask('store.insert', { bucket: 'kept', data: { id: 'r', item: 'i' } })
    t.equal(await client.code('store.delete', { bucket: 'items', key: 'i' }), 'CONFLICT')
  })
})

t.test('A write is neither lost nor refused while the schema changes', async t => {
  t.test('on the connection that changes it', async t => {
    const { client } = await serveBuckets(t)
    await client.ask('store.defineBucket', { name: 'b', config: numbered })
    let id = 0
    for (let round = 0; round < 20; round++) {
      client.send({ id: ++id, type: 'store.insert', bucket: 'b', data: { n: id } })
      client.send({
        id: ++id,
        type: 'store.updateBucket',
        name: 'b',
        updates: { addFields: { [`f${round}`]: numberField } }
      })
      client.send({ id: ++id, type: 'store.insert', bucket: 'b', data: { n: id } })
    }
    for (let n = 1; n <= id; n++) t.match(await client.next(), { id: n, type: 'result' })
    t.equal(await client.ask('store.count', { bucket: 'b' }), 40)
  })

  t.test('from other connections', async t => {
    const { client, connect } = await serveBuckets(t)
    await client.ask('store.defineBucket', { name: 'b', config: numbered })
    await client.ask('store.defineBucket', {
      name: 'noted',
      config: {
        key: 'id',
        schema: {
          id: { type: 'string', generated: 'uuid' },
          ref: { ...textField, ref: 'b', onDelete: 'cascade' }
        }
      }
    })
    const writes = 100
    const requests: ReadonlyArray<(n: number) => object> = [
      n => ({ type: 'store.insert', bucket: 'b', data: { n } }),
      n => ({ type: 'store.insert', bucket: 'b', data: { id: `own-${n}`, n } }),
      n => ({
        type: 'store.transaction',
        operations: [
          { op: 'insert', bucket: 'b', data: { n } },
          { op: 'count', bucket: 'noted' }
        ]
      }),
      n => ({ type: 'store.upsert', bucket: 'b', data: { id: `up-${n}`, n } }),
      n => ({ type: 'store.delete', bucket: 'b', key: `none-${n}` }),
      () => ({ type: 'store.stats' }),
      () => ({ type: 'store.all', bucket: 'b' }),
      () => ({ type: 'server.stats' })
    ]
    const others = await Promise.all(requests.map(async request => ({ request, other: await connect() })))
    for (const { request, other } of others) {
      for (let n = 1; n <= writes; n++) other.send({ id: n, ...request(n) })
    }
    for (let round = 0; round < 30; round++) {
      await client.ask('store.updateBucket', {
        name: round % 2 === 0 ? 'b' : 'noted',
        updates: { addFields: { [`f${round}`]: numberField } }
      })
    }
    const refused: unknown[] = []
    for (const { other } of others) {
      for (let n = 1; n <= writes; n++) {
        const reply = await other.next()
        if (reply['type'] !== 'result' || reply['data']?.store === null) refused.push(reply)
      }
    }
    t.same(refused, [])
    t.equal(await client.ask('store.count', { bucket: 'b' }), 4 * writes)
  })
})

t.test('G-F15 a persistent bucket that was dropped starts empty', async t => {
  const adapter = new MemoryAdapter()
  const store = await startStore(t, { name: 'persistent', persistence: { adapter, debounceMs: 1 } })
  const { connect } = await serve(t, {}, { store })
  const client = await connect()
  const config = { key: 'id', schema: { id: textField, code: { ...textField, unique: true } } }
  await client.ask('store.defineBucket', { name: 'b', config })
  await client.ask('store.insert', { bucket: 'b', data: { id: 'old', code: '1' } })
  // Writes everything to the adapter, as the store would after a while.
  await store.createBackup()
  await client.ask('store.dropBucket', { name: 'b' })
  await client.ask('store.defineBucket', { name: 'b', config })
  t.same(await client.ask('store.all', { bucket: 'b' }), [])
  t.match(await client.ask('store.insert', { bucket: 'b', data: { id: 'old', code: '1' } }), { _version: 1 })
  t.equal((await client.ask('store.stats')).persistence.enabled, true)
})
