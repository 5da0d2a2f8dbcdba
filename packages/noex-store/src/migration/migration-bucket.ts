import type { Store } from '../store/store.js'
import type { MigrationBucketHandle } from '../types/migration.js'
import type { BucketDefinition, FieldDefinition, FieldType } from '../types/schema.js'

type Fields = Record<string, unknown>

/** Changes of one bucket by a migration; each is one commit. */
export class MigrationBucket implements MigrationBucketHandle {
  readonly #store: Store
  readonly #name: string

  constructor (store: Store, name: string) {
    this.#store = store
    this.#name = name
  }

  async addField (name: string, definition: FieldDefinition, defaultValue?: unknown): Promise<void> {
    const current = this.#definition()
    if (Object.hasOwn(current.schema, name)) {
      throw new Error(`Field "${name}" already exists in bucket "${this.#name}"`)
    }
    await this.#rebuild({ ...current, schema: { ...current.schema, [name]: definition } },
      defaultValue === undefined ? undefined : record => ({ ...record, [name]: defaultValue }))
  }

  async removeField (name: string): Promise<void> {
    const current = this.#definition()
    this.#expectField(current, name)
    if (name === current.key) throw new Error(`Cannot remove key field "${name}" from bucket "${this.#name}"`)
    const { [name]: _removed, ...schema } = current.schema
    const indexes = indexesOf(current).filter(index => index !== name)
    await this.#rebuild(withIndexes({ ...current, schema }, indexes), record => {
      const { [name]: _value, ...rest } = record
      return rest
    })
  }

  async renameField (oldName: string, newName: string): Promise<void> {
    const current = this.#definition()
    this.#expectField(current, oldName)
    if (oldName === current.key) {
      throw new Error(`Cannot rename key field "${oldName}" in bucket "${this.#name}"`)
    }
    if (Object.hasOwn(current.schema, newName)) {
      throw new Error(`Field "${newName}" already exists in bucket "${this.#name}"`)
    }
    const schema = Object.fromEntries(Object.entries(current.schema)
      .map(([field, definition]) => [field === oldName ? newName : field, definition]))
    const indexes = indexesOf(current).map(index => index === oldName ? newName : index)
    await this.#rebuild(withIndexes({ ...current, schema }, indexes), record => {
      const { [oldName]: value, ...rest } = record
      return { ...rest, [newName]: value }
    })
  }

  async changeFieldType (
    name: string, newType: FieldType, transform: (value: unknown) => unknown
  ): Promise<void> {
    const current = this.#definition()
    this.#expectField(current, name)
    if (name === current.key) {
      throw new Error(`Cannot change type of key field "${name}" in bucket "${this.#name}"`)
    }
    const field = { ...current.schema[name], type: newType }
    await this.#rebuild({ ...current, schema: { ...current.schema, [name]: field } }, record => {
      const value = record[name]
      return { ...record, [name]: value === undefined || value === null ? value : transform(value) }
    })
  }

  async addIndex (field: string): Promise<void> {
    await this.#store.updateBucket(this.#name, { addIndexes: [field] })
  }

  async removeIndex (field: string): Promise<void> {
    const current = this.#definition()
    const indexes = indexesOf(current)
    if (!indexes.includes(field)) {
      throw new Error(`Index on field "${field}" does not exist in bucket "${this.#name}"`)
    }
    await this.#rebuild(withIndexes(current, indexes.filter(index => index !== field)))
  }

  async transformAll (fn: (record: Fields) => Fields): Promise<void> {
    await this.#rebuild(this.#definition(), fn)
  }

  async #rebuild (definition: BucketDefinition, transform?: (record: Fields) => Fields): Promise<void> {
    await this.#store.rebuildBucket(
      this.#name, definition, transform === undefined ? undefined : { each: transform }
    )
  }

  #definition (): BucketDefinition {
    const definition = this.#store.getBucketSchema(this.#name)
    if (definition === undefined) throw new Error(`Bucket "${this.#name}" does not exist`)
    return definition
  }

  #expectField ({ schema }: BucketDefinition, name: string): void {
    if (!Object.hasOwn(schema, name)) {
      throw new Error(`Field "${name}" does not exist in bucket "${this.#name}"`)
    }
  }
}

function indexesOf ({ indexes = [] }: BucketDefinition): readonly string[] {
  return indexes
}

function withIndexes (
  { indexes: _indexes, ...rest }: BucketDefinition, indexes: readonly string[]
): BucketDefinition {
  return indexes.length === 0 ? rest : { ...rest, indexes }
}
