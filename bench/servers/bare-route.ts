import websocket from '@fastify/websocket'
import Fastify from 'fastify'
import type { AddressInfo } from 'node:net'
import { reportTo } from './control.js'
import { welcome } from './welcome.js'

/**
 * A Fastify application with one WebSocket route, which greets and echoes: what a connection costs there
 * before it does anything.
 */
const app = Fastify({ logger: false })
await app.register(websocket)
await app.register(async scope => {
  scope.get('/', { websocket: true }, socket => {
    socket.on('message', data => { socket.send(String(data)) })
    socket.send(welcome())
  })
})
await app.listen({ port: 0, host: '127.0.0.1' })
reportTo((app.server.address() as AddressInfo).port)
