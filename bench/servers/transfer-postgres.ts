// PostgreSQL behind a route of HTTP. Argument: the URL of an empty database.
import pg from 'pg'
import { OPENING_BALANCE, TRANSFER_ACCOUNTS } from '../workload/transfers.js'
import { processMicros } from './process-micros.js'
import { serveTransfers, type Balances } from './transfer-route.js'

/** Connections of the pool: commits of several share a sync of the disk. */
const CONNECTIONS = 32

const pool = new pg.Pool({
  connectionString: process.argv[2],
  max: CONNECTIONS,
  idleTimeoutMillis: 0,
  options: '-c synchronous_commit=on'
})
for (const setting of ['fsync', 'synchronous_commit']) {
  const { rows } = await pool.query<Record<string, string>>(`SHOW ${setting}`)
  if (rows[0]?.[setting] === 'on') continue
  throw new Error(`PostgreSQL has ${setting} off: set it on in postgresql.conf`)
}
await pool.query(
  'CREATE TABLE accounts (id integer PRIMARY KEY, balance bigint NOT NULL) WITH (fillfactor = 80)')
await pool.query('INSERT INTO accounts SELECT id, $2 FROM generate_series(0, $1 - 1) AS id',
  [TRANSFER_ACCOUNTS, OPENING_BALANCE])
await pool.query('VACUUM ANALYZE accounts')
// The rows are locked in the order of their ids, so that no two transfers wait for each other.
await pool.query(`
  CREATE FUNCTION transfer(source integer, target integer, amount bigint, OUT "from" bigint, OUT "to" bigint)
  LANGUAGE plpgsql AS $$
  BEGIN
    IF source < target THEN
      SELECT balance INTO "from" FROM accounts WHERE id = source FOR NO KEY UPDATE;
      SELECT balance INTO "to" FROM accounts WHERE id = target FOR NO KEY UPDATE;
    ELSE
      SELECT balance INTO "to" FROM accounts WHERE id = target FOR NO KEY UPDATE;
      SELECT balance INTO "from" FROM accounts WHERE id = source FOR NO KEY UPDATE;
    END IF;
    "from" := "from" - amount;
    "to" := "to" + amount;
    UPDATE accounts SET balance = "from" WHERE id = source;
    UPDATE accounts SET balance = "to" WHERE id = target;
  END $$`)

const opened = await Promise.all(Array.from({ length: CONNECTIONS }, async () => await pool.connect()))
for (const client of opened) client.release()
// The server's own processes belong to no database; those of other databases are not counted.
const { rows: processes } = await pool.query<{ pid: number }>(
  'SELECT pid FROM pg_stat_activity WHERE datname = current_database() OR datname IS NULL')
const pids = processes.map(({ pid }) => pid)
if (processMicros(pids) === 0) throw new Error('PostgreSQL must run on this machine: set DATABASE_URL')

interface Row {
  readonly from: string
  readonly to: string
}

await serveTransfers(async ({ from, to, amount }): Promise<Balances> => {
  const { rows } = await pool.query<Row>({
    name: 'transfer', text: 'SELECT "from", "to" FROM transfer($1, $2, $3)', values: [from, to, amount]
  })
  const row = rows[0] as Row
  return { from: Number(row.from), to: Number(row.to) }
}, {
  databaseMicros: () => processMicros(pids),
  balances: async () => {
    const { rows } = await pool.query<{ balance: string }>('SELECT balance FROM accounts ORDER BY id')
    return rows.map(({ balance }) => Number(balance))
  }
})
