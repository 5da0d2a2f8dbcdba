import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { auditOptions } from '../../lib/audit/audit-options.js'
import { recordEntry } from '../../lib/audit/entry.js'
import { AuditTrail } from '../../lib/audit/trail.js'
import { systemClock } from '../../lib/util/clock.js'
import { jsonlSink } from '../../lib/exports/audit.js'
import type { Log } from '../../lib/util/log.js'
import { latencyOf } from '../driver/statistics.js'
import type { Row } from './row.js'

const RATE_PER_SECOND = 10_000
const OPEN_LOOP_MS = 5_000
const WRITERS = 64
const ENTRIES_PER_WRITER = 8_000

const silent: Log = { trace () {}, debug () {}, info () {}, warn () {}, error () {}, child: () => silent }

/**
 * Measures the trail by itself: the time until an entry is durable in a file, and how many become durable in
 * a second.
 */
export async function trail (): Promise<Row[]> {
  const directory = mkdtempSync(join(tmpdir(), 'noex-bench-'))
  const audit = {
    ...auditOptions.resolve({}, 'audit'),
    logLevel: 'silent' as const,
    sinks: [jsonlSink({ path: join(directory, 'audit.jsonl'), keep: 1 })]
  }
  const opened = await AuditTrail.open(audit, silent, systemClock)
  let n = 0
  const write = async (): Promise<void> => {
    const place = opened.reserve('write')
    if (place !== undefined) await place
    const durable = await opened.record(recordEntry({
      timestamp: Date.now(),
      userId: 'alice',
      sessionId: 'conn-7',
      operation: 'store.insert',
      resource: `orders-${++n}`,
      result: 'success',
      remoteAddress: '192.168.1.10'
    }), { tier: 'write', reserved: true, log: silent })
    if (durable !== true) throw new Error('an entry has not become durable')
  }
  const latency = await openLoop(write)
  const began = performance.now()
  await Promise.all(
    Array.from(
      { length: WRITERS },
      async () => { for (let i = 0; i < ENTRIES_PER_WRITER; i++) await write() }
    )
  )
  const perSecond = WRITERS * ENTRIES_PER_WRITER / (performance.now() - began) * 1_000
  await opened.close()
  rmSync(directory, { recursive: true })
  return [
    { name: `durable at ${RATE_PER_SECOND}/s, p50`, unit: 'ms', noex: latency.p50Ms, target: { atMost: 1 } },
    { name: `durable at ${RATE_PER_SECOND}/s, p99`, unit: 'ms', noex: latency.p99Ms, target: { atMost: 15 } },
    // At least 100,000 a second.
    { name: `durable, ${WRITERS} writers`, unit: 'µs/entry', noex: 1e6 / perSecond, target: { atMost: 10 } }
  ]
}

/**
 * Writes at a steady rate, whether or not earlier entries are durable. Latencies are from when an entry was
 * due.
 */
async function openLoop (write: () => Promise<void>): Promise<{ p50Ms: number, p99Ms: number }> {
  const latencies: number[] = []
  const pending: Array<Promise<void>> = []
  const began = performance.now()
  for (let sent = 0; sent < RATE_PER_SECOND * OPEN_LOOP_MS / 1_000;) {
    const due = Math.floor((performance.now() - began) * RATE_PER_SECOND / 1_000)
    for (; sent < due; sent++) {
      const at = began + sent * 1_000 / RATE_PER_SECOND
      pending.push(write().then(() => { latencies.push(performance.now() - at) }))
    }
    await setImmediate()
  }
  await Promise.all(pending)
  return latencyOf([latencies])
}
