import { randomUUID } from 'node:crypto'
import {
  BOARD_ROWS, inputOf, keyOf, LISTS, listName, USERS, type UserInput, type UserRecord
} from '../workload/records.js'

/** The records of the servers that are compared with, in Maps, without a check: they do the same work. */
const buckets = new Map([
  ['users', table(USERS)],
  ['board', table(BOARD_ROWS)],
  ...LISTS.map(rows => [listName(rows), table(rows)] as const)
])

/** Returns a record, or undefined. */
export function get (bucket: string, key: string): UserRecord | undefined {
  return bucketOf(bucket).get(key)
}

/** Inserts a record and returns it. */
export function insert (bucket: string, { name, email, score, active }: UserInput): UserRecord {
  const now = Date.now()
  // Member by member, because that is the cheapest way; adding members to a copy costs half as much again.
  const record: UserRecord = {
    name, email, score, active, id: randomUUID(), _version: 1, _createdAt: now, _updatedAt: now
  }
  bucketOf(bucket).set(record.id, record)
  return record
}

/** Changes a record, which must be there, and returns it. */
export function update (bucket: string, key: string, data: Partial<UserInput>): UserRecord {
  const records = bucketOf(bucket)
  const existing = records.get(key) as UserRecord
  const record: UserRecord = {
    ...existing, ...data, _version: existing._version + 1, _updatedAt: Date.now()
  }
  records.set(record.id, record)
  return record
}

/** Returns all records, in their order. */
export function rowsOf (bucket: string): UserRecord[] {
  return [...bucketOf(bucket).values()]
}

function bucketOf (name: string): Map<string, UserRecord> {
  return buckets.get(name) as Map<string, UserRecord>
}

function table (size: number): Map<string, UserRecord> {
  const now = Date.now()
  return new Map(Array.from({ length: size }, (_, i) => {
    const record = { ...inputOf(i), id: keyOf(i), _version: 1, _createdAt: now, _updatedAt: now }
    return [record.id, record]
  }))
}
