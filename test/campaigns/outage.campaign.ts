// The database of the audit trail is away for a minute while a client writes: nothing may be missing, twice,
// or held in memory. Prints what it measures. OUTAGE_SECONDS makes it shorter. Needs PostgreSQL's own
// programs.
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import t from 'tap'
import WebSocket from 'ws'
import { postgresSink } from '../../lib/audit/postgres/postgres-sink.js'
import { verifyTable } from '../../lib/audit/postgres/verify-table.js'
import { serve } from '../support/service.js'
import { makeServer, postgresPrograms } from '../support/postgres.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const AWAY_MS = Number(process.env['OUTAGE_SECONDS'] ?? 60) * 1_000
const WRITES_PER_SECOND = 1_000
/** Long enough for the ring of the trail to be full, and for the heap to have found its size. */
const WARM_UP_MS = 20_000
const MAX_GROWTH_MIB = 32
const MIB = 1_048_576

/** Updates one record at a steady rate, so that nothing but the trail grows. */
class Writer {
  readonly #socket: WebSocket
  readonly #key: string
  #ended = false
  #sent = 0
  applied = 0
  refused = 0

  constructor (socket: WebSocket, key: string) {
    this.#socket = socket
    this.#key = key
    socket.on('message', (data: Buffer) => {
      const type = data.toString('latin1')
      if (type.includes('"type":"result"')) this.applied += 1
      else if (type.includes('"type":"error"')) this.refused += 1
      else if (type.includes('"type":"ping"')) socket.send(type.replace('ping', 'pong'))
    })
  }

  async run (): Promise<void> {
    const began = performance.now()
    while (!this.#ended) {
      const due = Math.floor((performance.now() - began) * WRITES_PER_SECOND / 1_000)
      for (; this.#sent < due; this.#sent++) {
        this.#socket.send(
          JSON.stringify({
            id: this.#sent + 1,
            type: 'store.update',
            bucket: 'items',
            key: this.#key,
            data: { n: this.#sent }
          })
        )
      }
      await sleep(5)
    }
    while (this.applied + this.refused < this.#sent) await sleep(20)
  }

  end (): void {
    this.#ended = true
  }
}

/** Resolves with the highest RSS of some time, in MiB; looks twice a second. */
async function peakMiB (durationMs: number): Promise<number> {
  let peak = 0
  for (const end = performance.now() + durationMs; performance.now() < end; await sleep(500)) {
    peak = Math.max(peak, process.memoryUsage.rss() / MIB)
  }
  return peak
}

const title = `the database is away for ${AWAY_MS / 1_000} s at ${WRITES_PER_SECOND} writes a second`

t.test(title, { timeout: 4 * AWAY_MS + 120_000 }, async t => {
  const programs = postgresPrograms(t)
  if (programs === undefined) return
  const server = await makeServer(t, programs)
  await server.start()
  const spoolPath = join(temporaryDirectory(t), 'audit.spool')
  const sink = postgresSink({ connectionString: server.connectionString, stream: 'outage', spoolPath })
  const { app, store, url } = await serve(t, { audit: { tiers: ['admin', 'write'], sinks: [sink] } })
  const record = await store.bucket('items').insert({ n: 0 })
  const socket = new WebSocket(url)
  const writer = new Writer(socket, record['id'] as string)
  await new Promise(resolve => { socket.once('open', resolve) })
  const written = writer.run()

  const before = await peakMiB(WARM_UP_MS)
  t.comment(`with the database: ${writer.applied} writes, RSS ${before.toFixed(1)} MiB`)
  await server.stop()
  const during = await peakMiB(AWAY_MS)
  const spooled = statSync(spoolPath).size
  t.comment(
    `without: ${writer.applied} writes, RSS ${during.toFixed(1)} MiB, ` +
      `${(spooled / MIB).toFixed(1)} MiB in the spool`
  )
  t.ok(spooled > 0, 'entries wait in the spool')
  await server.start()
  const began = performance.now()
  while (statSync(spoolPath).size > 0) await sleep(50)
  const after = process.memoryUsage.rss() / MIB
  t.comment(
    `replayed in ${((performance.now() - began) / 1_000).toFixed(1)} s with the writes going on, ` +
      `RSS ${after.toFixed(1)} MiB`
  )
  writer.end()
  await written
  socket.close()
  await app.close()

  const growth = Math.max(during, after) - before
  t.comment(`memory growth: ${growth.toFixed(1)} MiB`)
  t.ok(growth < MAX_GROWTH_MIB, `below ${MAX_GROWTH_MIB} MiB`)
  t.equal(writer.refused, 0, 'nothing is refused')

  const client = new pg.Client({ connectionString: server.connectionString })
  await client.connect()
  const {
    rows: [counted]
  } = await client.query(
    'SELECT count(*)::int AS entries, count(DISTINCT seq)::int AS numbers FROM audit_log ' +
      "WHERE operation = 'store.update' AND result = 'success'"
  )
  t.comment(
    `${writer.applied} writes acknowledged, ${counted.entries} in the table: ` +
      `${writer.applied - counted.numbers} missing, ${counted.entries - counted.numbers} twice`
  )
  t.same(counted, { entries: writer.applied, numbers: writer.applied }, 'none missing, none twice')
  t.match(await verifyTable(client, { stream: 'outage' }), { ok: true }, 'the chain holds')
  await client.end()
})
