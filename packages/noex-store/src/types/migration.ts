import type { BucketDefinition, FieldDefinition, FieldType } from './schema.js'

/** A change of a store that is made once. */
export interface Migration {
  /** A positive integer, unique among the migrations. */
  readonly version: number
  readonly name: string
  readonly up: (ctx: MigrationContext) => Promise<void>
  readonly down?: (ctx: MigrationContext) => Promise<void>
}

/** Buckets that a migration changes. */
export interface MigrationContext {
  bucket (name: string): MigrationBucketHandle
  createBucket (name: string, definition: BucketDefinition): Promise<void>
  dropBucket (name: string): Promise<void>
}

/** Changes of a bucket's fields and records; each is one commit. */
export interface MigrationBucketHandle {
  addField (name: string, definition: FieldDefinition, defaultValue?: unknown): Promise<void>
  removeField (name: string): Promise<void>
  renameField (oldName: string, newName: string): Promise<void>
  changeFieldType (name: string, newType: FieldType, transform: (value: unknown) => unknown): Promise<void>
  addIndex (field: string): Promise<void>
  removeIndex (field: string): Promise<void>
  transformAll (fn: (record: Record<string, unknown>) => Record<string, unknown>): Promise<void>
}

/** Number of migrations that have run, and the version after them. */
export interface MigrationResult {
  readonly applied: number
  readonly currentVersion: number
}
