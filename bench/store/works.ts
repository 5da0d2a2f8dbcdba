import type { BucketHandle, Store } from '@hamicek/noex-store'

/** Records that share a value of the field `role`, in a bucket of any size. */
export const ROLE_ROWS = 20

/** The base of a work: a store whose bucket `records` holds `size` records. */
export interface Bench {
  readonly store: Store
  readonly records: BucketHandle
  readonly size: number
}

/** One line of the benchmark. */
export interface Work {
  readonly name: string
  /** Buckets that the work needs: see `buckets.ts`. */
  readonly group: Group
  /** Limit for a bucket of a million records, in the unit of the line. */
  readonly aim?: number
  /** The unit of one figure, where it is not a call. */
  readonly per?: string
  /** Calls of a round; of the registry's package `slow` where that needs long for one. */
  readonly calls: number
  readonly slow?: number
  /** Figures that one call stands for. */
  readonly weight?: (size: number) => number
  /** Readies the store for calls from a number on; not measured. */
  readonly prepare?: (bench: Bench, from: number, calls: number) => Promise<void>
  readonly call: (bench: Bench, i: number) => Promise<unknown>
  readonly clean?: (bench: Bench) => Promise<void>
}

/**
 * `plain`: a bucket with two indexes; `full`: one that is at its `maxSize`; `expiring`: one with a lifetime.
 */
export type Group = 'plain' | 'full' | 'expiring'

/** The record of a number: 20 of them share a role, each has a rank of its own, in no order. */
export function recordOf (i: number, size: number): Record<string, unknown> {
  return {
    id: `${i}`,
    name: `name ${i}`,
    role: `r${i % (size / ROLE_ROWS)}`,
    rank: spread(i, size),
    score: spread(i + 1, size)
  }
}

/** A number below `size` for each number below it, each once, in no order. */
export function spread (i: number, size: number): number {
  return (i * 7_919) % size
}

const role = (i: number, size: number): string => `r${spread(i, size / ROLE_ROWS)}`
const newRecord = (i: number): Record<string, unknown> => ({ name: 'new', role: 'none', rank: -i, score: i })

/** Records of one `insertMany`, whose ranks are those of no other. */
const batch = Array.from({ length: 10_000 }, (_, i) =>
  ({ ...recordOf(i, 10_000), id: `n${i}`, role: `n${i % 500}`, rank: -1 - spread(i, 10_000) }))

const writes: Work[] = [
  {
    name: 'insert',
    group: 'plain',
    calls: 5_000,
    call: async ({ records }, i) => await records.insert({ id: `n${i}`, ...newRecord(i) }),
    clean: async ({ records }) => { await records.deleteMany({ role: 'none' }) }
  },
  {
    name: 'update, one field',
    group: 'plain',
    calls: 5_000,
    call: async ({ records, size }, i) => await records.update(`${spread(i, size)}`, { score: i })
  },
  {
    name: 'delete',
    group: 'plain',
    calls: 5_000,
    prepare: async ({ records }, from, calls) => {
      await records.insertMany(
        Array.from({ length: calls }, (_, i) => ({ id: `n${from + i}`, ...newRecord(i) }))
      )
    },
    call: async ({ records }, i) => { await records.delete(`n${i}`) }
  },
  {
    name: 'insertMany of 10,000',
    group: 'plain',
    per: 'record',
    aim: 6,
    calls: 1,
    weight: () => batch.length,
    call: async ({ records }) => await records.insertMany(batch),
    clean: async ({ records }) => { await records.deleteMany({ rank: { $lt: 0 } }) }
  },
  {
    name: 'transaction of 100 updates',
    group: 'plain',
    per: 'update',
    aim: 12,
    calls: 50,
    weight: () => 100,
    call: async ({ store, size }, i) => {
      await store.transaction(async tx => {
        const records = await tx.bucket('records')
        for (let j = 0; j < 100; j++) await records.update(`${spread(i * 100 + j, size)}`, { score: j })
      })
    }
  }
]

const reads: Work[] = [
  {
    name: 'get',
    group: 'plain',
    calls: 50_000,
    call: async ({ records, size }, i) => await records.get(`${spread(i, size)}`)
  },
  {
    name: `where by index, ${ROLE_ROWS} found`,
    group: 'plain',
    aim: 50,
    calls: 2_000,
    call: async ({ records, size }, i) => await records.where({ role: role(i, size) })
  },
  {
    name: `$in of two by index, ${2 * ROLE_ROWS} found`,
    group: 'plain',
    aim: 50,
    calls: 2_000,
    slow: 5,
    call: async ({ records, size }, i) => await records.where({
      role: { $in: [role(i, size), role(i + 1, size)] }
    })
  },
  {
    name: '$in of 100 by index, 2,000 found',
    group: 'plain',
    per: 'record',
    calls: 50,
    slow: 2,
    weight: () => 2_000,
    call: async ({ records, size }, i) => await records.where({
      role: { $in: Array.from({ length: 100 }, (_, j) => role(i * 100 + j, size)) }
    })
  },
  {
    name: 'range of 100 by index',
    group: 'plain',
    aim: 50,
    calls: 1_000,
    slow: 5,
    call: async ({ records, size }, i) => {
      const from = spread(i, size - 100)
      return await records.where({ rank: { $gte: from, $lt: from + 100 } })
    }
  },
  {
    name: 'scan without index',
    group: 'plain',
    per: 'row',
    aim: 0.05,
    calls: 3,
    weight: size => size,
    call: async ({ records }) => await records.where({ name: 'none' })
  },
  {
    name: 'first(20)',
    group: 'plain',
    aim: 50,
    calls: 2_000,
    slow: 20,
    call: async ({ records }) => await records.first(20)
  },
  {
    name: 'last(20)',
    group: 'plain',
    aim: 50,
    calls: 2_000,
    slow: 20,
    call: async ({ records }) => await records.last(20)
  },
  {
    name: 'page of 20 after a key',
    group: 'plain',
    aim: 50,
    calls: 2_000,
    slow: 20,
    call: async ({ records, size }, i) => await records.paginate({ after: `${spread(i, size)}`, limit: 20 })
  },
  {
    name: 'min by index',
    group: 'plain',
    aim: 50,
    calls: 2_000,
    slow: 5,
    call: async ({ records }) => await records.min('rank')
  },
  {
    name: 'sort + limit 20 by index',
    group: 'plain',
    aim: 50,
    calls: 1_000,
    slow: 1,
    call: async ({ store }) => await store.runQuery('byRank')
  },
  {
    name: 'sort + limit 20 without index',
    group: 'plain',
    per: 'row',
    calls: 2,
    slow: 1,
    weight: size => size,
    call: async ({ store }) => await store.runQuery('byScore')
  },
  {
    name: 'count by index, equality',
    group: 'plain',
    aim: 50,
    calls: 2_000,
    call: async ({ records, size }, i) => await records.count({ role: role(i, size) })
  },
  {
    name: 'count by index, range of half',
    group: 'plain',
    aim: 50,
    calls: 500,
    slow: 2,
    call: async ({ records, size }, i) => await records.count({ rank: { $lt: size / 2 + i } })
  },
  {
    name: 'insert at maxSize',
    group: 'full',
    aim: 50,
    calls: 5_000,
    slow: 5,
    call: async ({ records }, i) => await records.insert(newRecord(i))
  },
  {
    name: 'expiry tick, nothing due',
    group: 'expiring',
    aim: 50,
    calls: 1_000,
    slow: 5,
    call: async ({ store }) => await store.purgeTtl()
  }
]

export const works: readonly Work[] = [...reads, ...writes]
