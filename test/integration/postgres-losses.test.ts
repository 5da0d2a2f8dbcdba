import { appendFileSync, existsSync, rmSync, statSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Checkpoint } from '../../lib/audit/chain/checkpoint.js'
import { signCheckpoint } from '../../lib/audit/chain/checkpoint.js'
import { postgresSink, type PostgresSinkOptions } from '../../lib/audit/postgres/postgres-sink.js'
import { verifyTable } from '../../lib/audit/postgres/verify-table.js'
import type { SinkWriter } from '../../lib/audit/sink.js'
import { keys } from '../support/audit-trail-files.js'
import { numberedBatch, testContext, testDatabase, testPool, type TestContext } from '../support/postgres.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const { connectionString, isServer } = await testDatabase(t)
const pool = testPool(t, connectionString, { max: isServer ? 10 : 3 })
const { publicKey } = keys

interface Opened {
  readonly writer: SinkWriter
  readonly context: TestContext
  readonly made: Checkpoint[]
}

async function open (table: string, options: Partial<PostgresSinkOptions> = {}): Promise<Opened> {
  const made: Checkpoint[] = []
  const context = testContext()
  const sink = postgresSink({
    connectionString,
    table,
    stream: 's',
    signingKey: keys.privateKey,
    checkpointEntries: 5,
    onCheckpoint (checkpoint) { made.push(checkpoint) },
    ...options
  })
  return { writer: await sink.open(context), context, made }
}

interface Loss {
  readonly where: string
  /** The problem without checkpoints; absent where none is found. */
  readonly problem?: RegExp
  /** The problem with checkpoints. */
  readonly signed: RegExp
}

const losses: Record<string, Loss> = {
  'rows are deleted at the beginning': {
    where: 'seq <= 5',
    problem: /^entries 1 to 5: missing; there is entry 6/,
    signed: /^entries 1 to 5: missing/
  },
  'rows are deleted in the middle': {
    where: 'seq BETWEEN 8 AND 9', problem: /^entries 8 to 9: missing/, signed: /^entries 8 to 9: missing/
  },
  'rows are deleted at the end': {
    where: 'seq > 17',
    signed: /^entries 18 to 20: missing; the stream ends here, but a checkpoint states entry 20/
  },
  'all rows are deleted': { where: 'true', problem: /has no entries/, signed: /^entries 1 to 20: missing/ }
}

for (const [i, [title, { where, problem, signed }]] of Object.entries(losses).entries()) {
  t.test(`${title}, while the process is stopped`, async t => {
    const table = `stopped_${i}`
    const { writer, made } = await open(table)
    for (let n = 1; n <= 20; n += 5) await writer.write(numberedBatch(n, n + 4))
    await writer.close()
    t.match(
      await verifyTable(pool, { table, stream: 's', checkpoints: made, publicKey }),
      { ok: true, entries: 20 }
    )
    await pool.query(`DELETE FROM ${table} WHERE ${where}`)
    t.match(
      await verifyTable(pool, { table, stream: 's' }),
      problem === undefined ? { ok: true } : { ok: false, problem }
    )
    t.match(
      await verifyTable(pool, { table, stream: 's', checkpoints: made, publicKey }),
      { ok: false, problem: signed }
    )

    const again = await open(table)
    await again.writer.write(numberedBatch(21, 30))
    await again.writer.close()
    t.match(
      await verifyTable(pool, { table, stream: 's', checkpoints: made, publicKey }),
      { ok: false },
      'a start does not hide it'
    )
  })

  t.test(`${title}, while the process runs`, async t => {
    const table = `running_${i}`
    const { writer, made } = await open(table)
    for (let n = 1; n <= 20; n += 5) await writer.write(numberedBatch(n, n + 4))
    await pool.query(`DELETE FROM ${table} WHERE ${where}`)
    await writer.write(numberedBatch(21, 25))
    await writer.close()
    const isAtEnd = problem === undefined || problem.test('has no entries')
    const missing = isAtEnd ? /^entries (?:1|18) to 20: missing/ : problem
    t.match(await verifyTable(pool, { table, stream: 's' }), { ok: false, problem: missing })
    const after = made.find(({ seq }) => seq === 20) as Checkpoint
    const rest = await verifyTable(pool, { table, stream: 's', after, checkpoints: made, publicKey })
    t.match(rest, { ok: true, entries: 5, lastSeq: 25 })
  })
}

t.test('a writer that connects again reports which of its rows are gone', async t => {
  const table = 'fallen_behind'
  const { writer, context } = await open(table, { connectionString: undefined, pool: pool as never })
  await writer.write(numberedBatch(1, 20))
  await pool.query(`DELETE FROM ${table} WHERE seq > 15`)
  const failure = context.nextFailure()
  await pool.query(`SELECT pg_terminate_backend(pid)
    FROM pg_locks JOIN pg_database ON pg_database.oid = database
    WHERE locktype = 'advisory' AND datname = current_database() AND pid <> pg_backend_pid()`)
  const written = writer.write(numberedBatch(21, 22))
  await failure
  await written
  await writer.close()
  t.match(context.notes, [{ operation: 'audit.lost', details: { from: 16, to: 20, stream: 's' } }])
})

t.test('two streams of one table do not stand in for each other', async t => {
  const table = 'two_streams'
  const [one, other] = [await open(table), await open(table, { stream: 'other' })]
  await one.writer.write(numberedBatch(1, 5))
  await other.writer.write(numberedBatch(101, 105))
  await one.writer.close()
  await other.writer.close()
  for (const [stream, { made }] of [['s', one], ['other', other]] as const) {
    t.match(
      await verifyTable(pool, { table, stream, checkpoints: made, publicKey }),
      { ok: true, entries: 5 }
    )
  }
  for (const [from, to] of [['s', 'x'], ['other', 's'], ['x', 'other']]) {
    await pool.query(`UPDATE ${table} SET stream = $2 WHERE stream = $1`, [from, to])
  }
  t.match(
    await verifyTable(pool, { table, stream: 's', checkpoints: one.made, publicKey }),
    { ok: false, problem: /hash that a checkpoint states/ }
  )
  t.match(
    await verifyTable(pool, { table, stream: 's', checkpoints: other.made, publicKey }),
    { ok: false, problem: /is of the stream "other", not of "s"/ }
  )
})

t.test('the options checkpoints and after must be valid, and of this stream', async t => {
  const table = 'places'
  const { writer, made } = await open(table)
  await writer.write(numberedBatch(1, 10))
  await writer.write(numberedBatch(11, 20))
  await writer.close()
  const [ten, twenty] = made as [Checkpoint, Checkpoint]
  const verify = async (options: object): Promise<object> => await verifyTable(
    pool,
    { table, stream: 's', ...options }
  )
  const { signature, ...unsigned } = ten
  t.match(
    await verify({ after: ten, checkpoints: made, publicKey }),
    { ok: true, entries: 10 },
    'the rows before may still be there'
  )
  t.match(
    await verify({ after: { seq: 20, hash: twenty.hash } }),
    { ok: true, entries: 0 },
    'nothing new since then'
  )
  t.match(
    await verify({ after: { seq: 10, hash: twenty.hash } }),
    { ok: false, seq: 10, problem: /"after" states/ }
  )
  t.match(
    await verify({ after: { seq: 30, hash: twenty.hash } }),
    { ok: false, problem: /no entries after entry 30/ },
    'of the future'
  )
  t.match(
    await verify({ after: { ...unsigned, stream: 'other' } }),
    { ok: false, problem: /is of the stream "other"/ }
  )
  t.match(
    await verify({ after: unsigned, checkpoints: made, publicKey }),
    { ok: false, problem: /is not signed/ }
  )
  t.match(await verify({ checkpoints: [unsigned], publicKey }), { ok: false, problem: /is not signed/ })
  t.match(await verify({ publicKey }), { ok: false, problem: /nothing here is signed/ })
  const forged = signCheckpoint({ ...unsigned, hash: 'f'.repeat(64) }, keys.privateKey)
  t.match(
    await verify({ checkpoints: [ten, forged], publicKey }),
    { ok: false, problem: /two checkpoints for entry 10/ }
  )
  t.match(await verify({ checkpoints: [forged], publicKey }), { ok: false, seq: 10 })
  for (const after of [5, 'text', {}, { seq: 1 }, { seq: -1, hash: ten.hash }, { seq: 1, hash: 'x' }]) {
    await t.rejects(verify({ after }), TypeError)
  }
  for (const checkpoint of [null, 5, {}, { ...ten, seq: 'x' }]) {
    await t.rejects(verify({ checkpoints: [checkpoint] }), TypeError)
  }
})

const changes: Record<string, { change: (path: string) => void, isLoss: boolean }> = {
  'is removed': { change (path) { rmSync(path) }, isLoss: true },
  'is emptied': { change (path) { truncateSync(path) }, isLoss: true },
  'is cut within a line': { change (path) { truncateSync(path, statSync(path).size - 9) }, isLoss: true },
  'loses its lock': { change (path) { rmSync(`${path}.lock`) }, isLoss: false },
  'is added to': { change (path) { appendFileSync(path, 'hello\n') }, isLoss: false }
}
for (const [i, [title, { change, isLoss }]] of Object.entries(changes).entries()) {
  t.test(`a spool that ${title} while entries wait in it`, async t => {
    const table = `spool_${i}`
    const spoolPath = join(temporaryDirectory(t), 'audit.spool')
    const { writer, context } = await open(table, { spoolPath })
    await writer.write(numberedBatch(1, 3))
    await pool.query(`ALTER TABLE ${table} ADD CHECK (resource <> 'entry-4')`)
    await writer.write(numberedBatch(4, 6))
    await context.logged(/spool of the audit trail cannot be emptied/)
    change(spoolPath)
    await writer.write(numberedBatch(7, 9))
    await pool.query(`ALTER TABLE ${table} DROP CONSTRAINT ${table}_resource_check`)
    await context.logged(/is empty again/)
    await writer.write(numberedBatch(10, 12))
    await writer.close()
    t.equal(statSync(spoolPath).size, 0)
    t.equal(
      existsSync(`${spoolPath}.torn`),
      /cut within|added to/.test(title),
      'what is not of the spool any more is kept'
    )
    const result = await verifyTable(pool, { table, stream: 's' })
    if (!isLoss) {
      t.match(result, { ok: true, entries: 12 })
      return
    }
    t.match(result, { ok: false, seq: 4, problem: /^entries 4 to 6: missing/ })
    t.match(context.notes, [{ operation: 'audit.lost', details: { from: 4, to: 6, stream: 's' } }])
    t.match(context.messages.filter(message => /have been removed/.test(message)).length, 1)
  })
}
