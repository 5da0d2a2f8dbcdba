import { statSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import t, { type Test } from 'tap'
import { postgresSink, type PostgresSinkOptions } from '../../lib/audit/postgres/postgres-sink.js'
import { verifyTable } from '../../lib/audit/postgres/verify-table.js'
import type { SinkWriter } from '../../lib/audit/sink.js'
import {
  makeServer,
  numberedBatch,
  postgresPrograms,
  testContext,
  type PostgresServer,
  type TestContext
} from '../support/postgres.js'
import { smallDisk } from '../support/small-disk.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

interface OpenSink {
  readonly writer: SinkWriter
  readonly context: TestContext
}

async function openSink (server: PostgresServer, options: PostgresSinkOptions): Promise<OpenSink> {
  const context = testContext()
  return {
    writer: await postgresSink({ connectionString: server.connectionString, ...options }).open(context),
    context
  }
}

async function ask<T> (server: PostgresServer, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: server.connectionString })
  client.on('error', () => {})
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

/** Fails unless the table has exactly the entries 1 to `last`, in order. */
async function expectAll (
  t: Test,
  server: PostgresServer,
  table: string,
  stream: string,
  last: number
): Promise<void> {
  await ask(server, async client => {
    const { rows } = await client.query(
      `SELECT resource FROM ${table} AS entry WHERE stream = $1 ORDER BY entry.seq`,
      [stream]
    )
    const found = (rows as Array<{ resource: string }>).map(({ resource }) => resource)
    t.strictSame(
      found,
      Array.from({ length: last }, (_, i) => `entry-${i + 1}`),
      'none missing, none twice, in order'
    )
    t.match(await verifyTable(client, { table, stream }), { ok: true, entries: last })
  })
}

/** Writes batch after batch in the background. */
class Writing {
  readonly #writer: SinkWriter
  readonly #size: number
  readonly #done: Promise<void>
  #last = 0
  #stopped = false
  #written = (): void => {}

  constructor (writer: SinkWriter, size: number) {
    this.#writer = writer
    this.#size = size
    this.#done = this.#run()
  }

  /** Resolves when so many entries are durable. */
  async reached (entries: number): Promise<void> {
    while (this.#last < entries) await new Promise<void>(resolve => { this.#written = resolve })
  }

  /** Resolves with the number of the last entry. */
  async stop (): Promise<number> {
    this.#stopped = true
    await this.#done
    return this.#last
  }

  async #run (): Promise<void> {
    while (!this.#stopped) {
      await this.#writer.write(numberedBatch(this.#last + 1, this.#last + this.#size))
      this.#last += this.#size
      this.#written()
    }
  }
}

const programs = postgresPrograms(t)
if (programs !== undefined) {
  const server = await makeServer(t, programs)
  await server.start()

  t.test('a server that is killed in the middle of writing loses nothing and doubles nothing', async t => {
    const { writer, context } = await openSink(server, { table: 'killed', stream: 's' })
    const writing = new Writing(writer, 700)
    for (let kills = 1; kills <= 2; kills++) {
      await writing.reached(2_100 * kills)
      const failure = context.nextFailure()
      await server.kill()
      t.equal(await failure, 'database unreachable')
      await server.start()
    }
    await writing.reached(6_300)
    const last = await writing.stop()
    await writer.close()
    await expectAll(t, server, 'killed', 's', last)
  })

  t.test('a connection that the server ends again and again is made again', async t => {
    const { writer } = await openSink(server, { table: 'terminated', stream: 's' })
    const writing = new Writing(writer, 50)
    for (let round = 1; round <= 5; round++) {
      await writing.reached(100 * round)
      await ask(server, async client => {
        await client.query(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE application_name = 'fastify-noex audit'`
        )
      })
    }
    await writing.reached(800)
    const last = await writing.stop()
    await writer.close()
    await expectAll(t, server, 'terminated', 's', last)
  })

  t.test('a server that hangs counts as failed, and gets the same entries when it goes on', async t => {
    const { writer, context } = await openSink(server, { table: 'frozen', stream: 's' })
    await writer.write(numberedBatch(1, 10))
    server.freeze()
    const failure = context.nextFailure()
    const written = writer.write(numberedBatch(11, 600))
    t.equal(await failure, 'database unreachable')
    server.resume()
    await written
    await writer.close()
    await expectAll(t, server, 'frozen', 's', 600)
  })

  t.test('a table that is locked does not block the writer for ever', async t => {
    const { writer, context } = await openSink(server, { table: 'locked', stream: 's' })
    await ask(server, async client => {
      await client.query('BEGIN; LOCK TABLE locked')
      const failure = context.nextFailure()
      const written = writer.write(numberedBatch(1, 3))
      await failure
      await client.query('COMMIT')
      await written
    })
    await writer.close()
    await expectAll(t, server, 'locked', 's', 3)
  })

  t.test(
    'with the disk of the spool full, writing fails until the database is back, and nothing is lost',
    async t => {
      const disk = smallDisk(t)
      if (disk === undefined) return
      const { writer, context } = await openSink(server, {
        table: 'filled',
        stream: 's',
        spoolPath: join(disk.directory, 'audit.spool')
      })
      const writing = new Writing(writer, 20)
      await writing.reached(100)
      disk.fill()
      await server.stop()
      t.equal(await context.nextFailure(), 'the spool cannot be used')
      t.match(context.failures.at(-1)?.error.message, /ENOSPC/)
      await server.start()
      await context.logged(/spool of the audit trail is empty/)
      await writing.reached(2_000)
      const last = await writing.stop()
      await writer.close()
      await expectAll(t, server, 'filled', 's', last)
    }
  )

  t.test('a pool of the application survives an outage, with its sink', async t => {
    const pool = new pg.Pool({ connectionString: server.connectionString, max: 2 })
    pool.on('error', () => {})
    t.teardown(async () => { await pool.end() })
    const { writer, context } = await openSink(server, {
      connectionString: undefined,
      pool,
      table: 'pooled',
      stream: 's'
    })
    await writer.write(numberedBatch(1, 5))
    const failure = context.nextFailure()
    await server.kill()
    const written = writer.write(numberedBatch(6, 9))
    t.equal(await failure, 'database unreachable')
    await server.start()
    await written
    await writer.close()
    t.equal(pool.totalCount, pool.idleCount, 'nothing is kept')
    await expectAll(t, server, 'pooled', 's', 9)
  })

  t.test('without spool, closing gives one more attempt and then gives up', async t => {
    const { writer, context } = await openSink(server, { table: 'given_up', stream: 's' })
    await writer.write(numberedBatch(1, 5))
    await server.stop()
    const failure = context.nextFailure()
    const written = writer.write(numberedBatch(6, 9))
    written.catch(() => {})
    await failure
    await writer.close()
    await t.rejects(written)
    await server.start()
    await expectAll(t, server, 'given_up', 's', 5)
  })

  t.test(
    'with a spool, entries are durable while the server is away, and come to the table in order',
    async t => {
      const spoolPath = join(temporaryDirectory(t), 'audit.spool')
      const { writer, context } = await openSink(server, { table: 'spooled', stream: 's', spoolPath })
      const writing = new Writing(writer, 40)
      await writing.reached(200)
      await server.kill()
      await context.logged(/go to the spool/)
      await writing.reached(4_000)
      t.not(statSync(spoolPath).size, 0)
      await server.start()
      // Entries written meanwhile go through the spool too.
      await writing.reached(6_000)
      const last = await writing.stop()
      await context.logged(/spool of the audit trail is empty again/)
      await writer.write(numberedBatch(last + 1, last + 10))
      await writer.close()
      t.strictSame(context.failures, [], 'no request was refused')
      t.equal(statSync(spoolPath).size, 0)
      await expectAll(t, server, 'spooled', 's', last + 10)
    }
  )

  t.test(
    'with a spool, a server that hangs is left, and rows that it wrote after all are not written twice',
    async t => {
      const spoolPath = join(temporaryDirectory(t), 'audit.spool')
      const { writer, context } = await openSink(server, { table: 'hanging', stream: 's', spoolPath })
      await writer.write(numberedBatch(1, 10))
      server.freeze()
      await writer.write(numberedBatch(11, 20))
      await writer.write(numberedBatch(21, 30))
      server.resume()
      await context.logged(/is empty again/)
      await writer.close()
      t.strictSame(context.failures, [])
      await expectAll(t, server, 'hanging', 's', 30)
    }
  )

  t.test('with a spool, the server may be away at every start: no number is given twice', async t => {
    const spoolPath = join(temporaryDirectory(t), 'audit.spool')
    const options = { table: 'started', stream: 's', spoolPath }
    const first = await openSink(server, options)
    await first.writer.write(numberedBatch(1, 10))
    await first.writer.close()
    await server.stop()
    const second = await openSink(server, options)
    await second.writer.write(numberedBatch(1, 20))
    await second.writer.close()
    const third = await openSink(server, options)
    await third.writer.write(numberedBatch(21, 30))
    await server.start()
    await third.context.logged(/is empty again/)
    await third.writer.write(numberedBatch(31, 40))
    await third.writer.close()
    const fourth = await openSink(server, options)
    await fourth.writer.write(numberedBatch(11, 15))
    await fourth.writer.close()
    const streams = await ask(
      server,
      async client =>
        (await client.query('SELECT DISTINCT stream FROM started ORDER BY stream')).rows as Array<{
          stream: string
        }>
    )
    t.equal(streams.length, 2)
    const own = streams[1]?.stream ?? ''
    t.match(own, /^s@\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
    await expectAll(t, server, 'started', 's', 15)
    await expectAll(t, server, 'started', own, 40)
  })
}
