// Every operation is asked what no honest client would ask. FUZZ_RUNS sets the batches per operation and
// mode, FUZZ_SEED repeats a run.
import fc from 'fast-check'
import t from 'tap'
import WebSocket from 'ws'
import type { Frame, TestClient } from '../support/client.js'
import { isThorough } from '../support/sampled.js'
import { baseRequests } from '../support/base-requests.js'
import { secrets, serveFuzz, type FuzzServer, type Mode } from './fuzz-server.js'
import { requestsOf, type FieldsText } from './request-arbitraries.js'
import { ErrorCode } from '../../lib/protocol/errors.js'
import { operations } from '../../lib/operations/registry.js'
import { MAX_JSON_DEPTH } from '../../lib/protocol/decode.js'

const RUNS = Number(process.env['FUZZ_RUNS'] ?? (isThorough ? 2 : 1))
const SEED = Number(process.env['FUZZ_SEED'] ?? Date.now() % 2 ** 31)
/** Requests that are sent at once. */
const BATCH = 12

const modes: readonly Mode[] = [
  'no login is needed',
  'a clerk by token',
  'an administrator by token',
  'a reader with an account',
  'the superadmin'
]

/** Each of these the server may answer; `INTERNAL_ERROR` would be a fault of its own. */
const codes = new Set<string>(Object.values(ErrorCode).filter(code => code !== 'INTERNAL_ERROR'))

/** Operations that end the service, or the session of the client; their fields have tests of their own. */
const ending = new Set(['server.drain', 'server.revoke'])

/** Operations that every mode has without accounts. */
const ofAccounts = /^identity\./

function depthOf (value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  return 1 + Object.values(value).reduce<number>((deepest, member) => Math.max(deepest, depthOf(member)), 0)
}

/** The next frame that answers something. */
const isReply = ({ type }: Frame): boolean => type === 'result' || type === 'error'

let lastId = 0

/**
 * Sends requests of one type at once. Returns what each was answered, `result` or a code. Throws unless it is
 * one reply each, in order, that a client may see.
 */
async function ask (client: TestClient, type: string, batch: readonly FieldsText[]): Promise<string[]> {
  const sent = batch.map(fields => {
    const id = ++lastId
    const frame = `{"id":${id},"type":"${type}"${fields === '' ? '' : `,${fields}`}}`
    client.send(frame)
    return { id, frame }
  })
  const answers: string[] = []
  for (const { id, frame } of sent) {
    const reply = await client.next(isReply)
    const problem = problemOf(reply, id, frame)
    if (problem !== undefined) {
      throw new Error(`${problem}: ${frame.slice(0, 500)} got ${JSON.stringify(reply).slice(0, 500)}`)
    }
    answers.push(reply['code'] ?? 'result')
  }
  await client.request('store.get', { bucket: 'none', key: 'none' })
  const stray = client.waiting.find(isReply)
  if (stray !== undefined) throw new Error(`a reply too many: ${JSON.stringify(stray)}`)
  return answers
}

function problemOf (reply: Frame, id: number, frame: string): string | undefined {
  // What is too deep as well as wrong in another way may be refused for either.
  const isTooDeep = depthOf(JSON.parse(frame)) > MAX_JSON_DEPTH
  if (reply['id'] !== id) return `the reply must have the id ${id}`
  if (isTooDeep && reply['code'] !== 'VALIDATION_ERROR') return 'it is nested too deep'
  if (reply['type'] === 'error' && !codes.has(reply['code'])) return 'no code that a client may be sent'
  return secrets.test(JSON.stringify(reply)) ? 'a secret' : undefined
}

/** A client of the mode's user. */
async function freshClient (server: FuzzServer): Promise<TestClient> {
  const client = await server.connect()
  await server.logIn(client)
  return client
}

t.comment(`FUZZ_SEED=${SEED} FUZZ_RUNS=${RUNS}`)

for (const mode of modes) {
  t.test(`Every request is answered once, no matter what it holds: ${mode}`, async t => {
    const server = await serveFuzz(t, mode)
    await server.plant()
    const before = await server.untouched()
    const wrong: string[] = []
    let asked = 0
    const answers = new Map<string, number>()
    for (const [index, [name, { request }]] of [...operations].entries()) {
      if (ending.has(name) || (ofAccounts.test(name) && !server.hasAccounts)) continue
      await server.plant()
      const client = await freshClient(server)
      const batches = fc.array(requestsOf(request, baseRequests[name] ?? {}), {
        minLength: BATCH,
        maxLength: BATCH
      })
      const property = fc.asyncProperty(batches, async batch => {
        asked += batch.length
        for (const answer of await ask(client, name, batch)) {
          answers.set(answer, (answers.get(answer) ?? 0) + 1)
        }
        if (client.ws.readyState !== WebSocket.OPEN) throw new Error('the connection is closed')
      })
      const result = await fc.check(property, { seed: SEED + index, numRuns: RUNS, endOnFailure: true })
      if (result.failed) wrong.push(`${name}: ${String(result.errorInstance ?? result.counterexample)}`)
      client.ws.terminate()
    }
    t.comment(`${asked} requests: ${[...answers].map(([answer, count]) => `${count} ${answer}`).join(', ')}`)
    t.same(wrong, [])
    t.same(server.failures, [], 'nothing failed inside the server')
    t.ok((answers.get('result') ?? 0) > 0, `results: ${answers.get('result')} of ${asked}`)
    await t.test('and the server is as sound as before', async t => {
      t.same(Object.keys(Object.prototype), [])
      t.equal(({} as Record<string, unknown>)['polluted'], undefined, 'no prototype was changed')
      t.same(await server.untouched(), before, 'what the server keeps for itself is what it was')
      const client = await freshClient(server)
      t.match(await client.request('store.get', { bucket: 'scratch', key: 'none' }), {
        type: 'result',
        data: null
      })
      t.not((await server.app.noex.getStats()).store, null)
    })
  })
}
