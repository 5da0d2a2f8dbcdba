import type { BucketSchemaUpdate } from '@hamicek/noex-store'
import { NoexServerError } from '../errors.js'
import { checkBucketDefinition, checkBucketName, checkBucketUpdate } from './bucket-definition.js'
import type { Reach } from './reach.js'
import type { StoreAccess } from './store-access.js'

/**
 * Defines a bucket once its definition is known to be sound.
 * @throws `ALREADY_EXISTS`, `VALIDATION_ERROR`
 */
export async function defineBucket (access: StoreAccess, name: string, config: unknown, reach: Pick<Reach, 'ensure'>): Promise<void> {
  await access.gate.change(async () => {
    checkBucketName(name)
    if (access.store.hasBucket(name)) throw new NoexServerError('ALREADY_EXISTS', `Bucket "${name}" already exists`)
    const definition = checkBucketDefinition(access.store, name, config)
    reach.ensure()
    await access.store.defineBucket(name, definition)
    if (access.dropped.delete(name)) await startEmpty(access, name)
  })
}

/** With persistence, what a dropped bucket held is still on disk and comes back with the name. */
async function startEmpty (access: StoreAccess, name: string): Promise<void> {
  const bucket = access.bucket(name)
  if (await bucket.count() > 0) await bucket.deleteMany({})
}

/**
 * Changes a bucket's schema; its records are kept.
 * @throws `BUCKET_NOT_DEFINED`, `VALIDATION_ERROR`
 */
export async function updateBucket (access: StoreAccess, name: string, updates: unknown, reach: Pick<Reach, 'ensure'>): Promise<void> {
  await access.gate.change(async () => {
    const current = access.definition(name)
    const update = checkBucketUpdate(access.store, name, current, updates)
    await checkUnique(access, name, update)
    reach.ensure()
    await access.store.updateBucket(name, update)
  })
}

/**
 * Records may hold members that the schema does not name yet. Two with the same value under a name that
 * becomes unique would make the store drop the old bucket and then fail to build the new one.
 */
async function checkUnique (access: StoreAccess, bucket: string, update: BucketSchemaUpdate): Promise<void> {
  const unique = Object.entries(update.addFields ?? {}).filter(([, field]) => field.unique === true)
  if (unique.length === 0) return
  const records = await access.bucket(bucket).all()
  for (const [field] of unique) {
    const seen = new Set<unknown>()
    for (const { [field]: value } of records) {
      if (value == null) continue
      if (seen.has(value)) {
        throw new NoexServerError('ALREADY_EXISTS', `Records of bucket "${bucket}" share a value of "${field}", so it cannot become unique`, { bucket, field, value })
      }
      seen.add(value)
    }
  }
}

/**
 * Drops a bucket with its records and ends the live queries that read it.
 * @throws `BUCKET_NOT_DEFINED`
 */
export async function dropBucket (access: StoreAccess, name: string, reach: Pick<Reach, 'ensure'>): Promise<void> {
  await access.gate.change(async () => {
    access.definition(name)
    reach.ensure()
    await access.store.dropBucket(name)
  })
}
