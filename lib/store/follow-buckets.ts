import type { Change, StoreRecord } from '@hamicek/noex-store'
import type { NoexStore } from './noex-store.js'

/** A change of the records of a bucket. */
export type BucketChange<Name extends string = string> = { readonly bucket: Name } & (
  | { readonly type: 'set', readonly record: StoreRecord }
  | { readonly type: 'delete', readonly key: unknown }
  /** All records have been removed. */
  | { readonly type: 'clear' })

type Apply<Name extends string> = (changes: ReadonlyArray<BucketChange<Name>>) => void

/**
 * Calls `apply` with all records of some buckets, then with the changes of each commit to them, as soon as it
 * is durable. Resolves after the first call with a function that stops it; rejects as reading the buckets
 * does.
 */
export async function followBuckets<Name extends string> (
  store: NoexStore, names: readonly Name[], apply: Apply<Name>
): Promise<() => void> {
  const isFollowed = (name: string): name is Name => (names as readonly string[]).includes(name)
  // Changes that are committed while the buckets are read are applied again to the records read.
  const meanwhile: Array<BucketChange<Name>> = []
  let isLoading = true
  const stop = store.onDurable(commit => {
    const changes: Array<BucketChange<Name>> = []
    for (const change of commit.changes) {
      if ('bucket' in change && isFollowed(change.bucket)) changes.push(...changesOf(change.bucket, change))
    }
    if (changes.length === 0) return
    if (isLoading) for (const change of changes) meanwhile.push(change)
    else apply(changes)
  })
  try {
    const found: Array<BucketChange<Name>> = []
    for (const bucket of names) {
      for (const record of await store.bucket(bucket).all()) found.push({ type: 'set', bucket, record })
    }
    isLoading = false
    apply([...found, ...meanwhile])
    return stop
  } catch (error) {
    stop()
    throw error
  }
}

function * changesOf<Name extends string> (bucket: Name, change: Change): Iterable<BucketChange<Name>> {
  switch (change.type) {
    case 'insert':
    case 'update':
      yield { type: 'set', bucket, record: change.after as StoreRecord }
      break
    case 'delete':
      yield { type: 'delete', bucket, key: change.key }
      break
    case 'clear':
    case 'drop':
      yield { type: 'clear', bucket }
      break
    case 'define':
    case 'redefine':
      // Without `records`, the records have not changed.
      if (change.records === undefined) break
      yield { type: 'clear', bucket }
      for (const record of change.records) yield { type: 'set', bucket, record }
  }
}
