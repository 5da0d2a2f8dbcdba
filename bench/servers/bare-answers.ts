import { randomUUID } from 'node:crypto'
import { BOARD_ROWS, inputOf, keyOf, USERS, type UserInput, type UserRecord } from '../workload/records.js'

/** A request of the load; the bare servers trust it to be one. */
export type BareRequest =
  | { readonly id: number, readonly type: 'store.get', readonly bucket: string, readonly key: string }
  | { readonly id: number, readonly type: 'store.insert', readonly bucket: string, readonly data: UserInput }
  | {
    readonly id: number,
    readonly type: 'store.update',
    readonly bucket: string,
    readonly key: string,
    readonly data: Partial<UserInput>
  }
  | { readonly id: number, readonly type: 'store.subscribe' }

const buckets = { users: table(USERS), board: table(BOARD_ROWS) }

/** Rows of the board, in their order. */
export function boardRows (): UserRecord[] {
  return [...buckets.board.values()]
}

/** Does what a request asks for, without a check, in Maps. Returns the reply's data. */
export function answer (request: BareRequest): unknown {
  switch (request.type) {
    case 'store.get': return bucketOf(request).get(request.key)
    case 'store.insert': {
      const { name, email, score, active } = request.data
      const now = Date.now()
      // Member by member, because that is the cheapest way; adding members to a copy costs
      // half as much again.
      const record: UserRecord = {
        name, email, score, active, id: randomUUID(), _version: 1, _createdAt: now, _updatedAt: now
      }
      bucketOf(request).set(record.id, record)
      return record
    }
    case 'store.update': {
      const bucket = bucketOf(request)
      const existing = bucket.get(request.key) as UserRecord
      const record: UserRecord = {
        ...existing, ...request.data, _version: existing._version + 1, _updatedAt: Date.now()
      }
      bucket.set(record.id, record)
      return record
    }
    case 'store.subscribe': return { subscriptionId: 'board', data: boardRows() }
  }
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
