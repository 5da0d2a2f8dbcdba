import { setTimeout } from 'node:timers/promises'
import * as own from '@hamicek/noex-store'
import * as registry from 'registry-noex-store'
import { median } from '../driver/statistics.js'
import { fill } from './buckets.js'
import { works, type Bench, type Group, type Work } from './works.js'

const WARM_UP = 2
const ROUNDS = 5

/** The figures of one package on a bucket of one size. */
export interface Figures {
  /** Growth of the resident memory for each record. */
  readonly bytesPerRecord: number
  /** µs of CPU by name of the work. */
  readonly micros: Readonly<Record<string, number>>
}

/**
 * Measures the works of a group on a bucket of one size and sends the figures to the parent:
 * measure.js own|registry plain|full|expiring SIZE
 */
const [name, group, size] = process.argv.slice(2) as [string, Group, string]
const figures = await measure(name === 'own', group, Number(size))
process.send?.(figures, () => { process.exit() })

async function measure (isOwn: boolean, group: Group, size: number): Promise<Figures> {
  const store = isOwn
    ? await own.Store.start({ ttlCheckIntervalMs: 0 })
    : await registry.Store.start({ ttlCheckIntervalMs: 0 }) as unknown as own.Store
  const before = await resident()
  await fill(store, group, size)
  const bytesPerRecord = (await resident() - before) / size
  const bench = { store, records: store.bucket('records'), size }
  const micros: Record<string, number> = {}
  for (const work of works) {
    if (work.group !== group) continue
    micros[work.name] = await microsOf(bench, work, isOwn ? work.calls : work.slow ?? work.calls)
  }
  await store.stop()
  return { bytesPerRecord, micros }
}

/** Median of the rounds: CPU time of the process for one figure. */
async function microsOf (
  bench: Bench, { prepare, call, clean, weight }: Work, calls: number
): Promise<number> {
  const rounds: number[] = []
  for (let round = 0; round < WARM_UP + ROUNDS; round++) {
    await prepare?.(bench, round * calls, calls)
    // An index that is built at its first use is there from the second round on.
    await bench.store.settle()
    const before = process.cpuUsage()
    for (let i = 0; i < calls; i++) await call(bench, round * calls + i)
    const { user, system } = process.cpuUsage(before)
    await clean?.(bench)
    if (round >= WARM_UP) rounds.push((user + system) / calls / (weight?.(bench.size) ?? 1))
  }
  return median(rounds)
}

async function resident (): Promise<number> {
  for (let i = 0; i < 3; i++) {
    globalThis.gc?.()
    await setTimeout(100)
  }
  return process.memoryUsage().rss
}
