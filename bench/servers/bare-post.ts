import helmet from '@fastify/helmet'
import Fastify from 'fastify'
import type { AddressInfo } from 'node:net'
import { answer, type BareRequest } from './bare-answers.js'
import { reportTo } from './control.js'

/**
 * A Fastify application with one route, which answers requests as this server does: no field is checked. With
 * the argument `helmet`, under @fastify/helmet.
 */
const app = Fastify({ logger: false })
if (process.argv.includes('helmet')) await app.register(helmet)
app.post<{ Body: BareRequest }>('/rpc', async ({ body }) =>
  ({ id: body.id, type: 'result', data: answer(body) }))
await app.listen({ port: 0, host: '127.0.0.1' })
reportTo((app.server.address() as AddressInfo).port)
