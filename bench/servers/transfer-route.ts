import Fastify from 'fastify'
import type { AddressInfo } from 'node:net'
import type { Transfer } from '../workload/transfers.js'
import { reportTo, type Report } from './control.js'

/** The balances after a transfer. */
export interface Balances {
  readonly from: number
  readonly to: number
}

const number = { type: 'number' } as const

/** Serves `POST /transfer` by Fastify, with schemas for what comes in and what goes out. */
export async function serveTransfers (
  transfer: (transfer: Transfer) => Balances | Promise<Balances>, report: Report
): Promise<void> {
  const app = Fastify({ logger: false })
  app.post<{ Body: Transfer }>('/transfer', {
    schema: {
      body: {
        type: 'object',
        properties: { from: number, to: number, amount: number },
        required: ['from', 'to', 'amount']
      },
      response: { 200: { type: 'object', properties: { from: number, to: number } } }
    }
  }, async request => await transfer(request.body))
  await app.listen({ port: 0, host: '127.0.0.1' })
  reportTo((app.server.address() as AddressInfo).port, report)
}
