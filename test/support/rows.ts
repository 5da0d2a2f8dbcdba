import fc from 'fast-check'
import t, { type Test } from 'tap'
import { Store, type BucketDefinition, type StoreRecord, type WhereFilter } from '@hamicek/noex-store'
import { toReplyError } from '../../lib/store/store-errors.js'
import type { RowScope } from '../../lib/store/row-scope.js'
import { SharedStore } from '../../lib/store/shared-store.js'
import { Work } from '../../lib/store/work.js'

export const work = new Work(Infinity)

/** Allows access to every record. */
export const everything: RowScope = {
  rows: () => undefined, assertStillAllowed () {}, work, maxChanges: Infinity
}

/** Allows access to the matching records, for any operation. */
export function within (rows: WhereFilter): RowScope {
  return { rows: () => rows, assertStillAllowed () {}, work, maxChanges: Infinity }
}

export const mine: WhereFilter = { owner: 'me' }

// Keeps the process alive: the timers between two tries of a transaction do not.
const alive = setInterval(() => {}, 1_000)
t.teardown(() => { clearInterval(alive) })

export async function open (
  t: Test,
  buckets: Readonly<Record<string, BucketDefinition>>
): Promise<{ store: Store, sharedStore: SharedStore }> {
  const store = await Store.start()
  t.teardown(async () => { await store.stop() })
  for (const [name, definition] of Object.entries(buckets)) await store.defineBucket(name, definition)
  const sharedStore = SharedStore.of(store)
  return { store, sharedStore }
}

const notes: BucketDefinition = {
  key: 'id',
  schema: {
    id: { type: 'string' },
    owner: { type: 'string' },
    text: { type: 'string', maxLength: 10 },
    code: { type: 'string', unique: true }
  }
}

/** A bucket with two records of mine, m1 and m2, and two of another, o1 and o2. */
export async function withNotes (
  t: Test, more: Readonly<Record<string, BucketDefinition>> = {}, definition = notes
) {
  const opened = await open(t, { notes: definition, ...more })
  const handle = opened.store.bucket('notes')
  await handle.insertMany([
    { id: 'm1', owner: 'me', text: 'a' }, { id: 'o1', owner: 'you', text: 'a', code: 'O' },
    { id: 'm2', owner: 'me', text: 'b' }, { id: 'o2', owner: 'you', text: 'b' }
  ])
  return { ...opened, state: async () => shown(await handle.all()) }
}

export const untouched = ['m1 me a', 'o1 you a', 'm2 me b', 'o2 you b']

function shown (records: readonly StoreRecord[]): string[] {
  return records.map(({ id, owner, text }) => [id, owner, text].map(String).join(' '))
}

/** The code with which the failure of `work` would be answered. */
export async function refusal (
  work: Promise<unknown>
): Promise<{ code: string | undefined, message: string, details: unknown }> {
  try {
    await work
  } catch (error) {
    const reply = toReplyError(error)
    return { code: reply?.code, message: reply?.message ?? String(error), details: reply?.details }
  }
  return { code: 'none', message: '', details: undefined }
}

export const ids = (records: readonly StoreRecord[]): unknown[] => records.map(record => record['id'])

export const value = fc.constantFrom<unknown>('a', 'a', 'b', null, 1, 2)

export const entry = fc.record({
  id: fc.integer({ min: 0, max: 30 }),
  owner: fc.constantFrom('a', 'b', null),
  status: fc.constantFrom('a', 'b', null),
  n: fc.constantFrom(1, 2, 3, null)
}, { requiredKeys: ['id'] })
