import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { WebSocketServer, type WebSocket } from 'ws'
import { reportTo } from './control.js'
import { welcome } from './welcome.js'

/** The heartbeat of the manual of `ws`, with pings that a page can answer: one timer, all clients at once. */
const intervalMs = Number(process.argv[2])
const silent = new WeakSet<WebSocket>()

const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
server.on('connection', ws => {
  ws.on('error', () => {})
  ws.on('message', data => {
    JSON.parse(String(data))
    silent.delete(ws)
  })
  ws.send(welcome())
})
setInterval(() => {
  const ping = JSON.stringify({ type: 'ping', timestamp: Date.now() })
  for (const ws of server.clients) {
    if (silent.has(ws)) {
      ws.terminate()
      continue
    }
    silent.add(ws)
    ws.send(ping)
  }
}, intervalMs)
await once(server, 'listening')
reportTo((server.address() as AddressInfo).port)
