import { openMany } from '../driver/open-many.js'
import { ServerProcess, type ServerName } from '../driver/server-process.js'
import { compareRounds, type Row } from './row.js'

const ROUNDS = 3
const CONNECTIONS = 5_000
/** Connections that stay open from before the first reading: what the first ones cost once is not what each one costs. */
const FIRST = 500
/** Files that both processes need beside the sockets. */
const OTHER_FILES = 200

/** Measures the memory of a connection that does nothing, each time in a fresh server. */
export async function idle (): Promise<Row[]> {
  const count = Math.min(CONNECTIONS, openFilesLimit() - FIRST - OTHER_FILES)
  if (count < 100) throw new Error('the limit of open files (ulimit -n) leaves too few connections to measure')
  const bytes: Record<ServerName, number[]> = { 'bare-ws': [], 'bare-route': [], noex: [] }
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, figures] of Object.entries(bytes)) figures.push(await bytesPerConnection(name as ServerName, count))
  }
  return [
    compareRounds(`idle, ${count} connections, bare ws`, 'KB RSS', bytes['bare-ws'], bytes.noex),
    compareRounds(`idle, ${count} connections, bare route`, 'KB RSS', bytes['bare-route'], bytes.noex, 1)
  ]
}

async function bytesPerConnection (name: ServerName, count: number): Promise<number> {
  const server = await ServerProcess.start(name)
  const clients = await openMany(server.port, FIRST)
  const before = await server.readCollected()
  clients.push(...await openMany(server.port, count))
  const after = await server.readCollected()
  for (const client of clients) client.reset()
  await server.stop()
  return (after.rssBytes - before.rssBytes) / 1_000 / count
}

function openFilesLimit (): number {
  const report = process.report.getReport() as { userLimits?: { open_files?: { soft?: number | 'unlimited' } } }
  const soft = report.userLimits?.open_files?.soft
  return typeof soft === 'number' ? soft : Infinity
}
