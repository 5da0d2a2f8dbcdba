// Some of many subscribers stop reading, while records are written and pushed. Prints what it measures.
//
// "Pushes a second" is read in two ways. First: so many writes a second, each of which changes what one
// client watches. A tenth of them go to those who stop, with large records; each of these also asks for its
// record many times when it stops, because the kernel keeps some megabytes for it before the server notices
// anything. Times are counted from the moment in which the server's own queue passes the mark. Second, the
// harder one: all clients watch the same record, so that each write is to be pushed to all of them; changes
// of one tick make one push.
//
// READERS and STOPPED set the number of clients, READERS_SECONDS the length of each part.
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { ChildProgram } from './child-program.js'

const READERS = Number(process.env['READERS'] ?? 1_000)
const STOPPED = Number(process.env['STOPPED'] ?? READERS / 10)
const PART_MS = Number(process.env['READERS_SECONDS'] ?? 15) * 1_000
const WRITES_PER_SECOND = 1_000
const RATES_TO_ALL = [10, 25, 50, 100, 200, 1_000]
const BYTES = 1_000
const LARGE_BYTES = 60_000
/** Until all that have stopped must be cut. */
const FILL_MS = 60_000
const MAX_QUEUED_BYTES = 1_048_576
const CUT_MS = 5_000
const MIB = 1_048_576

const shown = (ms: number): string => `${ms.toFixed(1)} ms`
const highest = (values: readonly number[]): number => Math.max(...values)

const some = `${STOPPED} of ${READERS} subscribers stop reading, ${WRITES_PER_SECOND} writes a second`

t.test(some, { timeout: 6 * PART_MS + FILL_MS + 300_000 }, async t => {
  const server = await ChildProgram.start(t, 'readers-server.js')
  const healthy = await ChildProgram.start(t, 'readers-driver.js')
  const stopping = await ChildProgram.start(t, 'stopping-readers.js')
  const port = await server.ask('port')
  const readers = READERS - STOPPED
  await server.ask('plant', READERS)
  await healthy.ask('watch', { port, count: readers, from: 0 })
  await stopping.ask('watch', { port, count: STOPPED, from: readers })

  await healthy.ask('write', {
    port,
    rate: WRITES_PER_SECOND,
    readers,
    stoppers: STOPPED,
    stoppedShare: 0.1,
    bytes: BYTES,
    stoppedBytes: LARGE_BYTES
  })
  await sleep(3_000)
  await healthy.ask('figures')
  await sleep(PART_MS)
  const before = await healthy.ask('figures')
  t.comment(`all read: ${JSON.stringify(before)}`)

  await stopping.ask('stop', { everyMs: 100 })
  for (const end = performance.now() + FILL_MS; performance.now() < end; await sleep(250)) {
    if ((await server.ask('figures')).endedMs.length >= STOPPED) break
  }
  const during = await healthy.ask('figures')
  const { maxQueuedBytes, stalled, decidedMs, endedMs, connections, peakRss } = await server.ask('figures')
  t.comment(`${STOPPED} have stopped: ${JSON.stringify(during)}`)
  t.comment(
    `${stalled} passed the mark, ${endedMs.length} were cut: closed with 1013 after ` +
      `${shown(Math.min(...decidedMs))} to ${shown(highest(decidedMs))}, ` +
      `socket ended after ${shown(Math.min(...endedMs))} to ${shown(highest(endedMs))}; at most ` +
      `${(maxQueuedBytes / MIB).toFixed(2)} MiB queued for one; RSS at most ` +
      `${(peakRss / MIB).toFixed(0)} MiB`
  )
  t.equal(endedMs.length, STOPPED, 'every one that has stopped is cut')
  t.equal(connections, readers + 1, 'no other client is')
  t.ok(highest(endedMs) < CUT_MS, `its socket has ended ${CUT_MS / 1_000} s after its queue passed the mark`)
  t.ok(
    maxQueuedBytes <= MAX_QUEUED_BYTES + 2 * LARGE_BYTES,
    'at most 1 MiB, and the frame that passed it, wait for one'
  )
  t.ok(during.p99 < 50, `p99 of the others is ${shown(during.p99)}`)
  await healthy.ask('pause')
  await healthy.ask('leave')
})

const timeout = RATES_TO_ALL.length * PART_MS * 3 + 120_000

t.test(`all ${READERS} watch the same record`, { timeout }, async t => {
  const server = await ChildProgram.start(t, 'readers-server.js')
  const healthy = await ChildProgram.start(t, 'readers-driver.js')
  const port = await server.ask('port')
  await server.ask('plant', 0)
  await healthy.ask('watch', { port, count: READERS, from: 0, key: 'all' })
  for (const rate of RATES_TO_ALL) {
    await healthy.ask('write', {
      port,
      rate,
      readers: 1,
      stoppers: 0,
      stoppedShare: 0,
      bytes: 100,
      stoppedBytes: 0,
      key: 'all'
    })
    await sleep(2_000)
    await healthy.ask('figures')
    const began = performance.now()
    await sleep(PART_MS / 2)
    const { pushes, writes, p50, p99 } = await healthy.ask('figures')
    const seconds = (performance.now() - began) / 1_000
    t.comment(
      `${rate} writes a second: ${Math.round(writes / seconds)} written, ${Math.round(pushes / seconds)} ` +
        `pushes a second (${(pushes / seconds / READERS).toFixed(1)} to each), ` +
        `p50 ${shown(p50)}, p99 ${shown(p99)}`
    )
    t.ok(pushes > 0, 'pushes arrive')
    await healthy.ask('pause')
    await sleep(1_000)
  }
  t.equal((await server.ask('figures')).connections, READERS + 1, 'no client is cut off')
  await healthy.ask('leave')
})
