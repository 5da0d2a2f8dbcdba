import { fork } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { latencyOf } from '../driver/statistics.js'
import type { LongestTurns } from '../servers/turn-watch.js'
import type { DurableFigures, Part } from '../store/durable.js'
import type { Row } from './row.js'

const SIZES = [1_000, 10_000, 100_000, 1_000_000] as const
/** Syncs of the disk by which its speed is told, and bytes before each: about those of a small commit. */
const SYNCS = 500
const SYNCED_BYTES = 400

/** Measures single durable writes, starts and snapshots on buckets of several sizes. */
export async function durableBuckets (): Promise<Row[]> {
  const rows: Row[] = []
  for (const size of SIZES) rows.push(...await measure(size))
  return rows
}

/** Measures what the disk needs by itself, without a store. */
export function disk (): Row {
  const directory = mkdtempSync(join(tmpdir(), 'noex-bench-'))
  const file = openSync(join(directory, 'synced'), 'w')
  const bytes = Buffer.alloc(SYNCED_BYTES, 'x')
  const tookMs = Array.from({ length: SYNCS }, () => {
    writeSync(file, bytes)
    const began = performance.now()
    fdatasyncSync(file)
    return performance.now() - began
  })
  closeSync(file)
  rmSync(directory, { recursive: true })
  const { p50Ms, p99Ms } = latencyOf([tookMs])
  return { name: 'fdatasync of the disk, p50', unit: 'ms', noex: p50Ms, note: `p99 ${p99Ms.toFixed(2)}` }
}

async function measure (size: number): Promise<Row[]> {
  const directory = mkdtempSync(join(tmpdir(), 'noex-bench-'))
  try {
    await run('fill', directory, size)
    const log = await run('log', directory, size)
    const snapshot = await run('snapshot', directory, size)
    return rowsOf(size, log, snapshot)
  } finally {
    rmSync(directory, { recursive: true })
  }
}

function rowsOf (size: number, log: DurableFigures, snapshot: DurableFigures): Row[] {
  const rows: Row[] = []
  const of = size.toLocaleString('en')
  const turn = (name: string, { cpuMicros, passedMicros }: LongestTurns, atMost: number, also = ''): void => {
    const note = `${(passedMicros / 1_000).toFixed(1)} ms passed${also}`
    rows.push({ name, unit: 'ms CPU', noex: cpuMicros / 1_000, target: { atMost }, note })
  }
  const { write } = snapshot
  if (write !== undefined) {
    const note = `p50 ${write.p50Ms.toFixed(2)} ms`
    rows.push({
      name: `durable write, ${of}`, unit: 'µs CPU', noex: write.cpuMicros, target: { atMost: 300 }, note
    })
    turn('  longest turn', write.turns, 5)
  }
  for (const [name, { start }] of [['the log', log], ['a snapshot', snapshot]] as const) {
    const note = `${start.cpuSeconds.toFixed(1)} s of CPU`
    rows.push({
      name: `start from ${name}, ${of}`, unit: 's passed', noex: start.seconds, target: { atMost: 15 }, note
    })
    turn('  longest turn', start.turns, 20)
  }
  if (log.cut !== undefined) {
    const { turns, writes, seconds } = log.cut
    turn(`turn beside a snapshot, ${of}`, turns, 20, `; ${writes} writes in ${seconds.toFixed(1)} s`)
  }
  return rows
}

async function run (part: Part, directory: string, size: number): Promise<DurableFigures> {
  const child = fork(new URL('../store/durable.js', import.meta.url), [part, directory, String(size)], {
    execArgv: ['--max-old-space-size=6144', ...process.execArgv]
  })
  const failed = once(child, 'exit').then(([code]) => {
    throw new Error(`the benchmark of durable buckets has exited with code ${String(code)}`)
  })
  const [figures] = await Promise.race([once(child, 'message'), failed]) as [DurableFigures]
  await failed.catch(() => {})
  return figures
}
