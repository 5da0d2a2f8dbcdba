import { setTimeout } from 'node:timers/promises'
import { operations } from '../../lib/operations/registry.js'
import { askBeside } from '../driver/bystander.js'
import { Client } from '../driver/client.js'
import { maskedTextFrame } from '../driver/frame-ring.js'
import { ServerProcess } from '../driver/server-process.js'
import { ADMIN_SECRET, heavyLoads, type HeavyLoad, type HeavyRequest } from '../workload/heavy-requests.js'
import { keyOf } from '../workload/records.js'
import type { Row } from './row.js'

/** Connections of the busy user, each with one round of requests under way. */
const CONNECTIONS = 2

/** How long a load is watched; one that is done with sooner is repeated. */
const WATCHED_MS = 1_200

/** The promised limit in milliseconds: p99.9 of a client's `store.get`, no matter what another user sends. */
const LIMIT_MS = 50

const LOGIN = { type: 'identity.loginWithSecret', secret: ADMIN_SECRET } as const
const get = maskedTextFrame(JSON.stringify({ id: 1, type: 'store.get', bucket: 'users', key: keyOf(1) }))

/**
 * Measures `store.get` of one client beside the heaviest requests of another, for each operation of the
 * table.
 */
export async function fairness (): Promise<Row[]> {
  const names = [...operations.keys()]
  const missing = names.find(name => heavyLoads[name] === undefined)
  if (missing !== undefined) throw new Error(`no load is defined for the operation ${missing}`)
  const server = await ServerProcess.start('noex-fairness', { nodeOptions: ['--max-old-space-size=4096'] })
  const other = await logIn(server)
  // The same for all loads: a user has a limited number of sessions.
  const users = await Promise.all(Array.from({ length: CONNECTIONS }, async () => await logIn(server)))
  const rows: Row[] = [await watch('(no other client)', other, async () => { await setTimeout(WATCHED_MS) })]
  for (const name of names) {
    for (const load of heavyLoads[name] ?? []) rows.push(await beside(name, load, users, server, other))
  }
  for (const client of [other, ...users]) client.reset()
  await server.stop()
  return rows
}

async function beside (
  operation: string, load: HeavyLoad, users: readonly Client[], server: ServerProcess, other: Client
): Promise<Row> {
  const codes = new Map<string, number>()
  await server.read()
  const until = performance.now() + WATCHED_MS
  const row = await watch([operation, load.name].join(' ').trim(), other, async () => {
    await Promise.all(users.map(async (user, connection) => {
      const frames = load.requests(connection).map(frameOf)
      do {
        for (const code of await round(user, frames)) codes.set(code, (codes.get(code) ?? 0) + 1)
      } while (performance.now() < until)
    }))
  })
  const { longestTurnMicros } = await server.read()
  const turn = `longest turn ${(longestTurnMicros / 1_000).toFixed(1)} CPU`
  const answers = [...codes].map(([code, count]) => `${count} × ${code}`).join(', ')
  return { ...row, note: [row.note, turn, answers, load.left].filter(text => text !== undefined).join('; ') }
}

/** Sends the frames at once and resolves with what each is answered with: `result` or a code. */
async function round (client: Client, frames: readonly Buffer[]): Promise<string[]> {
  const answers: string[] = []
  await new Promise<void>(resolve => {
    client.onMessage = (bytes, start, end) => {
      const head = bytes.toString('latin1', start, Math.min(end, start + 80))
      if (head.startsWith('{"type"')) return
      answers.push(/"code":"(\w+)"/.exec(head)?.[1] ?? 'result')
      if (answers.length === frames.length) resolve()
    }
    for (const frame of frames) client.send(frame)
  })
  return answers
}

/** Has `other` ask as long as `work` takes, and `WATCHED_MS` at least. */
async function watch (name: string, other: Client, work: () => Promise<void>): Promise<Row> {
  const { at } = await askBeside(other, get, work, WATCHED_MS)
  const [p50, p99, most] = [at(0.5), at(0.99), at(1)].map(ms => ms.toFixed(1))
  const note = `p50 ${p50}, p99 ${p99}, max ${most}`
  return { name, unit: 'ms', noex: at(0.999), target: { atMost: LIMIT_MS }, note }
}

async function logIn (server: ServerProcess): Promise<Client> {
  const client = await Client.open(server.port)
  const [code] = await round(client, [frameOf(LOGIN)])
  if (code !== 'result') throw new Error(`the login was answered with ${code}`)
  return client
}

function frameOf (request: HeavyRequest): Buffer {
  return maskedTextFrame(JSON.stringify({ id: 1, ...request }))
}
