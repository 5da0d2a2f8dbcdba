import type { DeclarativeQueryConfig } from '@hamicek/noex-store'

/** A live query, and what grows beside a write of one record. */
export interface GrowthCase {
  /** As it stands in the report and in the plot. */
  readonly title: string
  readonly sizes: readonly number[]
  readonly quickSizes: readonly number[]
  /** Records of the bucket. */
  readonly records: (size: number) => number
  readonly indexes?: readonly string[]
  readonly query: DeclarativeQueryConfig
  /** Number of subscriptions. */
  readonly watchers: (size: number) => number
  /** Parameters of a subscription. */
  readonly params?: (watcher: number) => object
  /** Each watcher is a user of its own, who sees the records of that user alone. */
  readonly isByUser?: true
  /** The n-th write: it changes what exactly one subscription shows. */
  readonly change: (n: number, size: number) => Change
  /** Highest ratio of the cost at the largest size to that at the smallest. */
  readonly ratioAtMost: number
  /**
   * Most µs above the floor at the largest size, on a machine on which a server of raw net sockets answers a
   * get in 14.4 µs of CPU.
   */
  readonly addedAtMost?: number
}

/** One record, and its new members. */
interface Change {
  readonly key: string
  readonly data: object
}

/** The bucket that is watched, and the query that watches it. */
export const BUCKET = 'items'
export const QUERY = 'watched'
/** Records where it is not they that grow. */
const RECORDS = 1_000

const one = (): number => 1
const same = (size: number): number => size
const rescore = (n: number, among: number): Change => ({ key: itemKey(n % among), data: { score: n } })

const byRole = {
  sizes: [1, 10, 100, 1_000, 10_000],
  quickSizes: [1, 100],
  records: () => RECORDS,
  query: { bucket: BUCKET, filter: { role: '{{ params.role }}' } },
  watchers: same,
  params: (watcher: number) => ({ role: `role-${watcher}` }),
  change: (n: number, size: number) => rescore(n, Math.min(size, RECORDS)),
  ratioAtMost: 1.2
} as const

/** All cases by name. `floor` is the least: one watcher of one record. */
export const growthCases = {
  floor: {
    title: 'one watcher of one record',
    sizes: [1],
    quickSizes: [1],
    records: one,
    query: { bucket: BUCKET },
    watchers: one,
    change: n => rescore(n, 1),
    ratioAtMost: 1
  },
  queries: { title: 'live queries `role = $x`', ...byRole },
  indexed: { title: 'live queries `role = $x`, indexed', ...byRole, indexes: ['role'] },
  users: {
    title: 'users with a row rule',
    sizes: [10, 100, 1_000, 10_000],
    quickSizes: [10, 50],
    records: () => RECORDS,
    query: { bucket: BUCKET },
    watchers: same,
    isByUser: true,
    change: (n, size) => rescore(n, Math.min(size, RECORDS)),
    ratioAtMost: 1.5
  },
  list: {
    title: 'rows of a list',
    sizes: [1_000, 10_000, 100_000],
    quickSizes: [100, 1_000],
    records: same,
    query: { bucket: BUCKET },
    watchers: one,
    change: rescore,
    ratioAtMost: 1.5,
    addedAtMost: 1_000
  },
  sorted: {
    title: 'rows of a list, sorted',
    sizes: [1_000, 10_000, 100_000],
    quickSizes: [100, 1_000],
    records: same,
    query: { bucket: BUCKET, sort: { score: 'asc' } },
    watchers: one,
    // To a place far away, between two others.
    change: (n, size) => ({
      key: itemKey(n % size), data: { score: n * 7_919 % size + (n % 1_000 + 1) / 1_001 }
    }),
    ratioAtMost: 1.5,
    addedAtMost: 1_000
  },
  filter: {
    title: 'rows, filter without index',
    sizes: [10_000, 100_000, 1_000_000],
    quickSizes: [100, 1_000],
    records: same,
    query: { bucket: BUCKET, filter: { score: { $lt: 10 } } },
    watchers: one,
    change: n => ({ key: itemKey(n % 10), data: { name: `the name number ${n}` } }),
    ratioAtMost: 1.2,
    addedAtMost: 20
  },
  page: {
    title: 'rows, sort + limit 10',
    sizes: [1_000, 10_000, 100_000],
    quickSizes: [100, 1_000],
    records: same,
    query: { bucket: BUCKET, sort: { score: 'desc' }, limit: 10 },
    watchers: one,
    // Each time another record comes first.
    change: (n, size) => ({ key: itemKey(n % size), data: { score: size + n } }),
    ratioAtMost: 1.5,
    addedAtMost: 50
  },
  count: {
    title: 'rows, count',
    sizes: [10_000, 100_000, 1_000_000],
    quickSizes: [100, 1_000],
    records: same,
    query: { bucket: BUCKET, filter: { active: true }, aggregate: { function: 'count' } },
    watchers: one,
    // Ten records by turns, each from true to false and back.
    change: n => ({
      key: itemKey(n % 10), data: { active: (n % 10 % 2 === 0) === (Math.floor(n / 10) % 2 === 1) }
    }),
    ratioAtMost: 1.2,
    addedAtMost: 50
  }
} satisfies Record<string, GrowthCase>

export function itemKey (index: number): string {
  return `item-${index}`
}

/** The user who sees the record at `index`; the name is the token, too. */
export function ownerOf (index: number): string {
  return `user-${index}`
}

/** The token of the user who sees and changes all records. */
export const WRITER = 'writer'

/** The record at `index`. */
export function itemOf (index: number): Record<string, unknown> {
  return {
    id: itemKey(index),
    name: `Customer with the number ${index}`,
    email: `customer.${index}@example.com`,
    role: `role-${index}`,
    owner: ownerOf(index),
    score: index,
    active: index % 2 === 0
  }
}
