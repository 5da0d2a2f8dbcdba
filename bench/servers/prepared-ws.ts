import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { WebSocketServer } from 'ws'
import { answer, type BareRequest } from './bare-answers.js'
import { rowsOf } from './bare-records.js'
import { reportTo } from './control.js'
import { RowWatchers } from './row-watchers.js'
import { textFrame } from './text-frame.js'
import { welcome } from './welcome.js'

/**
 * Does the work with `ws` in its fastest known form: all replies of one tick to a client leave in one system
 * call, a push is framed once for all, and so is a list until it changes.
 */
const watchers = new RowWatchers<Socket>()
/** Frames with whole lists, by the request that they answer. */
const prepared = new Map<string, Buffer>()

const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
server.on('connection', (ws, { socket }) => {
  let isCorked = false
  ws.on('error', () => {})
  ws.on('close', () => { watchers.delete(socket) })
  ws.on('message', data => {
    if (!isCorked) {
      isCorked = true
      socket.cork()
      process.nextTick(() => {
        isCorked = false
        socket.uncork()
      })
    }
    const request = JSON.parse(String(data)) as BareRequest
    if (request.type === 'store.subscribe') {
      watchers.add(request.query, socket)
      socket.write(listFrame(request.query, request.id))
      return
    }
    const row = answer(request)
    ws.send(JSON.stringify({ id: request.id, type: 'result', data: row }))
    if (request.type === 'store.update') prepared.clear()
    watchers.publish(request, row)
  })
  ws.send(welcome())
})
await once(server, 'listening')
reportTo((server.address() as AddressInfo).port)

function listFrame (list: string, id: number): Buffer {
  const name = `${list} ${id}`
  let frame = prepared.get(name)
  if (frame === undefined) {
    const data = { subscriptionId: 'sub-0123456789ab', data: rowsOf(list) }
    frame = textFrame(JSON.stringify({ id, type: 'result', data }))
    prepared.set(name, frame)
  }
  return frame
}
