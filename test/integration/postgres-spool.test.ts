import { appendFileSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { emptyChain, seal } from '../../lib/audit/chain/chain.js'
import { verifyTable } from '../../lib/audit/postgres/verify-table.js'
import { spoolLine } from '../../lib/audit/postgres/spool-file.js'
import { numberedBatch, numberedNames, sinkDatabase, testContext } from '../support/postgres.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const { pool, open, resources } = await sinkDatabase(t)

t.test('a spool is replayed at the start; an incomplete last line is cut off', async t => {
  const spoolPath = join(temporaryDirectory(t), 'audit.spool')
  let text = ''
  let head = emptyChain
  for (const { json } of numberedBatch(1, 700)) {
    const sealed = seal(json, head)
    head = { seq: sealed.seq, hash: sealed.hash }
    text += `${spoolLine('spooled "1"', sealed.line)}\n`
  }
  writeFileSync(spoolPath, text)
  appendFileSync(spoolPath, text.slice(0, 60))
  const context = testContext()
  const writer = await open({ table: 'spooled', stream: 'other', spoolPath }, context)
  t.strictSame(context.notes, [{ operation: 'audit.recovered', details: { bytes: 60, spool: true } }])
  await writer.write(numberedBatch(701, 705))
  await context.logged(/spool of the audit trail is empty again/)
  t.equal(statSync(spoolPath).size, 0)
  await writer.write(numberedBatch(706, 710))
  await writer.close()
  t.strictSame(await resources('spooled', 'spooled "1"'), numberedNames(710))
  t.match(await verifyTable(pool, { table: 'spooled', stream: 'spooled "1"' }), { ok: true, entries: 710 })
})

t.test('entries that were delivered before are not there twice when a spool is replayed again', async t => {
  const spoolPath = join(temporaryDirectory(t), 'audit.spool')
  const before = await open({ table: 'again', stream: 's' })
  await before.write(numberedBatch(1, 20))
  await before.close()
  let head = emptyChain
  const lines = numberedBatch(1, 10).map(({ json }) => {
    const sealed = seal(json, head)
    head = sealed
    return `${spoolLine('s', sealed.line)}\n`
  })
  writeFileSync(spoolPath, lines.join(''))
  const context = testContext()
  const writer = await open({ table: 'again', stream: 's', spoolPath }, context)
  await context.logged(/is empty again/)
  await writer.write(numberedBatch(21, 25))
  await writer.close()
  t.strictSame(await resources('again', 's'), numberedNames(25))
  t.match(await verifyTable(pool, { table: 'again', stream: 's' }), { ok: true, entries: 25 })
})

t.test('a spool that is damaged in its middle is refused and left alone', async t => {
  const spoolPath = join(temporaryDirectory(t), 'audit.spool')
  const [first, second, third] = numberedBatch(1, 3)
  const a = seal(first?.json ?? '', emptyChain)
  const b = seal(second?.json ?? '', a)
  const c = seal(third?.json ?? '', b)
  const text = [a, b, c].map(({ line }) => `${spoolLine('s', line)}\n`).join('').replace('entry-2', 'entry-9')
  writeFileSync(spoolPath, text)
  await t.rejects(open({ table: 'damaged', stream: 's', spoolPath }), {
    message: /audit\.spool:2: the spool is damaged/
  })
  t.equal(readFileSync(spoolPath, 'utf8'), text)
  await t.rejects(
    open({ table: 'damaged', stream: 's', spoolPath: join(temporaryDirectory(t), 'none', 'audit.spool') }),
    { message: /ENOENT/ }
  )
})

t.test('with a spool, entries that the database refuses wait there, and the log says so', async t => {
  const spoolPath = join(temporaryDirectory(t), 'audit.spool')
  const context = testContext()
  const writer = await open({ table: 'refused', stream: 's', spoolPath }, context)
  await pool.query("ALTER TABLE refused ADD CHECK (resource <> 'entry-3')")
  await writer.write(numberedBatch(1, 2))
  await writer.write(numberedBatch(3, 4))
  await context.logged(/spool of the audit trail cannot be emptied/)
  await pool.query('ALTER TABLE refused DROP CONSTRAINT refused_resource_check')
  await context.logged(/is empty again/)
  await writer.close()
  t.strictSame(context.failures, [])
  t.strictSame(await resources('refused', 's'), numberedNames(4))
})

t.test('a spool has one owner, and no other can read it', async t => {
  const spoolPath = join(temporaryDirectory(t), 'audit.spool')
  const writer = await open({ table: 'owned', stream: 'a', spoolPath })
  t.equal(statSync(spoolPath).mode & 0o777, 0o600)
  await t.rejects(open({ table: 'owned', stream: 'b', spoolPath }), { message: /another process or sink/ })
  await writer.close()
  await (await open({ table: 'owned', stream: 'b', spoolPath })).close()
})
