/** A record as the servers keep it; its JSON takes about 200 bytes. */
export interface UserRecord {
  readonly id: string
  readonly name: string
  readonly email: string
  readonly score: number
  readonly active: boolean
  readonly _version: number
  readonly _createdAt: number
  readonly _updatedAt: number
}

/** The fields of a record that are not the server's to fill in. */
export type UserInput = Pick<UserRecord, 'name' | 'email' | 'score' | 'active'>

/** Records in the bucket `users` when a load begins. */
export const USERS = 1_000

/** Rows of the bucket `board`, all of which the live query `board` returns. */
export const BOARD_ROWS = 20

/** Rows of the lists of which one row is pushed when it changes. */
export const LISTS = [20, 200, 1_000] as const

/** The bucket with a list of so many rows, and the query that returns them all. */
export function listName (rows: number): string {
  return `list${rows}`
}

/** The key of the record at `index` of a bucket. */
export function keyOf (index: number): string {
  return `5f0c9a44-1d1b-4b7e-8a67-${String(index).padStart(12, '0')}`
}

/** The fields of the record at `index`. */
export function inputOf (index: number): UserInput {
  return {
    name: `Customer with the number ${index}`,
    email: `customer.${index}@example.com`,
    score: index,
    active: index % 2 === 0
  }
}
