/** The bucket in which the server keeps the procedures that clients register, in every store. */
export const PROCEDURES_BUCKET = '_procedures'

/** What a store says about the server's own buckets in it. */
export interface SystemBuckets {
  /** Whether it holds accounts: all names that start with `_` are the server's, then. */
  readonly hasSystemBuckets: boolean
}

/** Whether a name is that of a system bucket, or would be. */
export function isSystemBucket (name: string, { hasSystemBuckets }: SystemBuckets): boolean {
  return hasSystemBuckets ? name.startsWith('_') : name === PROCEDURES_BUCKET
}
