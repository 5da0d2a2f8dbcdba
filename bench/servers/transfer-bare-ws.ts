// A route of ws over a Map, with the journal that a store's log has: nothing is checked, but an answer waits
// until its transfer is durable. Argument: the folder of the journal.
import { JournalThread } from '@hamicek/noex-journal'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { WebSocketServer } from 'ws'
import { OPENING_BALANCE, TRANSFER_ACCOUNTS, type Transfer } from '../workload/transfers.js'
import { reportTo } from './control.js'
import { welcome } from './welcome.js'

interface Account {
  readonly id: number
  readonly balance: number
  readonly _version: number
  readonly _createdAt: number
  readonly _updatedAt: number
}

const { thread } = await JournalThread.open<number>({
  file: new URL('./journal-worker.js', import.meta.url),
  name: 'journal',
  settings: join(process.argv[2] as string, 'transfer'),
  title: 'the thread of the benchmark'
})
const began = Date.now()
const accounts = new Map<number, Account>()
for (let id = 0; id < TRANSFER_ACCOUNTS; id++) {
  accounts.set(id, { id, balance: OPENING_BALANCE, _version: 1, _createdAt: began, _updatedAt: began })
}

const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
server.on('connection', ws => {
  ws.on('error', () => {})
  ws.on('message', data => {
    const { id, input } = JSON.parse(String(data)) as { readonly id: number, readonly input: Transfer }
    const time = Date.now()
    const from = changed(input.from, -input.amount, time)
    const to = changed(input.to, input.amount, time)
    const line = JSON.stringify({
      time,
      changes: [
        { type: 'update', bucket: 'accounts', key: from.id, after: from },
        { type: 'update', bucket: 'accounts', key: to.id, after: to }
      ]
    })
    const results = { from: from.balance, to: to.balance }
    const reply = JSON.stringify({ id, type: 'result', data: { success: true, results } })
    thread.write([line]).then(() => { ws.send(reply) }, error => { throw error })
  })
  ws.send(welcome())
})
await once(server, 'listening')
reportTo((server.address() as AddressInfo).port, {
  balances: async () => [...accounts.values()].map(({ balance }) => balance)
})

function changed (id: number, by: number, time: number): Account {
  const before = accounts.get(id) as Account
  const after = { ...before, balance: before.balance + by, _version: before._version + 1, _updatedAt: time }
  accounts.set(id, after)
  return after
}
