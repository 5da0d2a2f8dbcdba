import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import type { Store, StoreRecord } from '@hamicek/noex-store'
import type { Frame, TestClient } from '../support/client.js'
import { isThorough } from '../support/sampled.js'
import { serveTransfers, transfer } from '../support/money-transfers.js'

const CLIENTS = 64

/** Transfers of each client. */
const ROUNDS = isThorough ? 30 : 5

/** Has writes wait for a change of the schema, so that all that wait go on in one tick and in step. */
async function changeSchemaUntil (isOver: () => boolean, admin: TestClient): Promise<void> {
  while (!isOver()) {
    await admin.ask('store.updateBucket', { name: 'items', updates: {} })
    await setImmediate()
  }
}

/** Writes to an account as the application, past all transactions. Resolves with its last write. */
async function writeUntil (isOver: () => boolean, store: Store): Promise<string> {
  let kind = ''
  for (let n = 0; !isOver(); n++) {
    kind = `kind ${n}`
    await store.bucket('accounts').update('a0', { kind })
    if (n % 3 === 0) await setImmediate()
  }
  return kind
}

/** Calls `work` from all clients, `rounds` times from each, and counts the codes of the replies, or `ok`. */
async function hammer (
  clients: readonly TestClient[],
  rounds: number,
  work: (client: TestClient, n: number) => Promise<Frame>
): Promise<Map<string, number>> {
  const answers = new Map<string, number>()
  await Promise.all(
    clients.map(async (client, n) => {
      for (let round = 0; round < rounds; round++) {
        const reply = await work(client, n * rounds + round)
        const answer = reply['code'] ?? 'ok'
        answers.set(answer, (answers.get(answer) ?? 0) + 1)
      }
    })
  )
  return answers
}

t.test(
  '64 clients that move money between few accounts lose nothing, and none is told of a conflict',
  { timeout: 120_000 },
  async t => {
    const { connect, store } = await serveTransfers(t, 4)
    const admin = await connect()
    await admin.ask('procedures.register', { procedure: transfer })
    const clients = await Promise.all(Array.from({ length: CLIENTS }, () => connect()))
    let isOver = false
    const changing = changeSchemaUntil(() => isOver, admin)
    const writing = writeUntil(() => isOver, store)
    const answers = await hammer(clients, ROUNDS, async (client, n) => {
      const [from, to] = [`a${n % 4}`, `a${(n + 1 + (n % 3)) % 4}`]
      return await client.request('procedures.call', { name: 'transfer', input: { from, to, amount: 1 } })
    })
    isOver = true
    await changing
    const last = await writing
    t.same([...answers], [['ok', CLIENTS * ROUNDS]], 'each call was answered with its result')
    t.match(await store.bucket('accounts').get('a0'), { kind: last }, 'nor does the application lose any')
    const moved = new Map<string, number>()
    for (const { account, amount } of (await store.bucket('entries').all()) as Array<
      StoreRecord & { account: string; amount: number }
    >) {
      moved.set(account, (moved.get(account) ?? 0) + amount)
    }
    const accounts = await store.bucket('accounts').all()
    for (const { id, balance } of accounts) {
      t.equal(
        balance,
        1_000_000 + (moved.get(String(id)) ?? 0),
        `the balance of ${String(id)} is what its entries say`
      )
    }
    t.equal(await store.bucket('entries').count({ amount: 1 }), CLIENTS * ROUNDS, 'as many credits as calls')
    t.equal(await store.bucket('entries').count({ amount: -1 }), CLIENTS * ROUNDS, 'as many debits as calls')
  }
)

t.test('64 clients that count in one record lose nothing', { timeout: 120_000 }, async t => {
  const { connect, store } = await serveTransfers(t, 1)
  const admin = await connect()
  const clients = await Promise.all(Array.from({ length: CLIENTS }, () => connect()))
  let isOver = false
  const changing = changeSchemaUntil(() => isOver, admin)
  const answers = await hammer(clients, 20, async (client, n) =>
    n % 2 === 0
      ? await client.request('store.increment', { bucket: 'accounts', key: 'a0', field: 'balance', by: 1 })
      : await client.request('store.transaction', {
        operations: [
          { op: 'get', bucket: 'accounts', key: 'a0' },
          { op: 'increment', bucket: 'accounts', key: 'a0', field: 'balance', by: 1 }
        ]
      })
  )
  isOver = true
  await changing
  t.same([...answers], [['ok', CLIENTS * 20]])
  t.match(await store.bucket('accounts').get('a0'), {
    balance: 1_000_000 + CLIENTS * 20,
    _version: 1 + CLIENTS * 20
  })
})
