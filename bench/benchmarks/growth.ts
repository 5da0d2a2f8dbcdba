import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openFilesLimit } from '../driver/open-files.js'
import { alternate, quickRounds, type Cost, type Rounds } from '../driver/rounds.js'
import { WatchedServer, type Writes } from '../driver/watched-server.js'
import { plotText, type Series } from '../plot.js'
import { growthCases, type GrowthCase } from '../workload/growth-cases.js'
import { growthOfCode } from './growth-code.js'
import { rawNetGet } from './request.js'
import { compareRounds, type Row } from './row.js'

const rounds: Rounds = { warmUp: 1, rounds: 7, turns: 1 }
const writes: Writes = { atMost: 400, forMs: 300 }
/** Until the compiler is done, in each server. */
const warmUpWrites: Writes = { atMost: 3_000, forMs: 1_500 }
const quickWrites: Writes = { atMost: 5, forMs: 50 }
/** CPU time of a get of raw net sockets for which the aims in microseconds are stated. */
const FLOOR_MICROS = 14.4
/** Most bytes of a push of one row. */
const PUSH_BYTES = 400
/** Files that a process needs beside the sockets of one case. */
const OTHER_FILES = 200

/** The figures of one case at one size. */
interface Measured {
  readonly size: number
  readonly cost: Cost
  readonly bytes: number
}

/**
 * Measures a write of one record against what is watched beside it: a flat line is the aim. Draws the lines
 * into bench/plots, of a quick run into a temporary folder.
 */
export async function * growth (isQuick: boolean): AsyncGenerator<Row> {
  const raw = await rawNetGet(isQuick)
  yield raw
  const lines: Array<{ readonly growthCase: GrowthCase, readonly measured: readonly Measured[] }> = []
  const { floor: least, ...cases } = growthCases
  const floor = await WatchedServer.start('floor', least, 1)
  for (const [name, growthCase] of Object.entries(cases)) {
    const { floorCost, measured } = await measure(name, growthCase, floor, isQuick)
    yield * rowsOf(growthCase, floorCost, measured, raw.noex / FLOOR_MICROS)
    lines.push({ growthCase, measured })
  }
  await floor.stop()
  yield * await growthOfCode(isQuick)
  const folder = isQuick ? mkdtempSync(join(tmpdir(), 'noex-bench-plots-')) : plotFolder()
  draw(folder, lines)
  yield { name: 'lines of a plot', unit: '', noex: lines.length, note: folder }
}

async function measure (
  name: string, growthCase: GrowthCase, floor: WatchedServer, isQuick: boolean
): Promise<{ readonly floorCost: Cost, readonly measured: readonly Measured[] }> {
  const most = growthCase.isByUser === true ? openFilesLimit() - OTHER_FILES : Infinity
  const sizes = (isQuick ? growthCase.quickSizes : growthCase.sizes).filter(size => size <= most)
  const watched = new Map([['floor', floor]])
  for (const size of sizes) watched.set(String(size), await WatchedServer.start(name, growthCase, size))
  if (!isQuick) for (const server of watched.values()) await server.write(warmUpWrites)
  const servers = Object.fromEntries([...watched].map(([key, { server }]) => [key, server]))
  const costs = await alternate(servers, isQuick ? quickRounds : rounds, async (_server, key) =>
    await (watched.get(key) as WatchedServer).write(isQuick ? quickWrites : writes))
  const measured = sizes.map(size => ({
    size, cost: costs[size] as Cost, bytes: watched.get(String(size))?.bytesPerPush ?? NaN
  }))
  for (const server of watched.values()) if (server !== floor) await server.stop()
  return { floorCost: costs['floor'] as Cost, measured }
}

/** The cost at each size beside that at the smallest, and at the largest beside the floor. */
function rowsOf (
  { title, ratioAtMost, addedAtMost }: GrowthCase, floor: Cost, measured: readonly Measured[], scale: number
): Row[] {
  const smallest = (measured[0] as Measured).cost
  const largest = measured.at(-1) as Measured
  const sized = measured.map(({ size, cost, bytes }): Row => ({
    ...compareRounds(
      `${size.toLocaleString('en')} ${title}`, 'µs CPU', smallest.rounds, cost.rounds,
      size === largest.size ? ratioAtMost : undefined
    ),
    note: `p50 ${cost.p50Ms.toFixed(2)} ms, p99 ${cost.p99Ms.toFixed(2)} ms, ${Math.round(bytes)} bytes`
  }))
  return [
    ...sized,
    {
      ...compareRounds('… beside the floor', 'µs CPU', floor.rounds, largest.cost.rounds),
      ...(addedAtMost !== undefined && { target: { addedAtMost: Math.round(addedAtMost * scale) } })
    },
    {
      name: '… a push',
      unit: 'bytes',
      noex: largest.bytes,
      target: { atMost: PUSH_BYTES }
    }
  ]
}

function plotFolder (): string {
  const folder = fileURLToPath(new URL('../../../bench/plots', import.meta.url))
  mkdirSync(folder, { recursive: true })
  return folder
}

function draw (
  folder: string,
  lines: ReadonlyArray<{ readonly growthCase: GrowthCase, readonly measured: readonly Measured[] }>
): void {
  const seriesOf = (figure: (measured: Measured) => number): Series[] =>
    lines.map(({ growthCase: { title }, measured }) => ({
      name: title.replaceAll('`', ''), points: measured.map(one => [one.size, figure(one)] as const)
    }))
  const x = 'live queries, users or rows'
  writeFileSync(join(folder, 'growth.svg'), plotText({
    title: 'A write of one record, against what is watched',
    x,
    y: 'µs of CPU',
    series: seriesOf(({ cost }) => cost.cpuMicros)
  }))
  writeFileSync(join(folder, 'growth-bytes.svg'), plotText({
    title: 'The push that a write of one record leads to',
    x,
    y: 'bytes',
    series: seriesOf(({ bytes }) => bytes)
  }))
}
