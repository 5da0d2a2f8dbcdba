import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { WebSocketServer, type WebSocket } from 'ws'
import { answer, type BareRequest } from './bare-answers.js'
import { rowsOf } from './bare-records.js'
import { reportTo } from './control.js'
import { welcome } from './welcome.js'

/** Does the work with `ws` and nothing else: no field is checked. */
const subscribers = new Set<WebSocket>()

const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
server.on('connection', ws => {
  ws.on('error', () => {})
  ws.on('close', () => { subscribers.delete(ws) })
  ws.on('message', data => {
    const request = JSON.parse(String(data)) as BareRequest
    if (request.type === 'store.subscribe') subscribers.add(ws)
    ws.send(JSON.stringify({ id: request.id, type: 'result', data: answer(request) }))
    if (request.type === 'store.update' && request.bucket === 'board') publish()
  })
  ws.send(welcome())
})
await once(server, 'listening')
reportTo((server.address() as AddressInfo).port)

/** Encodes the board once and sends the text to every subscriber. */
function publish (): void {
  const push = {
    type: 'push', channel: 'subscription', subscriptionId: 'sub-0123456789ab', data: rowsOf('board')
  }
  const text = JSON.stringify(push)
  for (const ws of subscribers) ws.send(text)
}
