import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { WebSocketServer, type WebSocket } from 'ws'
import { BOARD_ROWS, inputOf, keyOf, USERS, type UserInput, type UserRecord } from '../workload/records.js'
import { reportTo } from './control.js'
import { welcome } from './welcome.js'

/**
 * The ceiling: what the work costs with `ws` and nothing else. It trusts every request, checks no field,
 * and has just what the load needs.
 */
type Request =
  | { readonly id: number, readonly type: 'store.get', readonly bucket: string, readonly key: string }
  | { readonly id: number, readonly type: 'store.insert', readonly bucket: string, readonly data: UserInput }
  | { readonly id: number, readonly type: 'store.update', readonly bucket: string, readonly key: string, readonly data: Partial<UserInput> }
  | { readonly id: number, readonly type: 'store.subscribe' }

const buckets = { users: table(USERS), board: table(BOARD_ROWS) }
const subscribers = new Set<WebSocket>()

const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
server.on('connection', ws => {
  ws.on('error', () => {})
  ws.on('close', () => { subscribers.delete(ws) })
  ws.on('message', data => {
    const request = JSON.parse(String(data)) as Request
    ws.send(JSON.stringify({ id: request.id, type: 'result', data: answer(ws, request) }))
    if (request.type === 'store.update' && request.bucket === 'board') publish()
  })
  ws.send(welcome())
})
await once(server, 'listening')
reportTo((server.address() as AddressInfo).port)

function answer (ws: WebSocket, request: Request): unknown {
  switch (request.type) {
    case 'store.get': return bucketOf(request).get(request.key)
    case 'store.insert': {
      const { name, email, score, active } = request.data
      const now = Date.now()
      // Member by member, because that is the cheapest way; adding members to a copy costs half as much again.
      const record: UserRecord = { name, email, score, active, id: randomUUID(), _version: 1, _createdAt: now, _updatedAt: now }
      bucketOf(request).set(record.id, record)
      return record
    }
    case 'store.update': {
      const bucket = bucketOf(request)
      const existing = bucket.get(request.key) as UserRecord
      const record: UserRecord = { ...existing, ...request.data, _version: existing._version + 1, _updatedAt: Date.now() }
      bucket.set(record.id, record)
      return record
    }
    case 'store.subscribe':
      subscribers.add(ws)
      return { subscriptionId: 'board', data: [...buckets.board.values()] }
  }
}

/** Encodes the board once and sends the text to every subscriber. */
function publish (): void {
  const push = JSON.stringify({ type: 'push', channel: 'subscription', subscriptionId: 'sub-0123456789ab', data: [...buckets.board.values()] })
  for (const ws of subscribers) ws.send(push)
}

function bucketOf (request: { readonly bucket: string }): Map<string, UserRecord> {
  return buckets[request.bucket as keyof typeof buckets]
}

function table (size: number): Map<string, UserRecord> {
  const now = Date.now()
  return new Map(Array.from({ length: size }, (_, i) => {
    const record = { ...inputOf(i), id: keyOf(i), _version: 1, _createdAt: now, _updatedAt: now }
    return [record.id, record]
  }))
}
