import pg from 'pg'

const SERVER = process.env['DATABASE_URL'] ?? 'postgres://postgres@127.0.0.1:5432/postgres'

/** A database of the benchmark's own. */
export interface Database {
  readonly url: string
  readonly drop: () => Promise<void>
}

/** Creates a database in PostgreSQL of this machine. @throws where there is no server, with the remedy */
export async function createDatabase (): Promise<Database> {
  const name = `noex_bench_${process.pid}`
  await administer(`CREATE DATABASE ${name}`)
  const url = new URL(SERVER)
  url.pathname = name
  return { url: url.href, drop: async () => { await administer(`DROP DATABASE ${name} WITH (FORCE)`) } }
}

async function administer (sql: string): Promise<void> {
  const client = new pg.Client(SERVER)
  try {
    await client.connect()
    await client.query(sql)
  } catch (error) {
    throw new Error('PostgreSQL of this machine is compared with, and does not let the benchmark in: start ' +
      'it, and set DATABASE_URL to a user who may create databases', { cause: error })
  } finally {
    await client.end()
  }
}
