// The plugin with a procedure for transfers, over a store whose commits are in files. Argument: its folder.
import { Store } from '@hamicek/noex-store'
import Fastify from 'fastify'
import type { AddressInfo } from 'node:net'
import { noexPlugin, type ProcedureDefinition } from '../../lib/index.js'
import { OPENING_BALANCE, TRANSFER_ACCOUNTS } from '../workload/transfers.js'
import { reportTo } from './control.js'

const PART = 10_000

const directory = process.argv[2] as string
// How far a start has come is not to stand between the figures.
const store = await Store.start({ name: 'bench', durability: { directory, onNotice () {} } })
await store.defineBucket('accounts', {
  key: 'id', schema: { id: { type: 'number' }, balance: { type: 'number', required: true } }
})
const accounts = store.bucket('accounts')
for (let id = await accounts.count(); id < TRANSFER_ACCOUNTS; id += PART) {
  const part = Array.from({ length: PART }, (_, i) => ({ id: id + i, balance: OPENING_BALANCE }))
  await accounts.insertMany(part)
}

const bucket = 'accounts'
const right = '{{ input.amount }}'
const transfer: ProcedureDefinition = {
  name: 'transfer',
  transaction: true,
  input: { from: { type: 'number' }, to: { type: 'number' }, amount: { type: 'number' } },
  steps: [
    { action: 'store.get', bucket, key: '{{ input.from }}', as: '_from' },
    { action: 'store.get', bucket, key: '{{ input.to }}', as: '_to' },
    { action: 'compute', op: 'subtract', left: '{{ _from.balance }}', right, as: 'from' },
    { action: 'compute', op: 'add', left: '{{ _to.balance }}', right, as: 'to' },
    { action: 'store.update', bucket, key: '{{ input.from }}', data: { balance: '{{ from }}' } },
    { action: 'store.update', bucket, key: '{{ input.to }}', data: { balance: '{{ to }}' } }
  ]
}
const app = Fastify({ logger: false })
await app.register(noexPlugin, { store, procedures: { definitions: [transfer] } })
await app.listen({ port: 0, host: '127.0.0.1' })
reportTo((app.server.address() as AddressInfo).port, {
  balances: async () => {
    const balances: number[] = []
    for (const { id, balance } of await accounts.all()) balances[id as number] = balance as number
    return balances
  }
})
