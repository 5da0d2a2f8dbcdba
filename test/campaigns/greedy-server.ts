// The server of greedy-reader.campaign.ts: a bucket of rows, and queries over all of them whose results
// differ by a parameter.
import { getHeapStatistics } from 'node:v8'
import { Store, type QueryContext } from '@hamicek/noex-store'
import { NoexServer } from '../../lib/index.js'
import { answerBy } from './child-program.js'

const ROWS = 20_000

interface Junk { readonly junk: number }

const store = await Store.start({ name: 'greedy' })
await store.defineBucket('rows', {
  key: 'id', schema: { id: { type: 'string' }, n: { type: 'number' }, filler: { type: 'string' } }
})
const rows = store.bucket('rows')
for (let from = 0; from < ROWS; from += 1_000) {
  await rows.insertMany(Array.from({ length: 1_000 }, (_, i) => (
    { id: `row-${from + i}`, n: 0, filler: 'x'.repeat(250) }
  )))
}
await store.defineBucket('other', { key: 'id', schema: { id: { type: 'string' } } })
await store.bucket('other').insert({ id: 'kept' })
store.defineQuery('records', async (context: QueryContext, { junk }: Junk) => (
  (await context.bucket('rows').all()).filter(({ id }) => id !== `row-${junk}`)
))
store.defineQuery('made', async (context: QueryContext, { junk }: Junk) => (
  (await context.bucket('rows').all()).map(row => ({ ...row, junk }))
))
store.defineQuery('value', async (context: QueryContext, { junk }: Junk) => ({
  junk, rows: (await context.bucket('rows').all()).map(({ id, n }) => [id, n])
}))
const server = await NoexServer.start({ store, port: 0, host: '127.0.0.1', fastify: { logger: false } })
let peakHeap = 0
let writes = 0
let writing: NodeJS.Timeout | undefined
setInterval(() => {
  peakHeap = Math.max(peakHeap, getHeapStatistics().used_heap_size)
}, 50).unref()
/** CPU time between two timers, in milliseconds: of long ones, that of a turn of the event loop. */
let turns: number[] = []
let before = process.cpuUsage()
setInterval(() => {
  const { user, system } = process.cpuUsage(before)
  before = process.cpuUsage()
  turns.push((user + system) / 1_000)
}, 1).unref()

answerBy({
  port: () => server.port,
  write: (everyMs: number) => {
    clearInterval(writing)
    writing = setInterval(() => {
      rows.update(`row-${writes++ % ROWS}`, { n: writes }).catch(() => {})
    }, everyMs)
  },
  figures: async () => {
    const { connections } = await server.getStats()
    turns.sort((a, b) => a - b)
    const at = (share: number): number => Number((turns[Math.floor(turns.length * share)] ?? NaN).toFixed(1))
    const cpu = { p99: at(0.99), 'p99.9': at(0.999), max: at(1 - 1 / turns.length) }
    const figures = { peakHeap, rss: process.memoryUsage.rss(), writes, cpu, ...connections }
    peakHeap = 0
    turns = []
    return figures
  },
  stop: async () => { await server.stop() }
})
