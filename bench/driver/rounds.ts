import { latencyOf, median, type Latency } from './statistics.js'
import type { ServerProcess } from './server-process.js'

/** One round of load: the number of operations, and the time of each as the clients saw it. */
export interface Load {
  readonly operations: number
  readonly tookMs: ReadonlyArray<ArrayLike<number>>
}

/** How many rounds count, and how many run before them. */
export interface Rounds {
  readonly warmUp: number
  readonly rounds: number
  /**
   * Parts of a round: the servers take turns with each, so that what disturbs a round disturbs all of them
   * alike.
   * @default 8
   */
  readonly turns?: number
}

/** The load of one server. */
interface Work<Name extends string> {
  /** Comes before each load, and is not measured. */
  readonly prepare?: (server: ServerProcess, name: Name) => Promise<void>
  readonly run: (server: ServerProcess, name: Name) => Promise<Load>
}

/** Shows that the programs work; the figures tell nothing. */
export const quickRounds: Rounds = { warmUp: 0, rounds: 1, turns: 1 }

/** The cost of an operation on one server. */
export interface Cost extends Latency {
  /** The median of the rounds. */
  readonly cpuMicros: number
  readonly rounds: readonly number[]
  /** µs from the beginning to the end of a round, for each of its operations. */
  readonly passedMicros: readonly number[]
}

/**
 * Runs the load on the servers by turns, since the machine is not the same from one second to the next. A
 * round is some loads, long enough to hold its share of garbage collection. The rounds for warming up do not
 * count.
 */
export async function alternate<Name extends string> (
  servers: Readonly<Record<Name, ServerProcess>>, { warmUp, rounds, turns = 8 }: Rounds,
  work: Work<Name> | Work<Name>['run']
): Promise<Record<Name, Cost>> {
  const { prepare, run } = typeof work === 'function' ? { run: work, prepare: undefined } : work
  const names = Object.keys(servers) as Name[]
  const samples = names.map((): Samples => ({ cpuMicros: [], passedMicros: [], tookMs: [] }))
  for (let round = 0; round < warmUp + rounds; round++) {
    const used = names.map(() => ({ cpuMicros: 0, passedMicros: 0, operations: 0 }))
    for (let turn = 0; turn < turns; turn++) {
      const order = [...names.entries()]
      for (const [i, name] of turn % 2 === 0 ? order : order.reverse()) {
        const sum = used[i] as typeof used[number]
        await prepare?.(servers[name], name)
        const before = await servers[name].read()
        const began = performance.now()
        const { operations, tookMs } = await run(servers[name], name)
        sum.passedMicros += (performance.now() - began) * 1_000
        const after = await servers[name].read()
        sum.cpuMicros += after.cpuMicros - before.cpuMicros
        sum.operations += operations
        if (round >= warmUp) samples[i]?.tookMs.push(...tookMs)
      }
    }
    if (round < warmUp) continue
    for (const [i, { cpuMicros, passedMicros, operations }] of used.entries()) {
      samples[i]?.cpuMicros.push(cpuMicros / operations)
      samples[i]?.passedMicros.push(passedMicros / operations)
    }
  }
  const costs = {} as Record<Name, Cost>
  for (const [i, { cpuMicros, tookMs, ...others }] of samples.entries()) {
    costs[names[i] as Name] = {
      cpuMicros: median(cpuMicros), rounds: cpuMicros, ...others, ...latencyOf(tookMs)
    }
  }
  return costs
}

interface Samples {
  readonly cpuMicros: number[]
  readonly passedMicros: number[]
  readonly tookMs: Array<ArrayLike<number>>
}
