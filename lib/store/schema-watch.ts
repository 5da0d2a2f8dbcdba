import type { Change } from '@hamicek/noex-store'

/** A change of a store that is not one of single records. */
export type StoreChange =
  /** A bucket came. */
  | { readonly type: 'bucket_defined', readonly bucket: string }
  /** The records of a bucket, or its definition, changed as a whole. */
  | { readonly type: 'reset', readonly bucket?: string }
  | { readonly type: 'bucket_dropped', readonly bucket: string }

/** Returns what a change of a commit is for those who look at single records otherwise. */
export function storeChangeOf (change: Change): StoreChange | undefined {
  switch (change.type) {
    case 'define': return { type: 'bucket_defined', bucket: change.bucket }
    case 'drop': return { type: 'bucket_dropped', bucket: change.bucket }
    case 'clear':
    case 'redefine': return { type: 'reset', bucket: change.bucket }
    default: return undefined
  }
}
