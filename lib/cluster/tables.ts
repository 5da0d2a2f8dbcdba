import { DatabaseRefusal, type PostgresConnection } from '../postgres/connection.js'

/** Format of the tables, and of the bodies in them. */
export const FORMAT = 1

/** Key of the lock for creating tables: an arbitrary number. */
const CREATION_LOCK = 7_105_827_937n

type Column = readonly [name: string, type: string, constraint?: 'NULL']

/** The tables, with the columns that the log needs; further ones must not need a value. */
const tables: Readonly<Record<string, readonly Column[]>> = {
  noex_lease: [
    ['name', 'text'],
    ['format', 'integer'],
    ['term', 'bigint'],
    ['holder', 'text', 'NULL'],
    ['address', 'text', 'NULL'],
    ['last_revision', 'bigint'],
    ['first_revision', 'bigint', 'NULL'],
    ['expires_at', 'timestamp with time zone'],
    ['epoch', 'uuid']
  ],
  noex_log: [
    ['name', 'text'],
    ['revision', 'bigint'],
    ['term', 'bigint'],
    ['n', 'integer'],
    ['at', 'timestamp with time zone'],
    ['format', 'integer'],
    ['body', 'text']
  ],
  noex_snapshot: [
    ['name', 'text'],
    ['revision', 'bigint'],
    ['part', 'integer'],
    ['body', 'text'],
    ['sha256', 'text']
  ]
}

const keys: Readonly<Record<string, string>> = {
  noex_lease: 'name', noex_log: 'name, revision', noex_snapshot: 'name, revision, part'
}

/** The statements that make the tables, for a role that may create some. */
export const createTables = [
  ...Object.entries(tables).map(([table, columns]) => {
    const list = columns.map(([name, type, constraint = 'NOT NULL']) => `${name} ${type} ${constraint}`)
    return `CREATE TABLE IF NOT EXISTS ${table} (${list.join(', ')}, PRIMARY KEY (${keys[table]}))`
  }),
  // Compressing takes longer than the disk does.
  'ALTER TABLE noex_log ALTER COLUMN body SET STORAGE EXTERNAL'
].join(';\n')

/**
 * Makes the tables where they are missing, and checks them.
 * @throws DatabaseRefusal that names what is wrong with them, or with the database, and what would be right
 */
export async function prepareTables (connection: PostgresConnection): Promise<void> {
  await checkServer(connection)
  const missing = await missingTables(connection)
  // First those that are there: they may be of others.
  await checkColumns(connection, Object.keys(tables).filter(table => !missing.includes(table)))
  if (missing.length > 0) {
    await create(connection)
    await checkColumns(connection, missing)
  }
  await checkRights(connection)
}

async function checkServer (connection: PostgresConnection): Promise<void> {
  const { rows } = await connection.query(`SELECT current_setting('server_encoding') AS encoding,
    current_setting('server_version_num')::int AS version, pg_is_in_recovery() AS is_standby`)
  const { encoding, version, is_standby: isStandby } = rows[0]
  if (encoding !== 'UTF8') {
    throw refusal(`the encoding of the database is ${encoding}, and must be UTF8: create it anew with ` +
      "ENCODING 'UTF8'")
  }
  if (version < 110_000) throw refusal('the database is older than PostgreSQL 11: take a newer one')
  if (isStandby === true) {
    throw refusal('the database is a standby and takes no writes: connect to the primary, with ' +
      'target_session_attrs=read-write for instance')
  }
}

async function missingTables (connection: PostgresConnection): Promise<string[]> {
  const { rows } = await connection.query(
    'SELECT t FROM unnest($1::text[]) AS t WHERE to_regclass(t) IS NULL', [Object.keys(tables)])
  return rows.map(({ t }) => t as string)
}

async function create (connection: PostgresConnection): Promise<void> {
  try {
    // In one transaction. Of two processes that create the tables at once, one would fail.
    await connection.query(`BEGIN; SELECT pg_advisory_xact_lock(${CREATION_LOCK}); ${createTables}; COMMIT`)
  } catch (error) {
    await connection.query('ROLLBACK').catch(() => {})
    if ((error as { code?: unknown }).code !== '42501') throw error
    const { rows } = await connection.query('SELECT current_user AS role, current_schema() AS schema')
    const missing = (await missingTables(connection)).join(', ')
    throw refusal(`the tables ${missing} are missing, and the role ${rows[0].role} may not create them: ` +
      `let it (GRANT CREATE ON SCHEMA ${rows[0].schema ?? 'public'} TO ${rows[0].role}), or make them as ` +
      'docs/cluster.md says', error)
  }
}

async function checkColumns (connection: PostgresConnection, names: readonly string[]): Promise<void> {
  for (const table of names) {
    const columns = tables[table] ?? []
    const { rows } = await connection.query(`SELECT attname AS name, format_type(atttypid, NULL) AS type,
      attnotnull AND NOT atthasdef AND attidentity = '' AS required
      FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped`, [table])
    const found = new Map(rows.map(row => [row.name as string, row as { type: string, required: boolean }]))
    for (const [name, type] of columns) {
      const column = found.get(name)
      if (column?.type !== type) {
        throw refusal(`table ${table} is none of this log: column ${name} is ` +
          `${column?.type ?? 'missing'}, and must be ${type}. Move the table out of the way, or take ` +
          'another schema (search_path) or database')
      }
      found.delete(name)
    }
    const [extra] = [...found].find(([, { required }]) => required) ?? []
    if (extra !== undefined) {
      throw refusal(`table ${table} has a column ${extra} that needs a value: give it a default`)
    }
  }
}

async function checkRights (connection: PostgresConnection): Promise<void> {
  const { rows } = await connection.query(`SELECT t, r, current_user AS role
    FROM unnest($1::text[]) AS t, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS r
    WHERE NOT has_table_privilege(t, r)
    AND (t, r) NOT IN (('noex_log', 'UPDATE'), ('noex_snapshot', 'UPDATE'), ('noex_lease', 'DELETE'))`,
  [Object.keys(tables)])
  if (rows.length === 0) return
  const [{ t: table, role }] = rows
  const rights = rows.filter(({ t }) => t === table).map(({ r }) => r as string).join(', ')
  throw refusal(`the role ${role} has no ${rights} on table ${table}: GRANT ${rights} ON ${table} TO ${role}`)
}

function refusal (problem: string, cause?: unknown): DatabaseRefusal {
  return new DatabaseRefusal(
    `cluster.postgres: ${problem}`, 'the database cannot be used', cause === undefined ? {} : { cause }
  )
}
