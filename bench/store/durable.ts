import { setTimeout } from 'node:timers/promises'
import { Store } from '@hamicek/noex-store'
import { latencyOf } from '../driver/statistics.js'
import { watchTurns, type LongestTurns, type TurnWatch } from '../servers/turn-watch.js'
import { fill } from './buckets.js'

/**
 * Works on a store in files in a process: fills it; reads its log, and cuts that by a snapshot beside
 * writes; or reads the snapshot, and writes by itself.
 */
export type Part = 'fill' | 'log' | 'snapshot'

export interface DurableFigures {
  readonly start: { readonly seconds: number, readonly cpuSeconds: number, readonly turns: LongestTurns }
  /** While a snapshot was written beside writes, of which there were so many. */
  readonly cut?: { readonly writes: number, readonly seconds: number, readonly turns: LongestTurns }
  /** CPU time of the process for a write, one at a time; and how long its writer has waited. */
  readonly write?: { readonly cpuMicros: number, readonly p50Ms: number, readonly turns: LongestTurns }
}

const WRITES = 300
const WRITERS = 16
/** More than any log here has. */
const NEVER = Number.MAX_SAFE_INTEGER

/** Does one part on a bucket of one size and sends the figures to the parent: durable.js PART FOLDER SIZE */
const [part, directory, size] = process.argv.slice(2) as [Part, string, string]
process.send?.(await measure(), () => { process.exit() })

async function measure (): Promise<DurableFigures> {
  const watch = watchTurns()
  const cpu = process.cpuUsage()
  const began = performance.now()
  const snapshotBytes = part === 'log' ? 4_096 : NEVER
  const durability = { directory, snapshotBytes, onNotice () {} }
  const store = await Store.start({ ttlCheckIntervalMs: 0, durability })
  const start = {
    seconds: (performance.now() - began) / 1_000, cpuSeconds: cpuSince(cpu) / 1e6, turns: watch.longest()
  }
  const cut = part === 'log' && { cut: await besideSnapshot(store, watch) }
  const write = part === 'snapshot' && { write: await writesOf(store, watch) }
  if (part === 'fill') await fill(store, 'plain', Number(size))
  await store.stop()
  return { start, ...cut, ...write }
}

/** Writes, each when the one before is durable. */
async function writesOf (
  store: Store, watch: TurnWatch
): Promise<NonNullable<DurableFigures['write']>> {
  const records = store.bucket('records')
  const tookMs: number[] = []
  await setTimeout(100)
  const write = async (i: number): Promise<void> => {
    await records.update(String(i % Number(size)), { score: i })
  }
  for (let i = 0; i < WRITES; i++) await write(i)
  watch.longest()
  for (let i = 0; i < WRITES; i++) await write(i)
  const turns = watch.longest()
  watch.stop()
  const cpu = process.cpuUsage()
  for (let i = 0; i < WRITES; i++) {
    const began = performance.now()
    await write(i)
    tookMs.push(performance.now() - began)
  }
  return { cpuMicros: cpuSince(cpu) / WRITES, p50Ms: latencyOf([tookMs]).p50Ms, turns }
}

/** Writes on until the snapshot that the long log has begun is on the disk. */
async function besideSnapshot (
  store: Store, watch: TurnWatch
): Promise<NonNullable<DurableFigures['cut']>> {
  const records = store.bucket('records')
  let writes = 0
  const over = new AbortController()
  const writing = Promise.all(Array.from({ length: WRITERS }, async (_, writer) => {
    for (let i = writer; !over.signal.aborted; i += WRITERS) {
      await records.update(String(i % Number(size)), { score: i })
      writes++
    }
  }))
  watch.longest()
  const began = performance.now()
  while ((store.durability.files?.snapshots.length ?? 0) === 0) await setTimeout(10)
  const figures = { writes, seconds: (performance.now() - began) / 1_000, turns: watch.longest() }
  over.abort()
  await writing
  return figures
}

function cpuSince (before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before)
  return user + system
}
