import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { JournalThread } from '@hamicek/noex-journal'
import { latencyOf, median } from '../driver/statistics.js'
import type { Row, Target } from './row.js'

const ROUNDS = 5
/** Text of one commit: an insert of a record with five fields. */
const commit = (n: number): string => JSON.stringify({
  time: 1_790_000_000_000 + n,
  user: 'alice',
  changes: [{
    type: 'insert',
    bucket: 'orders',
    key: `order-${n}`,
    after: {
      id: `order-${n}`,
      customer: `customer-${n % 1_000}`,
      state: 'open',
      total: n % 500,
      _version: 1,
      _createdAt: 1_790_000_000_000 + n
    }
  }]
})

interface Measured {
  readonly betweenMicros: number
  readonly loopMicros: number
  readonly allMicros: number
  readonly p50Ms: number
  readonly longestMs: number
}

/** Measures the journal by itself: writers that wait for the disk, each for its own line before the next. */
export async function journal (): Promise<Row[]> {
  const rows: Row[] = []
  const aims: Array<[writers: number, commits: number, perSecond: number | undefined]> = [
    [1, 2_000, undefined], [64, 60_000, 58_000], [512, 120_000, 145_000]
  ]
  for (const [writers, commits, aim] of aims) {
    const rounds: Measured[] = []
    for (let i = 0; i < ROUNDS; i++) rounds.push(await measure(writers, commits))
    const of = (figure: keyof Measured): number => median(rounds.map(round => round[figure]))
    const row = (name: string, unit: string, figure: keyof Measured, target?: Target): void => {
      rows.push({ name: `${writers} writers, ${name}`, unit, noex: of(figure), ...(target && { target }) })
    }
    const atMost = Math.round(1e8 / (aim ?? NaN)) / 100
    row('between commits', 'µs', 'betweenMicros', aim === undefined ? undefined : { atMost })
    row('main thread', 'µs CPU', 'loopMicros', aim === undefined ? undefined : { atMost: 10 })
    row('all threads', 'µs CPU', 'allMicros')
    row('durable, p50', 'ms', 'p50Ms')
    row('longest turn', 'ms', 'longestMs', { atMost: 20 })
  }
  return rows
}

async function measure (writers: number, commits: number): Promise<Measured> {
  const directory = mkdtempSync(join(tmpdir(), 'noex-bench-'))
  const { thread } = await JournalThread.open<number>({
    file: new URL('../servers/journal-worker.js', import.meta.url),
    name: 'journal',
    settings: join(directory, 'store.log'),
    title: 'the thread of the benchmark'
  })
  const texts = Array.from({ length: 1_000 }, (_, n) => commit(n))
  const latencies: number[] = []
  let left = commits
  const writer = async (): Promise<void> => {
    while (left > 0) {
      const n = left--
      const began = n % 16 === 0 ? performance.now() : 0
      await thread.write([texts[n % 1_000] as string])
      if (began > 0) latencies.push(performance.now() - began)
    }
  }
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  const cpu = process.cpuUsage()
  const loop = performance.eventLoopUtilization()
  const began = performance.now()
  await Promise.all(Array.from({ length: writers }, writer))
  const elapsed = performance.now() - began
  const { user, system } = process.cpuUsage(cpu)
  const { active } = performance.eventLoopUtilization(loop)
  delay.disable()
  await thread.close()
  rmSync(directory, { recursive: true })
  return {
    betweenMicros: elapsed * 1_000 / commits,
    loopMicros: active * 1_000 / commits,
    allMicros: (user + system) / commits,
    p50Ms: latencyOf([latencies]).p50Ms,
    longestMs: delay.max / 1e6
  }
}
