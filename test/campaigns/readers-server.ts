// The server of hostile-readers.campaign.ts: a bucket of desks, and a live query that shows one of them.
import { Store, type QueryContext } from '@hamicek/noex-store'
import { NoexServer } from '../../lib/index.js'
import { answerBy } from './child-program.js'
import { SocketWatch } from './socket-watch.js'

/** `backpressure.highWaterMark` of `maxBufferedBytes`, both as they are by default. */
const MARK_BYTES = 0.8 * 1_048_576

const watch = new SocketWatch(MARK_BYTES)
const store = await Store.start({ name: 'readers' })
await store.defineBucket('desks', {
  key: 'key',
  schema: { key: { type: 'string' }, at: { type: 'number' }, filler: { type: 'string' } }
})
store.defineQuery(
  'desk',
  async (context: QueryContext, { key }: { key: string }) => await context.bucket('desks').get(key)
)
const server = await NoexServer.start({
  store,
  port: 0,
  host: '127.0.0.1',
  maxConnectionsPerIp: 5_000,
  fastify: { logger: { level: 'info', stream: watch } }
})
let peakRss = 0
setInterval(() => { peakRss = Math.max(peakRss, process.memoryUsage.rss()) }, 100).unref()

answerBy({
  port: () => server.port,
  plant: async (count: number) => {
    await store
      .bucket('desks')
      .insertMany([...Array(count).keys(), 'all'].map(key => ({ key: String(key), at: 0, filler: '' })))
  },
  figures: () => ({
    ...watch.figures,
    connections: server.connectionCount,
    rss: process.memoryUsage.rss(),
    peakRss,
    cpuMs: process.cpuUsage().user / 1_000 + process.cpuUsage().system / 1_000
  }),
  stop: async () => { await server.stop() }
})
