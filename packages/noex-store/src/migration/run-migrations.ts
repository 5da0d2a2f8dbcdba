import type { Store } from '../store/store.js'
import type { Migration, MigrationContext, MigrationResult } from '../types/migration.js'
import type { BucketDefinition } from '../types/schema.js'
import { MigrationBucket } from './migration-bucket.js'

/** Bucket that has a record for each migration that was applied. */
const APPLIED = '_migrations'

const definition: BucketDefinition = {
  key: 'version',
  schema: {
    version: { type: 'number', required: true },
    name: { type: 'string', required: true },
    appliedAt: { type: 'number', required: true }
  }
}

/**
 * Runs the migrations that this store has not had, in the order of their versions, each once. One that fails
 * ends the run; those before it stay applied.
 */
export async function runMigrations (
  store: Store, migrations: readonly Migration[]
): Promise<MigrationResult> {
  checkMigrations(migrations)
  const isImported = store.incompleteBuckets.some(({ bucket }) => bucket === APPLIED)
  if (isImported || !store.hasBucket(APPLIED)) await store.defineBucket(APPLIED, definition)
  const bucket = store.bucket(APPLIED)
  let applied = 0
  for (const { version, name, up } of [...migrations].sort((a, b) => a.version - b.version)) {
    if (await bucket.get(version) !== undefined) continue
    await up(contextOf(store))
    await bucket.insert({ version, name, appliedAt: Date.now() })
    applied++
  }
  return { applied, currentVersion: await bucket.max('version') ?? 0 }
}

function contextOf (store: Store): MigrationContext {
  return {
    bucket: name => new MigrationBucket(store, name),
    createBucket: async (name, bucket) => { await store.defineBucket(name, bucket) },
    dropBucket: async name => { await store.dropBucket(name) }
  }
}

function checkMigrations (migrations: readonly Migration[]): void {
  const versions = new Set<number>()
  for (const { version, name } of migrations) {
    if (!Number.isInteger(version) || version < 1) {
      throw new Error(`Migration version must be a positive integer, got ${String(version)}`)
    }
    if (versions.has(version)) throw new Error(`Duplicate migration version: ${version}`)
    if (typeof name !== 'string' || name === '') {
      throw new Error(`Migration version ${version} must have a non-empty name`)
    }
    versions.add(version)
  }
}
