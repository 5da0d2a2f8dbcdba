import { setTimeout } from 'node:timers/promises'
import { Client } from '../driver/client.js'
import { maskedTextFrame } from '../driver/frame-ring.js'
import { openMany } from '../driver/open-many.js'
import { runClosedLoop } from '../driver/closed-loop.js'
import { ServerProcess } from '../driver/server-process.js'
import { latencyOf, median } from '../driver/statistics.js'
import { ACCOUNTS, accountName, guess, logIn } from '../workload/accounts.js'
import { requests } from '../workload/requests.js'
import type { Row } from './row.js'

/** Guesses at known and at unknown accounts, by turns. */
const GUESSES = 41

const UNAUTHENTICATED = 2_000
const LOGINS_PER_SECOND = 200
const SECONDS = 10
const BATCHES_PER_SECOND = 20

/**
 * Measures logins: whether their time tells that an account exists, and the cost of many attempts
 * others.
 */
export async function login (): Promise<Row[]> {
  const server = await ServerProcess.start('noex-identity')
  try {
    return [await timeOfGuesses(server), ...await underLogins(server)]
  } finally {
    await server.stop()
  }
}

async function timeOfGuesses (server: ServerProcess): Promise<Row> {
  const known: number[] = []
  const unknown: number[] = []
  for (let i = 0; i < GUESSES; i++) {
    // Each from an address and at an account of its own, so that no limit is reached.
    known.push(await timeOf(server, addressOf(i), accountName(1 + i % (ACCOUNTS - 1))))
    unknown.push(await timeOf(server, addressOf(GUESSES + i), `unknown-${i}`))
  }
  return {
    name: 'login, unknown beside known account',
    unit: 'ms',
    bare: median(known),
    noex: median(unknown),
    target: { ratioFrom: 0.95, ratioTo: 1.05 }
  }
}

async function timeOf (server: ServerProcess, address: string, username: string): Promise<number> {
  const client = await Client.open(server.port, [`X-Real-IP: ${address}`])
  const answered = reply(client)
  const sentAt = performance.now()
  client.send(maskedTextFrame(guess(username)))
  const text = await answered
  const tookMs = performance.now() - sentAt
  client.reset()
  if (!text.includes('UNAUTHORIZED')) throw new Error(`expected a refusal, got ${text}`)
  return tookMs
}

async function reply (client: Client): Promise<string> {
  return await new Promise(resolve => {
    client.onMessage = (bytes, start, end) => { resolve(bytes.toString('utf8', start, end)) }
  })
}

/**
 * Returns the time of an honest client's `store.get` while others, each from its own address, try to log in.
 */
async function underLogins (server: ServerProcess): Promise<Row[]> {
  const others = await openMany(server.port, UNAUTHENTICATED, i => [`X-Real-IP: ${addressOf(10_000 + i)}`])
  const seen = { answers: 0, isOver: false }
  for (const other of others) other.onMessage = () => { seen.answers++ }
  const honest = await Client.open(server.port)
  await runClosedLoop({ clients: [honest], requests: logIn, inFlight: 1, operations: 1 })

  const ring = requests('get')
  const tookMs: Float64Array[] = []
  const asking = (async () => {
    while (!seen.isOver) {
      tookMs.push(...await runClosedLoop({ clients: [honest], requests: ring, inFlight: 1, operations: 20 }))
      await setTimeout(1)
    }
  })()
  const tried = await flood(others)
  seen.isOver = true
  await asking
  // The rest of the queue is answered, too.
  for (let i = 0; seen.answers < tried && i < 600; i++) await setTimeout(50)
  for (const client of [honest, ...others]) client.reset()

  const { p99Ms, p50Ms } = latencyOf(tookMs)
  return [
    {
      name: `get p99, beside ${LOGINS_PER_SECOND} logins a second`,
      unit: 'ms',
      noex: p99Ms,
      target: { atMost: 100 }
    },
    { name: 'get p50, the same', unit: 'ms', noex: p50Ms },
    { name: 'logins without an answer', unit: '', noex: tried - seen.answers, target: { exactly: 0 } }
  ]
}

async function flood (others: readonly Client[]): Promise<number> {
  const perBatch = LOGINS_PER_SECOND / BATCHES_PER_SECOND
  const startedAt = performance.now()
  let tried = 0
  for (let batch = 0; batch < SECONDS * BATCHES_PER_SECOND; batch++) {
    await setTimeout(Math.max(0, startedAt + batch * 1_000 / BATCHES_PER_SECOND - performance.now()))
    for (let i = 0; i < perBatch; i++) {
      others[tried % UNAUTHENTICATED]?.send(maskedTextFrame(guess(`guess-${tried}`)))
      tried++
    }
  }
  return tried
}

function addressOf (index: number): string {
  return `10.${index >> 16 & 255}.${index >> 8 & 255}.${index & 255}`
}
