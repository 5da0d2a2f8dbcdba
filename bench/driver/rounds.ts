import { latencyOf, median, type Latency } from './statistics.js'
import type { ServerProcess } from './server-process.js'

/** What one round of load was: how many operations, and what each took as the clients saw it. */
export interface Load {
  readonly operations: number
  readonly tookMs: ReadonlyArray<ArrayLike<number>>
}

/** What an operation costs on one server. */
export interface Cost extends Latency {
  /** The median of the rounds. */
  readonly cpuMicros: number
  readonly rounds: readonly number[]
}

/**
 * Runs the load on each server by turns, since the machine is not the same from one second to the next. The first
 * round of each is for warming up and does not count.
 */
export async function alternate<Name extends string> (
  servers: Readonly<Record<Name, ServerProcess>>, rounds: number, run: (server: ServerProcess) => Promise<Load>
): Promise<Record<Name, Cost>> {
  const names = Object.keys(servers) as Name[]
  const samples = names.map(() => ({ cpuMicros: [] as number[], tookMs: [] as Array<ArrayLike<number>> }))
  for (let round = 0; round <= rounds; round++) {
    const turns = [...names.entries()]
    for (const [i, name] of round % 2 === 0 ? turns : turns.reverse()) {
      const before = await servers[name].read()
      const { operations, tookMs } = await run(servers[name])
      const after = await servers[name].read()
      if (round === 0) continue
      samples[i]?.cpuMicros.push((after.cpuMicros - before.cpuMicros) / operations)
      samples[i]?.tookMs.push(...tookMs)
    }
  }
  const costs = {} as Record<Name, Cost>
  for (const [i, { cpuMicros, tookMs }] of samples.entries()) {
    costs[names[i] as Name] = { cpuMicros: median(cpuMicros), rounds: cpuMicros, ...latencyOf(tookMs) }
  }
  return costs
}
