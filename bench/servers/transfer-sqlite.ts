// SQLite behind a route of HTTP. Arguments: the folder with better-sqlite3, that of the database, and the
// value of the pragma `synchronous`.
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { OPENING_BALANCE, TRANSFER_ACCOUNTS, type Transfer } from '../workload/transfers.js'
import { serveTransfers, type Balances } from './transfer-route.js'

/** As much of better-sqlite3 as is used here. */
interface Statement {
  pluck: () => Statement
  get: (...values: readonly number[]) => unknown
  all: () => unknown[]
  run: (...values: readonly number[]) => unknown
}
interface Database {
  pragma: (text: string, options?: { readonly simple: boolean }) => unknown
  exec: (sql: string) => unknown
  prepare: (sql: string) => Statement
  transaction: <Args extends unknown[], Result> (work: (...args: Args) => Result) => {
    readonly immediate: (...args: Args) => Result
  }
}

const [, , rivals = '', folder = '', synchronous = ''] = process.argv
const require = createRequire(join(rivals, 'package.json'))
const SqliteDatabase = require('better-sqlite3') as new (path: string) => Database

const database = new SqliteDatabase(join(folder, `${synchronous}.sqlite`))
database.pragma('journal_mode = WAL')
database.pragma(`synchronous = ${synchronous}`)
const modes = ['journal_mode', 'synchronous'].map(name => database.pragma(name, { simple: true }))
if (String(modes) !== `wal,${synchronous === 'FULL' ? 2 : 1}`) throw new Error(`SQLite has ${String(modes)}`)
database.exec('CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL)')
const insert = database.prepare('INSERT INTO accounts (id, balance) VALUES (?, ?)')
database.transaction(() => {
  for (let id = 0; id < TRANSFER_ACCOUNTS; id++) insert.run(id, OPENING_BALANCE)
}).immediate()

const read = database.prepare('SELECT balance FROM accounts WHERE id = ?').pluck()
const write = database.prepare('UPDATE accounts SET balance = ? WHERE id = ?')
const transfer = database.transaction(({ from, to, amount }: Transfer): Balances => {
  const balances = { from: read.get(from) as number - amount, to: read.get(to) as number + amount }
  write.run(balances.from, from)
  write.run(balances.to, to)
  return balances
})
const all = database.prepare('SELECT balance FROM accounts ORDER BY id').pluck()
await serveTransfers(wanted => transfer.immediate(wanted), { balances: async () => all.all() as number[] })
