import { setTimeout } from 'node:timers/promises'
import { askBeside } from '../driver/bystander.js'
import { Client } from '../driver/client.js'
import { maskedTextFrame } from '../driver/frame-ring.js'
import { isPush } from '../driver/reply.js'
import { ServerProcess } from '../driver/server-process.js'
import { median } from '../driver/statistics.js'
import { BUCKET, itemKey, QUERY } from '../workload/growth-cases.js'
import type { Row } from './row.js'

const SIZES = [1, 10, 60]
const ROWS = 20_000
const QUICK_SIZES = [1, 5]
const QUICK_ROWS = 500
const WRITES = 3
/** A push that has not come by then does not come. */
const PATIENCE_MS = 60_000
/** The promised longest wait of another client. */
const BLOCKED_AT_MOST_MS = 50

interface Measured {
  readonly size: number
  readonly accepted: number
  readonly refusal: string
  readonly pushes: number
  readonly cpuMs: number
  readonly blockedMs: number
  readonly turnMs: number
  readonly megabytes: number
}

/**
 * Measures a write beside live queries in code that all read a whole bucket, and differ by a parameter that
 * none of them uses: its cost, and how long another client waits for a get.
 */
export async function growthOfCode (isQuick: boolean): Promise<Row[]> {
  const rows = isQuick ? QUICK_ROWS : ROWS
  const measured: Measured[] = []
  for (const size of isQuick ? QUICK_SIZES : SIZES) measured.push(await measure(size, rows))
  const [{ cpuMs: smallest } = { cpuMs: NaN }] = measured
  return measured.flatMap(({ size, accepted, refusal, pushes, cpuMs, blockedMs, turnMs, megabytes }) => {
    const title = `${size} queries in code over ${rows.toLocaleString('en')}`
    return [
      {
        name: title,
        unit: 'ms CPU',
        bare: smallest,
        noex: cpuMs,
        note: `${accepted} accepted${refusal}, ${pushes} pushes a write, ${megabytes.toFixed(1)} MB each`
      },
      {
        name: `${title}, a get waits`,
        unit: 'ms',
        noex: blockedMs,
        target: { atMost: BLOCKED_AT_MOST_MS },
        note: `longest turn ${turnMs.toFixed(1)} CPU`
      }
    ]
  })
}

async function measure (size: number, rows: number): Promise<Measured> {
  const server = await ServerProcess.start('noex-code-queries', { args: [String(rows)] })
  const [watcher, writer, other] = [
    await Client.open(server.port), await Client.open(server.port), await Client.open(server.port)
  ]
  const before = await server.readCollected()
  let pushes = 0
  const refusals: string[] = []
  for (let i = 0; i < size; i++) {
    const reply = await ask(watcher, {
      type: 'store.subscribe', query: QUERY, params: { junk: i }, delta: true
    })
    if (!reply.startsWith('{"id":1,"type":"result"')) refusals.push(/"code":"(\w+)"/.exec(reply)?.[1] ?? reply)
  }
  const after = await server.readCollected()
  const accepted = size - refusals.length
  let onPush = (): void => {}
  watcher.onMessage = (bytes, start) => {
    if (!isPush(bytes, start)) return
    pushes++
    onPush()
  }
  const cpuMs: number[] = []
  const get = maskedTextFrame(JSON.stringify({ id: 1, type: 'store.get', bucket: BUCKET, key: itemKey(1) }))
  let longestTurnMicros = 0
  await server.read()
  const noticed = await askBeside(other, get, async () => {
    for (let n = 1; n <= WRITES; n++) {
      const { cpuMicros } = await server.read()
      const pushed = new Promise<void>(resolve => {
        onPush = () => { if (pushes >= n * accepted) resolve() }
      })
      await ask(writer, { type: 'store.update', bucket: BUCKET, key: itemKey(0), data: { score: n } })
      if (accepted > 0) await Promise.race([pushed, setTimeout(PATIENCE_MS, undefined, { ref: false })])
      const after = await server.read()
      cpuMs.push((after.cpuMicros - cpuMicros) / 1_000)
      // The watch begins anew at each reading.
      longestTurnMicros = Math.max(longestTurnMicros, after.longestTurnMicros)
    }
  }, 0)
  for (const client of [watcher, writer, other]) client.reset()
  await server.stop()
  return {
    size,
    accepted,
    refusal: refusals[0] === undefined ? '' : `, others ${refusals[0]}`,
    pushes: pushes / WRITES,
    cpuMs: median(cpuMs),
    blockedMs: noticed.at(1),
    turnMs: longestTurnMicros / 1_000,
    megabytes: (after.rssBytes - before.rssBytes) / 1e6 / Math.max(1, accepted)
  }
}

/** Sends request 1 and resolves with its reply, of a large one with the beginning. */
async function ask (client: Client, request: object): Promise<string> {
  const listener = client.onMessage
  return await new Promise(resolve => {
    client.onMessage = (bytes, start, end) => {
      if (isPush(bytes, start)) {
        listener(bytes, start, end)
        return
      }
      client.onMessage = listener
      resolve(bytes.toString('latin1', start, Math.min(end, start + 256)))
    }
    client.send(maskedTextFrame(JSON.stringify({ id: 1, ...request })))
  })
}
