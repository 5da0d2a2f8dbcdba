import t from 'tap'
import type { PermissionConfig } from '../../../lib/index.js'
import type { TestClient } from '../../support/client.js'
import { serve } from '../../support/service.js'
import { peopleBucket, waysToNameField } from '../../support/unknown-fields.js'

t.test('Who sees some records only is not told of the fields of others', async t => {
  const permissions: PermissionConfig = {
    rules: [
      { role: 'own', allow: 'store.*', buckets: ['people'], where: { name: '$userId' } },
      { role: 'all', allow: 'store.*' }
    ],
    default: 'deny'
  }
  const { connect, store } = await serve(
    t,
    { auth: { validate: token => ({ userId: token, roles: [token] }), permissions } }
  )
  await store.defineBucket('people', peopleBucket)
  await store.bucket('people').insert({ id: 'a', name: 'other', salary: 1 })
  const as = async (role: string) => {
    const client = await connect()
    await client.ask('auth.login', { token: role })
    return client
  }
  const ask = { bucket: 'people', filter: { salery: 1 } }
  t.match(await (await as('all')).request('store.where', ask), { message: /did you mean "salary"\?$/ })
  t.match(
    await (await as('own')).request('store.where', ask),
    { message: 'filter.salery: no record of bucket "people" has this field' }
  )
  t.match(
    await (await as('own')).request('store.where', { bucket: 'people', filter: { agee: 1 } }),
    { message: /did you mean "age"\?$/ }
  )
})

t.test('No answer tells which fields the records have that a row rule hides', async t => {
  const permissions: PermissionConfig = {
    rules: [{ role: 'own', allow: ['store.*', 'procedures.*'], where: { name: '$userId' } }],
    default: 'deny'
  }
  const { connect, store } = await serve(
    t,
    { auth: { validate: token => ({ userId: token, roles: ['own'] }), permissions } }
  )
  await store.defineBucket('people', peopleBucket)
  await store.defineBucket('notes', { key: 'id', schema: { id: { type: 'string' } } })
  for (const bucket of ['people', 'notes']) {
    await store.bucket(bucket).insert({ id: 'a', name: 'bob', secret: 1 })
    await store.bucket(bucket).insert({ id: 'b', name: 'alice', extra: 1 })
  }
  const client = await connect()
  await client.ask('auth.login', { token: 'alice' })
  const newcomer = await connect()
  await newcomer.ask('auth.login', { token: 'carol' })
  const answer = async (who: TestClient, type: string, fields: object, name: string): Promise<string> => {
    const { id: _, ...reply } = await who.request(type, fields)
    return JSON.stringify(reply).replaceAll(name, 'NAME')
  }
  const increment = (field: string): object => ({ bucket: 'people', key: 'b', field, by: 1 })
  const more: typeof waysToNameField = [
    ['store.increment', increment, ''],
    ['store.transaction', field => ({ operations: [{ op: 'increment', ...increment(field) }] }), ''],
    ['store.transaction', field => ({
      operations: [{ op: 'count', bucket: 'people', filter: { [field]: 1 } }]
    }), '']
  ]
  for (const [type, fields] of [...waysToNameField, ...more]) {
    for (const [hidden, unknown] of [
      ['secret', 'nothing'],
      ['secret.x', 'nothing.x'],
      ['secrte', 'nothnig']
    ] as const) {
      const [there, nowhere] = [hidden, unknown].map(async name =>
        await answer(client, type, { bucket: 'people', ...fields(name) }, name))
      t.equal(await there, await nowhere, `${type} ${JSON.stringify(fields(hidden))}`)
      t.match(await there, 'no record of bucket', 'which is a refusal')
    }
    t.match(
      await client.request(type, { bucket: 'people', ...fields('extra') }),
      { type: 'result' },
      'a field of a record within reach is one'
    )
    // Some have deleted it.
    await store.bucket('people').upsert({ id: 'b', name: 'alice', extra: 1 })
  }
  for (const name of ['secret', 'nothing']) {
    const asks = { bucket: 'notes', filter: { [name]: 1 } }
    t.match(await newcomer.request('store.where', asks), { type: 'result', data: [] }, 'sees no record yet')
    t.match(await client.request('store.where', asks), { code: 'VALIDATION_ERROR' })
  }
  const operations = [
    { op: 'update', bucket: 'people', key: 'b', data: { secret: 1 } },
    { op: 'count', bucket: 'people', filter: { secret: 1 } }
  ]
  t.match(await client.ask('store.transaction', { operations }), { results: [{}, { data: 1 }] })
})
