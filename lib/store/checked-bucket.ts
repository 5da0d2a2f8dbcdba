import {
  matchesFilter,
  type BucketDefinition, type BucketHandle, type StoreRecord, type TransactionBucketHandle, type WhereFilter
} from '@hamicek/noex-store'
import { confine } from './row-filter.js'
import { candidates, type Candidates } from './sliced-reads.js'
import type { TransactionReads } from './transaction-reads.js'

/**
 * Records among which those are that match a filter, as `candidates` tells them, and further ones that the
 * transaction has written, still to be compared with all of the filter.
 */
export interface OwnCandidates extends Candidates {
  readonly written: readonly StoreRecord[]
}

interface Inside {
  readonly isUntouched: () => boolean
  readonly candidates: (definition: BucketDefinition, filter: WhereFilter) => Promise<OwnCandidates>
}

const insides = new WeakMap<TransactionBucketHandle, Inside>()

/** Whether the transaction has written nothing to the bucket. */
export function isUntouched (handle: TransactionBucketHandle): boolean {
  return insides.get(handle)?.isUntouched() === true
}

/** Finds the records to compare with a filter, and remembers nothing: see `TransactionReads.addFilter`. */
export async function candidatesIn (
  handle: TransactionBucketHandle, definition: BucketDefinition, filter: WhereFilter
): Promise<OwnCandidates> {
  const inside = insides.get(handle)
  return await inside?.candidates(definition, filter) ??
    { records: await handle.all(), rest: filter, written: [] }
}

/**
 * Has a bucket of a transaction remember what is read of it, by whichever method, and lets the store's
 * indexes answer filters. noex-store's own handle filters a copy of all records, and so do its methods here
 * once the transaction itself has updated something there. `stored` opens the bucket as the store has it.
 */
export function checkedBucket (
  handle: TransactionBucketHandle, keyField: string, reads: TransactionReads, stored: () => BucketHandle
): TransactionBucketHandle {
  const { name } = handle
  const own = {
    get: handle.get.bind(handle),
    all: handle.all.bind(handle),
    insert: handle.insert.bind(handle),
    update: handle.update.bind(handle),
    delete: handle.delete.bind(handle)
  }
  const inserted = new Map<unknown, StoreRecord>()
  const deleted = new Set<unknown>()
  /** Records of the store as the transaction has changed them. */
  const updated = new Map<unknown, StoreRecord>()
  /** Writes that have been begun and are not in `inserted`, `updated` or `deleted` yet. */
  let pending = 0

  async function writing<T> (write: Promise<T>, done: (result: T) => void): Promise<T> {
    pending++
    try {
      const result = await write
      done(result)
      return result
    } finally {
      pending--
    }
  }

  function isUntouched (): boolean {
    return updated.size === 0 && pending === 0 && inserted.size === 0 && deleted.size === 0
  }

  /** Finds records without any remembering. */
  async function find (filter: WhereFilter): Promise<StoreRecord[]> {
    if (updated.size > 0 || pending > 0) {
      return (await own.all()).filter(record => matchesFilter(record, filter))
    }
    // Confined, because an index that is asked for null or an object finds nothing.
    const found = await stored().where(confine({}, filter))
    if (isUntouched()) return found
    const added = [...inserted.values()].filter(record => matchesFilter(record, filter))
    return [...found.filter(record => !deleted.has(record[keyField])), ...added]
  }

  insides.set(handle, {
    isUntouched,
    async candidates (definition, filter) {
      if (pending > 0) return { records: await own.all(), rest: filter, written: [] }
      const confined = confine({}, filter)
      const { records, rest } = await candidates(stored(), definition, confined)
      if (isUntouched()) return { records, rest, written: [] }
      return {
        ...asWritten(records),
        // An index has found them by what they were.
        rest: updated.size === 0 ? rest : confined
      }
    }
  })

  /** Puts what the transaction has made of records in their place, and adds its other ones. */
  function asWritten (records: readonly StoreRecord[]): Omit<OwnCandidates, 'rest'> {
    const current: StoreRecord[] = []
    const others = new Map(updated)
    for (const record of records) {
      const key = record[keyField]
      if (deleted.has(key)) continue
      current.push(updated.get(key) ?? record)
      others.delete(key)
    }
    return { records: current, written: [...others.values(), ...inserted.values()] }
  }

  // The handle calls its own methods for the others: updateMany, deleteMany, insertMany and upsert.
  return Object.assign(handle, {
    async get (key) {
      reads.addRecord(name, key)
      return await own.get(key)
    },
    async all () {
      reads.addBucket(name)
      return await own.all()
    },
    async where (filter) {
      reads.addFilter(name, { filter, isCount: false })
      return await find(filter)
    },
    async findOne (filter) {
      reads.addFilter(name, { filter, isCount: false })
      return isUntouched() ? await stored().findOne(confine({}, filter)) : (await find(filter))[0]
    },
    async count (filter) {
      reads.addFilter(name, { filter: filter ?? {}, isCount: true })
      if (!isUntouched()) return (await find(filter ?? {})).length
      return await stored().count(filter && confine({}, filter))
    },
    async insert (data) {
      return await writing(own.insert(data), record => {
        deleted.delete(record[keyField])
        inserted.set(record[keyField], record)
      })
    },
    async update (key, changes) {
      return await writing(own.update(key, changes), record => {
        (inserted.has(key) ? inserted : updated).set(key, record)
      })
    },
    async delete (key) {
      await writing(own.delete(key), () => {
        updated.delete(key)
        if (!inserted.delete(key)) deleted.add(key)
      })
    }
  } satisfies Partial<TransactionBucketHandle>)
}
