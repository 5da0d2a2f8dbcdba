import t from 'tap'
import { Store } from '@hamicek/noex-store'
import { PostgresLog } from '../../../lib/cluster/postgres-log.js'
import { sql, startNode, until } from '../../support/cluster.js'
import { testDatabase } from '../../support/postgres.js'

t.test('the leader writes snapshots beside its commits, and cuts the log behind the older one', async t => {
  const { connectionString } = await testDatabase(t)
  const { store, notices } = await startNode(t, connectionString, { snapshotBytes: 100_000 })
  const follower = await startNode(t, connectionString)
  const items = store.bucket('items')
  const text = 'x'.repeat(1_000)
  for (let i = 0; i < 20; i++) {
    await items.insertMany(Array.from({ length: 50 }, (_, k) => ({ id: `${i}-${k}-${text}` })))
  }
  const counts = async (): Promise<any> => (await sql(connectionString,
    `SELECT count(DISTINCT s.revision)::int AS snapshots, min(s.revision)::int AS older,
      (SELECT min(revision) FROM noex_log)::int AS first FROM noex_snapshot AS s`))[0]
  await until('there are two', async () => (await counts()).snapshots === 2)
  const { snapshots, older, first } = await counts()
  t.equal(snapshots, 2)
  t.equal(first, older + 1)
  t.strictSame(notices, [])
  await until('it has caught up', () => follower.store.revision === store.revision)
  const late = await startNode(t, connectionString)
  t.strictSame(await late.store.takeImage(), await store.takeImage())
})

t.test('a damaged snapshot is passed over, or refused where nothing else has its records', async t => {
  const { connectionString } = await testDatabase(t)
  const { store, log } = await startNode(t, connectionString)
  const items = store.bucket('items')
  for (let i = 0; i < 3; i++) {
    await items.insert({ id: `${i}` })
    await log.truncate(await store.takeImage())
  }
  await items.insert({ id: 'last' })
  const image = await store.takeImage()
  await store.stop()

  const damaged: unknown[] = []
  const open = async (): Promise<Store> => {
    const again = await Store.start({ ttlCheckIntervalMs: 0 })
    t.teardown(async () => { await again.stop().catch(() => {}) })
    await again.attachLog(new PostgresLog({
      source: { connectionString, pool: undefined },
      name: 'test',
      leaseMs: 1_000,
      onDamaged: revisions => { damaged.push(revisions) }
    }))
    return again
  }
  for (const damage of [
    "UPDATE noex_snapshot SET body = replace(body, '\"0\"', '\"9\"') WHERE part = 1",
    'DELETE FROM noex_snapshot WHERE part = 1',
    "UPDATE noex_snapshot SET body = '{' WHERE part = 0"
  ]) {
    await sql(connectionString, 'CREATE TABLE kept AS TABLE noex_snapshot')
    const newest = '(SELECT max(revision) FROM noex_snapshot)'
    await sql(connectionString, `${damage} AND revision = ${newest}`)
    const again = await open()
    t.strictSame(await again.takeImage(), image, damage)
    await again.stop()
    await sql(connectionString, damage)
    await t.rejects(open(), { message: /the log "test" is not complete: .* Bring the tables back/ })
    await sql(connectionString,
      'DELETE FROM noex_snapshot; INSERT INTO noex_snapshot TABLE kept; DROP TABLE kept')
  }
  t.strictSame(damaged.map(revisions => (revisions as number[]).length), [1, 1, 1])

  await sql(connectionString, 'DELETE FROM noex_log WHERE revision = (SELECT max(revision) FROM noex_log)')
  await t.rejects(open(), { message: /is not complete: it ends with revision \d+, and had \d+/ })
})

t.test('a log in which a row is missing, or is another one, is refused by its revision', async t => {
  for (const [damage, pattern] of [
    ['DELETE FROM noex_log WHERE revision = 3', /has no revision 3 any more, it goes on with 4/],
    ['UPDATE noex_log SET body = left(body, 9) WHERE revision = 3', /revision 3 of the log .* cannot be read/],
    ['UPDATE noex_log SET format = 2 WHERE revision = 3', /revision 3 .*it has format 2/],
    ['DELETE FROM noex_log WHERE revision < 3', /its beginning is missing/]
  ] as const) {
    const { connectionString } = await testDatabase(t)
    const { store } = await startNode(t, connectionString)
    for (let i = 0; i < 4; i++) await store.bucket('items').insert({ id: `${i}` })
    await store.stop()
    await sql(connectionString, damage)
    const source = { connectionString, pool: undefined }
    const log = new PostgresLog({ source, name: 'test', leaseMs: 1_000 })
    await t.rejects(log.open(), { message: pattern })
  }
})
