import { openFilesLimit } from '../driver/open-files.js'
import { openMany } from '../driver/open-many.js'
import { ServerProcess, type ServerName } from '../driver/server-process.js'
import { compareRounds, type Row } from './row.js'

const ROUNDS = 3
const CONNECTIONS = 5_000
/**
 * Connections that stay open from before the first reading: what the first ones cost once is not what each
 * one costs.
 */
const FIRST = 1_000
/** Files that both processes need beside the sockets. */
const OTHER_FILES = 200
/**
 * Keeps the young generation of the heap small: it grows by up to 32 MB at some time or other, which is no
 * cost of a connection.
 */
const NODE_OPTIONS = ['--min-semi-space-size=1', '--max-semi-space-size=1']

/** Kilobytes that each further connection takes. */
interface Memory {
  readonly rss: number
  readonly heap: number
}

/** Measures the memory of a connection that does nothing, each time in a fresh server. */
export async function idle (isQuick: boolean): Promise<Row[]> {
  const first = isQuick ? 50 : FIRST
  const count = Math.min(isQuick ? 200 : CONNECTIONS, openFilesLimit() - first - OTHER_FILES)
  if (count < 100) {
    throw new Error('the limit of open files (ulimit -n) leaves too few connections to measure')
  }
  const rounds: Record<'bare-ws' | 'bare-route' | 'noex', Memory[]> = {
    'bare-ws': [],
    'bare-route': [],
    noex: []
  }
  for (let round = 0; round < (isQuick ? 1 : ROUNDS); round++) {
    for (const [name, figures] of Object.entries(rounds)) {
      figures.push(await measure(name as ServerName, first, count))
    }
  }
  const compare = (against: 'bare-ws' | 'bare-route', kind: keyof Memory, ratioAtMost?: number): Row =>
    compareRounds(
      `idle, ${count} connections, ${against.replace('-', ' ')}`,
      `KB ${kind}`,
      rounds[against].map(memory => memory[kind]),
      rounds.noex.map(memory => memory[kind]),
      ratioAtMost
    )
  return [
    compare('bare-route', 'rss', 1),
    compare('bare-route', 'heap'),
    compare('bare-ws', 'rss'),
    compare('bare-ws', 'heap')
  ]
}

async function measure (name: ServerName, first: number, count: number): Promise<Memory> {
  const server = await ServerProcess.start(name, { nodeOptions: NODE_OPTIONS })
  const clients = await openMany(server.port, first)
  const before = await server.readCollected()
  clients.push(...await openMany(server.port, count))
  const after = await server.readCollected()
  for (const client of clients) client.reset()
  await server.stop()
  return {
    rss: (after.rssBytes - before.rssBytes) / 1_000 / count,
    heap: (after.heapBytes - before.heapBytes) / 1_000 / count
  }
}
