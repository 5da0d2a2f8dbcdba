import { availableParallelism, cpus } from 'node:os'
import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Comparison, Peer } from './benchmarks/peers.js'

/** The command whose figures README.md has. */
export const COMMAND = 'npm run bench -- peers'
const readme = fileURLToPath(new URL('../../README.md', import.meta.url))

/** Where and when a run was made. */
export interface Setting {
  readonly node: string
  readonly cpu: string
  readonly cores: number
  /** As YYYY-MM-DD. */
  readonly date: string
}

/** Writes the figures of a run into README.md. @throws where its markers are missing */
export async function writeReadme (comparisons: readonly Comparison[]): Promise<void> {
  const setting = {
    node: process.version,
    cpu: cpus()[0]?.model ?? 'unknown processor',
    cores: availableParallelism(),
    date: new Date().toISOString().slice(0, 10)
  }
  const text = await readFile(readme, 'utf8')
  await writeFile(readme, replaceGenerated(text, COMMAND, peersTable(comparisons, setting)))
}

/** Builds the table of the peers: µs of CPU with the ratio to ours, and the bytes of a push. */
export function peersTable (comparisons: readonly Comparison[], setting: Setting): string {
  const peers = Object.keys(comparisons[0]?.costs ?? {}) as Peer[]
  const rows = comparisons.flatMap(({ work, costs, bytes }) => {
    const ours = costs.noex.cpuMicros
    const cells = peers.map(peer => {
      const { cpuMicros } = costs[peer]
      return peer === 'noex' ? micros(ours) : `${micros(cpuMicros)} (${(cpuMicros / ours).toFixed(2)}×)`
    })
    const micro = [`${work}, µs`, ...cells]
    if (bytes === undefined) return [micro]
    return [micro, ['… bytes', ...peers.map(peer => Math.round(bytes[peer]).toLocaleString('en'))]]
  })
  const header = ['', ...peers.map(peer => peer === 'noex' ? 'fastify-noex' : peer)]
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  const { node, cpu, cores, date } = setting
  return [
    line(header),
    `|${'---|'.repeat(header.length)}`,
    ...rows.map(line),
    '',
    `\`${COMMAND}\`, Node ${node}, ${cores} cores of ${cpu}, ${date}.`
  ].join('\n')
}

/**
 * Returns a document with this content between the comments `<!-- generated: NAME -->` and `<!-- end -->`.
 * @throws where they are not there
 */
export function replaceGenerated (text: string, name: string, content: string): string {
  const opening = `<!-- generated: ${name} -->\n`
  const start = text.indexOf(opening)
  const end = text.indexOf('<!-- end -->', start)
  if (start === -1 || end === -1) throw new Error(`README.md has no part "${opening.trim()}" that ends`)
  return `${text.slice(0, start)}${opening}\n${content}\n\n${text.slice(end)}`
}

function micros (figure: number): string {
  return figure.toFixed(figure < 100 ? 1 : 0)
}
