import type { BucketDefinition } from '@hamicek/noex-store'

/** Shapes kept for one bucket; clients choose the members of what they insert, so the number is bounded. */
const MAX_SHAPES = 32

interface BucketShapes {
  readonly definition: BucketDefinition
  readonly shapes: Map<string, Readonly<Record<string, undefined>>>
}

/**
 * Prepares what is inserted: noex-store completes a record by adding one member after the other, and each
 * addition makes the engine look for a new object layout. An object that has every member from the start,
 * in the order in which the store would add them, costs half the time and half the memory, and its JSON is the same.
 */
export class RecordTemplates {
  readonly #buckets = new Map<string, BucketShapes>()

  /** Returns a copy of `data` with the members that the store will fill in present and undefined. */
  shape (bucket: string, definition: BucketDefinition, data: Readonly<Record<string, unknown>>): Record<string, unknown> {
    const names = Object.keys(data)
    const shapes = this.#shapesOf(bucket, definition)
    const key = names.join('\0')
    let template = shapes.get(key)
    if (template === undefined) {
      template = templateOf(definition, names)
      if (shapes.size < MAX_SHAPES) shapes.set(key, template)
    }
    return { ...template, ...data }
  }

  #shapesOf (bucket: string, definition: BucketDefinition): BucketShapes['shapes'] {
    const known = this.#buckets.get(bucket)
    // A changed schema is another definition object, so old shapes are never used for it.
    if (known?.definition === definition) return known.shapes
    const shapes: BucketShapes['shapes'] = new Map()
    this.#buckets.set(bucket, { definition, shapes })
    return shapes
  }

  /** Forgets a bucket that was dropped. */
  forget (bucket: string): void {
    this.#buckets.delete(bucket)
  }
}

function templateOf (definition: BucketDefinition, names: readonly string[]): Readonly<Record<string, undefined>> {
  const fields = Object.entries(definition.schema)
  const template: Record<string, undefined> = {}
  for (const name of names) template[name] = undefined
  for (const [name, field] of fields) if (field.generated != null) template[name] = undefined
  for (const [name, field] of fields) {
    // A default that is a function may return undefined, and the store would then add no member: what follows is left to it.
    if (typeof field.default === 'function') return template
    if (field.default !== undefined) template[name] = undefined
  }
  for (const name of ['_version', '_createdAt', '_updatedAt']) template[name] = undefined
  if (definition.ttl !== undefined) template['_expiresAt'] = undefined
  return template
}
