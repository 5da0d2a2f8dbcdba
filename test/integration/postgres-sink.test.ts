import { generateKeyPairSync } from 'node:crypto'
import t from 'tap'
import { hasGoodSignature, type Checkpoint } from '../../lib/audit/chain/checkpoint.js'
import { recordEntry, type AuditEntry } from '../../lib/audit/entry.js'
import { postgresSink, type PostgresSinkOptions } from '../../lib/audit/postgres/postgres-sink.js'
import { listStreams, verifyTable } from '../../lib/audit/postgres/verify-table.js'
import { numberedBatch, numberedNames, sinkDatabase, testContext, testPool } from '../support/postgres.js'

const { connectionString, isServer, pool, open, resources } = await sinkDatabase(t)

t.test('options that are unknown or invalid are refused by name', async t => {
  const pem = generateKeyPairSync('rsa', { modulusLength: 2_048 })
    .privateKey.export({ type: 'pkcs8', format: 'pem' })
    .toString()
  const refused: Array<[options: object, path: string]> = [
    [{}, 'postgresSink.pool'],
    [{ pool, connectionString }, 'postgresSink.pool'],
    [{ pool: {} }, 'postgresSink.pool'],
    [{ connectionString: '' }, 'postgresSink.connectionString'],
    [{ pool, tabel: 'x' }, 'postgresSink.tabel'],
    [{ pool, table: 'a.b.c' }, 'postgresSink.table'],
    [{ pool, table: 'a"; DROP TABLE b' }, 'postgresSink.table'],
    [{ pool, stream: '' }, 'postgresSink.stream'],
    [{ pool, stream: 'x'.repeat(256) }, 'postgresSink.stream'],
    [{ pool, stream: 'a\0b' }, 'postgresSink.stream'],
    [{ pool, spoolPath: '/tmp/spool' }, 'postgresSink.spoolPath'],
    [{ pool, policy: { admin: 'wait' } }, 'postgresSink.policy.admin'],
    [{ pool, signingKey: pem }, 'postgresSink.signingKey'],
    [{ pool, checkpointEntries: 0 }, 'postgresSink.checkpointEntries'],
    [{ pool, checkpointIntervalMs: 1.5 }, 'postgresSink.checkpointIntervalMs'],
    [{ pool, onCheckpoint: 1 }, 'postgresSink.onCheckpoint']
  ]
  for (const [options, path] of refused) {
    t.throws(() => postgresSink(options as PostgresSinkOptions), { code: 'NOEX_ERR_INVALID_OPTION', path })
  }
  t.match(postgresSink({ pool, policy: { read: 'block' } }), {
    name: 'postgres',
    policy: { admin: 'block', write: 'block', read: 'block' }
  })
})

t.test('entries are in the table, in order, with every property, when write resolves', async t => {
  const writer = await open({ table: 'members', stream: 's' })
  const base: AuditEntry = {
    timestamp: 1_769_860_800_000,
    userId: null,
    sessionId: null,
    operation: 'store.get',
    resource: '*',
    result: 'success',
    remoteAddress: ''
  }
  const entries = [
    base,
    {
      ...base,
      userId: 'jo"se\\',
      sessionId: 'NULL',
      result: 'error' as const,
      error: 'quotes " {,} \\ and\nlines',
      remoteAddress: '2001:db8::1'
    },
    {
      ...base,
      userId: '',
      resource: '😀 bücket',
      details: { z: 1, a: [1.5e300, null, '{"x"}'], 10: true, 'a\0b\ud800': '\0\ud800', e: {} }
    }
  ].map(recordEntry)
  await writer.write(entries.slice(0, 1))
  await writer.write(entries.slice(1))
  await writer.close()
  const { rows } = await pool.query(
    `SELECT user_id, session_id, error, remote_address, details::text, seq::int, stream
      FROM members AS entry ORDER BY entry.seq`
  )
  t.strictSame(rows, [
    { user_id: null, session_id: null, error: null, remote_address: '', details: null, seq: 1, stream: 's' },
    {
      user_id: 'jo"se\\',
      session_id: 'NULL',
      error: 'quotes " {,} \\ and\nlines',
      remote_address: '2001:db8::1',
      details: null,
      seq: 2,
      stream: 's'
    },
    {
      user_id: '',
      session_id: null,
      error: null,
      remote_address: '',
      details: JSON.stringify(entries[2]?.entry.details),
      seq: 3,
      stream: 's'
    }
  ])
  t.match(await verifyTable(pool, { table: 'members', stream: 's' }), { ok: true, entries: 3, lastSeq: 3 })
})

t.test('a chain goes on after a restart, and large batches are whole', async t => {
  const first = await open({ table: 'restarts', stream: 's' })
  await first.write(numberedBatch(1, 1_300))
  await first.close()
  const second = await open({ table: 'restarts', stream: 's' })
  await second.write(numberedBatch(1_301, 1_310))
  await second.close()
  t.strictSame(await resources('restarts', 's'), numberedNames(1_310))
  t.match(await verifyTable(pool, { table: 'restarts', stream: 's' }), { ok: true, entries: 1_310 })
})

t.test('a pool lends one client, and is not ended', async t => {
  const own = testPool(t, connectionString, { max: 2 })
  const writer = await open({ connectionString: undefined, pool: own, table: 'pooled', stream: 's' })
  await writer.write(numberedBatch(1, 5))
  t.equal(own.totalCount - own.idleCount, 1)
  await writer.close()
  t.equal(own.totalCount, 0, 'a client with settings and locks is not given back')
  t.strictSame(await resources('pooled', 's', own), numberedNames(5))
})

const skip = isServer ? false : 'PGlite has one session'
t.test('a table of its own schema is made by two at once', { skip }, async t => {
  await pool.query('CREATE SCHEMA "Own"')
  for (let round = 0; round < 5; round++) {
    const table = `Own.Trail_${round}`
    const writers = await Promise.all(['a', 'b', 'c'].map(async stream => await open({ table, stream })))
    await Promise.all(writers.map(async writer => { await writer.write(numberedBatch(1, 3)) }))
    for (const writer of writers) await writer.close()
    for (const stream of ['a', 'b', 'c']) {
      t.match(await verifyTable(pool, { table, stream }), { ok: true, entries: 3 })
    }
    const { rows } = await pool.query(
      'SELECT count(*)::int AS indexes FROM pg_indexes WHERE schemaname = $1 AND tablename = $2',
      ['Own', `Trail_${round}`]
    )
    t.strictSame(rows, [{ indexes: 3 }])
  }
})

t.test(
  'a second writer of a stream is refused at the start, until the first has gone',
  { skip: isServer ? false : 'PGlite has one session' },
  async t => {
    const writer = await open({ table: 'taken', stream: 's' })
    await t.rejects(open({ table: 'taken', stream: 's' }), {
      message: /another process writes the stream s of table taken/
    })
    const waiting = open({ table: 'public.taken', stream: 's' })
    await writer.close()
    await (await waiting).close()
  }
)

t.test('a table with other columns or types is refused, and the column is named', async t => {
  await (await open({ table: 'columns', stream: 's' })).close()
  const changes: Array<[change: string, message: RegExp, back: string]> = [
    ['DROP COLUMN remote_address', /no column remote_address/, 'ADD COLUMN remote_address text NOT NULL'],
    [
      'ALTER COLUMN details TYPE jsonb',
      /column details .* is jsonb, but must be json/,
      'ALTER COLUMN details TYPE json'
    ],
    [
      'ALTER COLUMN user_id SET NOT NULL',
      /column user_id .* must be nullable/,
      'ALTER COLUMN user_id DROP NOT NULL'
    ],
    ['ADD COLUMN tenant text NOT NULL', /column tenant .* is unknown/, 'ALTER COLUMN tenant DROP NOT NULL']
  ]
  for (const [change, message, back] of changes) {
    await pool.query(`ALTER TABLE columns ${change}`)
    await t.rejects(open({ table: 'columns', stream: 's' }), { message }, change)
    await pool.query(`ALTER TABLE columns ${back}`)
  }
  const writer = await open({ table: 'columns', stream: 's' })
  await writer.write(numberedBatch(1, 2))
  await writer.close()
  t.match(
    await verifyTable(pool, { table: 'columns', stream: 's' }),
    { ok: true, entries: 2 },
    'one more nullable column does no harm'
  )
  await pool.query('ALTER TABLE columns DROP CONSTRAINT columns_pkey')
  await t.rejects(
    open({ table: 'columns', stream: 's' }),
    { message: /ON CONFLICT/ },
    'without the key, entries could be there twice'
  )
})

t.test('without spool, a database that is away is refused at the start', async t => {
  await t.rejects(open({ connectionString: 'postgres://postgres@127.0.0.1:1/none' }), {
    message: /database cannot be reached: .*ECONNREFUSED/
  })
  const error = await open({ connectionString: 'postgres://user:secret@[bad:x' }).catch(
    (error: unknown) => error
  )
  t.match(error, { message: /connectionString cannot be understood/ })
  t.notMatch(JSON.stringify(error, Object.getOwnPropertyNames(error)), /secret/)
})

t.test('entries of another process under the same numbers end the writing for good', async t => {
  const context = testContext()
  const writer = await open({ table: 'foreign_rows', stream: 's' }, context)
  await writer.write(numberedBatch(1, 2))
  await pool.query(`INSERT INTO foreign_rows
    (timestamp, operation, resource, result, remote_address, seq, stream, hash)
    VALUES (1, 'store.get', 'x', 'success', '', 4, 's', 'f')`)
  const failure = context.nextFailure()
  const written = writer.write(numberedBatch(3, 6))
  written.catch(() => {})
  t.equal(await failure, 'another process writes the stream')
  await writer.close()
  await t.rejects(written, { message: /entry 4 of the stream s is not the one that was written/ })
})

t.test('verifyTable finds rows that were changed, removed and added', async t => {
  const fresh = async (): Promise<void> => {
    await pool.query('DROP TABLE IF EXISTS forged')
    const writer = await open({ table: 'forged', stream: 's' })
    await writer.write(numberedBatch(1, 1_200))
    await writer.close()
  }
  const forgeries: Array<[sql: string, seq: number, problem: RegExp]> = [
    ["UPDATE forged SET user_id = 'other' WHERE seq = 600", 600, /hash/],
    ['UPDATE forged SET details = \'{"n": 600}\' WHERE seq = 600', 600, /hash/],
    ['UPDATE forged SET timestamp = timestamp + 1 WHERE seq = 1', 1, /hash/],
    ["UPDATE forged SET error = '' WHERE seq = 601", 601, /hash/],
    ["UPDATE forged SET hash = repeat('0', 64) WHERE seq = 1200", 1_200, /hash/],
    ['DELETE FROM forged WHERE seq = 501', 501, /there is entry 502, where entry 501 should be/],
    ['DELETE FROM forged WHERE seq = 1', 1, /there is entry 2, where entry 1 should be/],
    ['UPDATE forged SET seq = -5 WHERE seq = 1200', 1, /there is entry -5, where entry 1 should be/]
  ]
  for (const [sql, seq, problem] of forgeries) {
    await fresh()
    t.match(await verifyTable(pool, { table: 'forged', stream: 's' }), { ok: true, entries: 1_200 })
    await pool.query(sql)
    t.match(await verifyTable(pool, { table: 'forged', stream: 's' }), { ok: false, seq, problem }, sql)
  }
  t.match(
    await verifyTable(pool, { table: 'forged', stream: 'unused' }),
    { ok: false, seq: 1, problem: /no entries/ },
    'a stream without entries'
  )
  t.same(await listStreams(pool, 'forged'), ['s'])
  await t.rejects(verifyTable(pool, { table: 'a;b', stream: 's' }), { name: 'TypeError' })
  await t.rejects(listStreams(pool, 'a;b'), { name: 'TypeError' })
})

t.test('verifyTable begins where old rows have been removed', async t => {
  const checkpoints: Checkpoint[] = []
  const writer = await open({
    table: 'pruned',
    stream: 's',
    checkpointEntries: 10,
    onCheckpoint (checkpoint) {
      checkpoints.push(checkpoint)
    }
  })
  for (const first of [1, 11, 21]) await writer.write(numberedBatch(first, first + 9))
  await writer.close()
  await pool.query('DELETE FROM pruned WHERE seq <= 20')
  const after = checkpoints[1] as Checkpoint
  t.match(await verifyTable(pool, { table: 'pruned', stream: 's' }), { ok: false, seq: 1 })
  t.match(await verifyTable(pool, { table: 'pruned', stream: 's', after }), {
    ok: true,
    entries: 10,
    lastSeq: 30,
    lastHash: checkpoints[2]?.hash
  })
  t.match(
    await verifyTable(pool, { table: 'pruned', stream: 's', after: { ...after, hash: 'f'.repeat(64) } }),
    { ok: false, seq: 21, problem: /hash/ }
  )
  await pool.query('DELETE FROM pruned WHERE seq = 21')
  t.match(await verifyTable(pool, { table: 'pruned', stream: 's', after }), {
    ok: false,
    seq: 21,
    problem: /there is entry 22/
  })
})

t.test('checkpoints are made after so many entries, after some time and at the end, signed', async t => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const checkpoints: Checkpoint[] = []
  let heard = (): void => {}
  const context = testContext()
  const writer = await open({
    table: 'checkpointed',
    stream: 's',
    signingKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    checkpointEntries: 10,
    checkpointIntervalMs: 50,
    onCheckpoint (checkpoint) {
      checkpoints.push(checkpoint)
      heard()
      throw new Error('of onCheckpoint')
    }
  }, context)
  await writer.write(numberedBatch(1, 12))
  t.equal(checkpoints.at(-1)?.seq, 12)
  const timed = new Promise<void>(resolve => { heard = resolve })
  await writer.write(numberedBatch(13, 14))
  // The process stays alive by this, not by the sink.
  const alive = setInterval(() => {}, 1_000)
  await timed
  clearInterval(alive)
  t.equal(checkpoints.at(-1)?.seq, 14)
  await writer.close()
  t.strictSame(checkpoints.map(({ seq, stream }) => [seq, stream]), [[12, 's'], [14, 's']])
  t.ok(checkpoints.every(checkpoint => hasGoodSignature(checkpoint, publicKey)))
  t.match(await verifyTable(pool, { table: 'checkpointed', stream: 's' }), {
    ok: true,
    lastHash: checkpoints[1]?.hash
  })
  await context.logged(/onCheckpoint of an audit sink has failed/)
})
