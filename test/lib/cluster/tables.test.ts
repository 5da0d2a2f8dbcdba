import t, { type Test } from 'tap'
import { Store } from '@hamicek/noex-store'
import { PostgresLog } from '../../../lib/cluster/postgres-log.js'
import { createTables } from '../../../lib/cluster/tables.js'
import { sql, startNode } from '../../support/cluster.js'
import { makeServer, postgresPrograms, testDatabase } from '../../support/postgres.js'

/** Resolves with the message of what a log rejects its opening with. */
async function refusalOf (t: Test, connectionString: string, name = 'test'): Promise<string> {
  const log = new PostgresLog({ source: { connectionString, pool: undefined }, name, leaseMs: 1_000 })
  t.teardown(async () => { await log.close() })
  return await log.open().then(() => 'it was opened', (error: Error) => error.message)
}

t.test('tables of others are refused by name, and stay as they are', async t => {
  for (const [text, pattern] of [
    ['CREATE TABLE noex_log (id serial)', /noex_log is none of this log: column name is missing/],
    [createTables + '; ALTER TABLE noex_lease ALTER term TYPE text', /column term is text, and must be bigint/],
    [createTables + '; ALTER TABLE noex_log ADD extra int NOT NULL', /a column extra that needs a value/],
    [
      `${createTables}; INSERT INTO noex_lease (name, format, term, last_revision, expires_at, epoch)
        VALUES ('test', 2, 0, 0, now(), gen_random_uuid())`,
      /the log "test" has format 2, and this version reads 1/
    ]
  ] as Array<[string, RegExp]>) {
    const { connectionString } = await testDatabase(t)
    await sql(connectionString, text)
    t.match(await refusalOf(t, connectionString), pattern)
    t.match(await refusalOf(t, connectionString), /^cluster\.postgres/)
  }
})

t.test('columns that need no value may be added', async t => {
  const { connectionString } = await testDatabase(t)
  await sql(connectionString, createTables + '; ALTER TABLE noex_log ADD extra int')
  await startNode(t, connectionString)
})

t.test('a database that cannot be used is refused with what would be right', async t => {
  const { connectionString, isServer } = await testDatabase(t)
  if (!isServer) return
  const url = new URL(connectionString)
  const role = `r${url.pathname.slice(1)}`
  await sql(connectionString, `CREATE ROLE ${role} LOGIN`)
  t.teardown(async () => { await sql(connectionString, `DROP OWNED BY ${role}; DROP ROLE ${role}`) })
  url.username = role
  t.match(await refusalOf(t, url.href), new RegExp(`are missing, and the role ${role} may not create them: ` +
    `let it \\(GRANT CREATE ON SCHEMA public TO ${role}\\)`))
  await sql(connectionString, createTables)
  t.match(await refusalOf(t, url.href), new RegExp(`the role ${role} has no .* GRANT .* TO ${role}`))
  await sql(connectionString,
    `GRANT SELECT, INSERT, UPDATE, DELETE ON noex_lease, noex_log, noex_snapshot TO ${role}`)
  await startNode(t, url.href)

  await sql(connectionString, `ALTER ROLE ${role} SET default_transaction_read_only = on`)
  t.match(await refusalOf(t, url.href, 'other'), /the database is read-only: connect to the primary/)
  url.pathname = '/none_such'
  t.match(await refusalOf(t, url.href), /does not exist: create it/)
  t.match(await refusalOf(t, 'postgres://postgres@127.0.0.1:1/test'), /ECONNREFUSED/)
  t.match(await refusalOf(t, 'postgres://%'), /cluster\.postgres cannot be understood/)
})

t.test('an encoding that does not have every text is refused', async t => {
  const programs = postgresPrograms(t)
  if (programs === undefined) return
  const server = await makeServer(t, programs)
  await server.start()
  await sql(server.connectionString, "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
  const url = new URL(server.connectionString)
  url.pathname = '/latin'
  t.match(await refusalOf(t, url.href), /encoding of the database is LATIN1, and must be UTF8/)
})

t.test('a store that does not fit the log of that name is refused', async t => {
  const { connectionString } = await testDatabase(t)
  const { store } = await startNode(t, connectionString)
  await store.bucket('items').insert({ id: 'a' })
  const other = await Store.start()
  t.teardown(async () => { await other.stop() })
  await other.defineBucket('items', { key: 'other', schema: { other: { type: 'string' } } })
  const log = new PostgresLog({ source: { connectionString, pool: undefined }, name: 'test', leaseMs: 1_000 })
  t.teardown(async () => { await log.close() })
  await t.rejects(other.attachLog(log), { message: /Bucket "items" is defined differently in the log/ })
})
