import { fork } from 'node:child_process'
import { once } from 'node:events'
import type { Figures } from '../store/measure.js'
import { works, type Group } from '../store/works.js'
import type { Row } from './row.js'

const SIZES = [10_000, 100_000, 1_000_000] as const
const LARGEST = SIZES[2]
/** Records of the bucket on which both packages are measured; the registry's needs too long with more. */
const COMPARED = SIZES[1]
const GROUPS: readonly Group[] = ['plain', 'full', 'expiring']
/** Most bytes of resident memory for a record with two indexes. */
const BYTES_AIM = 1_100

/** Measures the store alone, and the registry's package beside it, each in a process of its own. */
export async function store (): Promise<Row[]> {
  const rows: Row[] = []
  for (const group of GROUPS) {
    const ours = new Map<number, Figures>()
    for (const size of SIZES) ours.set(size, await measure('own', group, size))
    rows.push(...rowsOf(group, ours, await measure('registry', group, COMPARED)))
  }
  return rows
}

function rowsOf (group: Group, ours: ReadonlyMap<number, Figures>, theirs: Figures): Row[] {
  const figure = (size: number, name: string): number => ours.get(size)?.micros[name] ?? NaN
  const rows = works.filter(work => work.group === group).map(({ name, per, aim }): Row => ({
    name: `store: ${name}`,
    unit: per === undefined ? 'µs CPU' : `µs/${per}`,
    bare: theirs.micros[name] ?? NaN,
    noex: figure(COMPARED, name),
    target: { ratioAtMost: 1 },
    note: growthOf(size => figure(size, name), aim)
  }))
  if (group !== 'plain') return rows
  return [...rows, {
    name: 'store: memory, two indexes',
    unit: 'B/record',
    bare: theirs.bytesPerRecord,
    noex: ours.get(COMPARED)?.bytesPerRecord ?? NaN,
    target: { ratioAtMost: 1 },
    note: growthOf(size => ours.get(size)?.bytesPerRecord ?? NaN, BYTES_AIM)
  }]
}

/** The figures of all sizes, and the limit for the largest. */
function growthOf (figure: (size: number) => number, aim: number | undefined): string {
  const figures = SIZES.map(size => figureText(figure(size))).join(' / ')
  if (aim === undefined) return figures
  return `${figures}, aim ≤ ${aim} ${figure(LARGEST) <= aim ? 'ok' : 'MISSED'}`
}

function figureText (figure: number): string {
  return figure >= 100 ? figure.toFixed(0) : figure >= 1 ? figure.toFixed(1) : figure.toFixed(3)
}

async function measure (name: 'own' | 'registry', group: Group, size: number): Promise<Figures> {
  const child = fork(new URL('../store/measure.js', import.meta.url), [name, group, String(size)], {
    execArgv: ['--expose-gc', '--max-old-space-size=6144', ...process.execArgv]
  })
  const failed = once(child, 'exit').then(([code]) => {
    throw new Error(`the store benchmark has exited with code ${String(code)}`)
  })
  const [figures] = await Promise.race([once(child, 'message'), failed]) as [Figures]
  failed.catch(() => {})
  return figures
}
