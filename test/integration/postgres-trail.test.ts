import { randomBytes } from 'node:crypto'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import t, { type Test } from 'tap'
import { postgresSink, type PostgresSinkOptions } from '../../lib/audit/postgres/postgres-sink.js'
import { verifyTable } from '../../lib/audit/postgres/verify-table.js'
import { serve, type Served } from '../support/service.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const server = process.env['DATABASE_URL'] ?? 'postgres://postgres@127.0.0.1:5432/test'

/** A database of the test's own; `undefined` where there is no server, which is a failure in CI. */
async function database (t: Test): Promise<{ url: string, pool: pg.Pool } | undefined> {
  const admin = new pg.Client({ connectionString: server, connectionTimeoutMillis: 5_000 })
  try {
    await admin.connect()
  } catch (error) {
    if (process.env['CI'] !== undefined) throw error
    t.comment(`no PostgreSQL at ${server}: not tested`)
    return undefined
  }
  const name = `noex_test_${randomBytes(6).toString('hex')}`
  await admin.query(`CREATE DATABASE ${name}`)
  const url = new URL(server)
  url.pathname = name
  const pool = new pg.Pool({ connectionString: url.href })
  pool.on('error', () => {})
  // Teardowns run in reverse: the service has closed its connection by then.
  t.teardown(async () => {
    await pool.end()
    await admin.query(`DROP DATABASE ${name} WITH (FORCE)`)
    await admin.end()
  })
  return { url: url.href, pool }
}

async function serveTrail (t: Test, options: PostgresSinkOptions): Promise<Served> {
  return await serve(t, {
    audit: {
      tiers: ['write', 'admin'],
      logLevel: 'silent',
      sinks: [postgresSink({ stream: 'test', ...options })]
    }
  })
}

t.test('each entry is a row before its reply, and the chain goes on over restarts', async t => {
  const db = await database(t)
  if (db === undefined) return
  for (const n of [1, 2]) {
    const { app, connect } = await serveTrail(t, { connectionString: db.url })
    const client = await connect()
    await client.ask('store.insert', { bucket: 'items', data: { n } })
    const { rows } = await db.pool.query(
      'SELECT * FROM audit_log WHERE operation = $1 ORDER BY seq DESC LIMIT 1',
      ['store.insert']
    )
    t.match(rows, [
      {
        user_id: null,
        operation: 'store.insert',
        resource: 'items',
        result: 'success',
        error: null,
        remote_address: '127.0.0.1',
        stream: 'test',
        hash: /^[0-9a-f]{64}$/
      }
    ])
    t.ok(Number(rows[0].timestamp) > 1e12, 'epoch milliseconds')
    await app.close()
  }
  t.match(await verifyTable(db.pool, { table: 'audit_log', stream: 'test' }), {
    ok: true,
    entries: 4,
    lastSeq: 4
  })
  await db.pool.query("UPDATE audit_log SET result = 'error' WHERE seq = 3")
  t.match(await verifyTable(db.pool, { table: 'audit_log', stream: 'test' }), { ok: false, seq: 3 })
})

t.test('the guide\'s INSERT fits the table, and a pool of the application\'s stays its own', async t => {
  const db = await database(t)
  if (db === undefined) return
  const { app, connect } = await serveTrail(t, { pool: db.pool })
  const client = await connect()
  await client.code('store.insert', { bucket: 'nowhere', data: {} })
  await app.close()
  const { rows } = await db.pool.query(
    `SELECT timestamp, user_id, operation, resource, result, error, remote_address, details, seq
      FROM audit_log ORDER BY seq`
  )
  t.match(rows, [
    { operation: 'store.insert', resource: 'nowhere', result: 'error', error: /not defined/ },
    { operation: 'server.drain' }
  ])
})

t.test('a connection that is killed again and again loses nothing and writes nothing twice', async t => {
  const db = await database(t)
  if (db === undefined) return
  const spoolPath = join(temporaryDirectory(t), 'audit.spool')
  for (const options of [{ spoolPath }, {}]) {
    const stream = 'spoolPath' in options ? 'spooled' : 'direct'
    const { app, connect, store } = await serveTrail(t, { connectionString: db.url, stream, ...options })
    const client = await connect()
    let applied = 0
    for (let n = 0; n < 60; n++) {
      if (n % 15 === 7) {
        await db.pool.query(`SELECT pg_terminate_backend(pid)
          FROM pg_locks JOIN pg_database ON pg_database.oid = database
          WHERE locktype = 'advisory' AND datname = current_database() AND pid <> pg_backend_pid()`)
      }
      const reply = await client.request('store.insert', { bucket: 'items', data: { n } })
      if (reply['type'] === 'result') applied++
    }
    t.ok(applied > 0)
    const inserted = await store.bucket('items').count()
    await app.close()
    const { rows } = await db.pool.query(
      `SELECT count(*)::int AS rows, count(DISTINCT seq)::int AS seqs,
        count(*) FILTER (WHERE operation = $2 AND result = $3)::int AS inserts
        FROM audit_log WHERE stream = $1`,
      [stream, 'store.insert', 'success']
    )
    t.equal(rows[0].rows, rows[0].seqs)
    if (stream === 'direct') {
      t.equal(rows[0].inserts, inserted, 'every write that has happened is in the trail')
    } else {
      t.ok(rows[0].inserts <= inserted, 'what the spool has left is replayed by the next start')
    }
    t.match(await verifyTable(db.pool, { table: 'audit_log', stream }), { ok: true })
    if (stream === 'direct') continue
    const again = await serveTrail(t, { connectionString: db.url, stream, ...options })
    // A service that stops leaves the rest to the next one.
    while (statSync(spoolPath).size > 0) await sleep(20)
    await again.app.close()
    const { rows: after } = await db.pool.query(
      'SELECT count(*)::int AS inserts FROM audit_log WHERE stream = $1 AND operation = $2 AND result = $3',
      [stream, 'store.insert', 'success']
    )
    t.equal(after[0].inserts, inserted)
  }
})

t.test(
  'a table with other columns is refused by name, and so is a stream that another process writes',
  async t => {
    const db = await database(t)
    if (db === undefined) return
    await db.pool.query('CREATE TABLE other (timestamp text, seq bigint, stream text)')
    await t.rejects(serveTrail(t, { connectionString: db.url, table: 'other' }), /timestamp|user_id/)
    await serveTrail(t, { connectionString: db.url })
    await t.rejects(serveTrail(t, { connectionString: db.url }), /stream/)
  }
)

t.test('a database that is away at the start: refused without a spool, spooled with one', async t => {
  const away = 'postgres://postgres@127.0.0.1:1/test'
  await t.rejects(serveTrail(t, { connectionString: away }))
  const { connect, app } = await serveTrail(t, {
    connectionString: away,
    spoolPath: join(temporaryDirectory(t), 'audit.spool')
  })
  const client = await connect()
  await client.ask('store.insert', { bucket: 'items', data: {} })
  t.equal((await app.inject('/healthz')).statusCode, 200)
  await app.close()
})
