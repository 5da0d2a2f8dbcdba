import t from 'tap'
import type { PermissionConfig } from '../../../lib/index.js'
import { serve, startStore } from '../../support/service.js'
import { serveAccounts } from '../../support/identity.js'
import { logInto } from '../../support/log-into.js'
import { peopleBucket } from '../../support/unknown-fields.js'

interface Line {
  readonly level: number
  readonly [member: string]: unknown
}

/** Collects the warnings of a log. */
function warnings (): { readonly lines: Line[], readonly fastify: object } {
  const lines: Line[] = []
  return { lines, fastify: { logger: logInto(lines) } }
}

t.test('A query with a field that no record has is defined, with a warning in the log', async t => {
  const { lines, fastify } = warnings()
  const store = await startStore(t)
  await store.defineBucket('people', peopleBucket)
  await store.bucket('people').insert({ id: 'a', name: 'Ann', extra: 1 })
  store.defineDeclarativeQuery(
    'early',
    { bucket: 'people', filter: { $or: [{ nmae: '{{ params.name }}' as never }] }, sort: { agee: 'asc' } }
  )
  store.defineDeclarativeQuery(
    'right',
    { bucket: 'people', filter: { extra: 1 }, sort: { _createdAt: 'desc' }, fields: ['name', 'extra'] }
  )
  const { connect } = await serve(t, {}, { store, fastify })
  const client = await connect()
  await client.ask(
    'store.defineQuery',
    {
      name: 'late',
      config: {
        bucket: 'people',
        fields: ['nam', 'name'],
        aggregate: { function: 'sum', field: 'ages', groupBy: ['name', 'shoe'] }
      }
    }
  )
  store.defineDeclarativeQuery('direct', { bucket: 'people', sort: { shoe: 'asc' } })
  // A query may go into a field, though what it keeps of records are whole members.
  store.defineDeclarativeQuery('path', { bucket: 'people', filter: { 'extra.a': 1 }, fields: ['extra.a'] })
  t.same(await client.ask('store.query', { query: 'early', params: { name: 'x' } }), [], 'the query runs')
  t.match(lines.map(({ query, path, field, nearest }) => [query, path, field, nearest]), [
    ['early', 'filter.$or[0].nmae', 'nmae', 'name'],
    ['early', 'sort.agee', 'agee', 'age'],
    ['late', 'fields[0]', 'nam', 'name'],
    ['late', 'aggregate.field', 'ages', 'age'],
    ['late', 'aggregate.groupBy[1]', 'shoe', undefined],
    ['direct', 'sort.shoe', 'shoe', undefined],
    ['path', 'fields[0]', 'extra.a', 'extra']
  ])
  t.equal(lines.length, 7)
})

t.test('A row rule with a field that no record has is a warning in the log', async t => {
  const { lines, fastify } = warnings()
  const store = await startStore(t)
  await store.defineBucket('people', peopleBucket)
  await store.bucket('people').insert({ id: 'a', name: 'Ann' })
  const permissions: PermissionConfig = {
    rules: [
      { role: 'one', allow: 'store.*', buckets: ['people', 'nowhere'], where: { ownr: '$userId' } },
      { role: 'all', allow: 'store.*', where: { nmae: '$userId' } },
      { role: 'fine', allow: 'store.*', where: { n: 1 } },
      {
        role: 'right',
        allow: 'store.*',
        buckets: ['people'],
        where: { name: '$userId', 'name.last': 'x', _version: { $gt: 0 } }
      }
    ]
  }
  const { connect } = await serve(
    t,
    { auth: { validate: token => ({ userId: token, roles: [] }), permissions } },
    { store, fastify }
  )
  await connect()
  const found = lines.filter(({ path }) => path !== undefined).map(({ role, bucket, path, nearest }) => [
    role,
    bucket,
    path,
    nearest
  ])
  t.same(found.filter(([role]) => role !== 'all'), [['one', 'people', 'where.ownr', undefined]])
  t.same(
    found.filter(([role]) => role === 'all'),
    [['all', '*', 'where.nmae', undefined]],
    'a rule for every bucket, whose field none has'
  )
})

t.test('So is one of a role that an administrator makes', async t => {
  const { lines, fastify } = warnings()
  const { superadmin } = await serveAccounts(t, {}, {}, { fastify })
  const admin = await superadmin()
  const role = {
    name: 'confined',
    permissions: [{ allow: 'store.*', buckets: ['items'], where: { nmae: 'x' } }]
  }
  t.match(await admin.ask('identity.createRole', role), { name: 'confined' }, 'it is made')
  await admin.ask('store.buckets')
  t.match(
    lines.filter(({ path }) => path !== undefined),
    [{ role: 'confined', bucket: 'items', path: 'where.nmae', nearest: 'name' }]
  )
})
