// One reader subscribes as often as it may to results of 20,000 rows, each time with parameters of its own,
// while one row changes every GREEDY_EVERY_MS. Prints the heap of the server, and how long another client
// waits for replies, beside the same without the reader, in the same run:
//
//     TAP_TIMEOUT=3600 node --max-old-space-size=512 dist/test/campaigns/greedy-reader.campaign.js
//
// GREEDY_SECONDS is the length of each part, GREEDY_CONNECTIONS the number of connections of the reader;
// GREEDY_KINDS are those of the results: records, made (rows that the query makes), value (no list of rows),
// find.
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import WebSocket from 'ws'
import { ChildProgram } from './child-program.js'

const PART_MS = Number(process.env['GREEDY_SECONDS'] ?? 15) * 1_000
const EVERY_MS = Number(process.env['GREEDY_EVERY_MS'] ?? 250)
const CONNECTIONS = Number(process.env['GREEDY_CONNECTIONS'] ?? 3)
const KINDS = (process.env['GREEDY_KINDS'] ?? 'records,made,value,find').split(',')
const MIB = 1_048_576

/** Asks for a record again and again; returns how long the replies have taken, in milliseconds. */
async function latencies (port: number, ms: number): Promise<object> {
  const ws = new WebSocket(`ws://127.0.0.1:${port}`)
  await new Promise(resolve => { ws.once('message', resolve) })
  const all: number[] = []
  const end = performance.now() + ms
  for (let id = 1; performance.now() < end; id++) {
    const asked = performance.now()
    ws.send(JSON.stringify({ id, type: 'store.get', bucket: 'other', key: 'kept' }))
    await new Promise<void>(resolve => {
      const onMessage = (data: Buffer): void => {
        const text = String(data)
        if (text.includes('"type":"ping"')) ws.send(text.replace('ping', 'pong'))
        if (!text.startsWith(`{"id":${id},`)) return
        ws.off('message', onMessage)
        resolve()
      }
      ws.on('message', onMessage)
    })
    all.push(performance.now() - asked)
    await sleep(2)
  }
  ws.terminate()
  all.sort((a, b) => a - b)
  const at = (share: number): number => Number((all[Math.floor(all.length * share)] ?? NaN).toFixed(1))
  return { count: all.length, p50: at(0.5), p99: at(0.99), 'p99.9': at(0.999), max: at(1 - 1 / all.length) }
}

t.test('one reader takes all it may', { timeout: 20 * PART_MS + 1_800_000 }, async t => {
  for (const kind of KINDS) {
    for (const delta of [true, false]) {
      const server = await ChildProgram.start(t, 'greedy-server.js')
      const reader = await ChildProgram.start(t, 'greedy-driver.js')
      const port: number = await server.ask('port')
      await server.ask('write', EVERY_MS)
      const alone = await latencies(port, PART_MS / 3)
      await server.ask('figures')
      const [beside] = await Promise.all([
        latencies(port, PART_MS),
        reader.ask('grab', { port, kind, delta, connections: CONNECTIONS, each: 100 })
      ])
      const then = await latencies(port, PART_MS)
      const { peakHeap, rss, writes, cpu } = await server.ask('figures')
      const heap = `${Math.round(peakHeap / MIB)} MiB of heap, ${Math.round(rss / MIB)} MiB resident`
      t.comment(`${kind}, ${delta ? 'deltas' : 'complete results'}: ${heap}, ${writes} writes`)
      t.comment(JSON.stringify({ alone, beside, then, 'CPU ms of turns': cpu }))
      t.comment(JSON.stringify(await reader.ask('figures')))
      t.pass('the server has lived')
      await server.kill()
      await reader.kill()
    }
  }
})
