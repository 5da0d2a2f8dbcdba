import { DefinitionError } from '../errors.js'
import type { CheckedSchema } from '../types/checked-schema.js'
import type { StoreSchema } from '../types/record-types.js'
import { compileSchema } from './bucket-schema.js'
import { checkOptionNames } from './option-names.js'
import { isObject } from '../util/value-kinds.js'

/**
 * Checks the definitions of the buckets of a store, and returns a frozen copy. Its type is what the types of
 * records, inserts, updates and filters are made of. Apart from that it has no effect.
 *
 * @throws DefinitionError naming the bucket and the field, also for an option that does not exist
 *
 * @example
 * const schema = defineSchema({
 *   orders: { key: 'id', schema: { id: { type: 'string', generated: 'uuid' }, total: { type: 'number' } } }
 * })
 * const store = await Store.start({ schema })
 */
export function defineSchema<const S extends CheckedSchema<S>> (schema: S): S {
  if (!isObject(schema)) throw new DefinitionError('A schema must be an object of bucket definitions by name')
  const checked = checkDefinitions(schema)
  for (const [name, { schema: fields }] of Object.entries(checked)) {
    for (const [field, { ref, type }] of Object.entries(fields)) {
      if (ref !== undefined) checkReference(checked, `"${field}" of bucket "${name}"`, ref, type)
    }
  }
  return Object.freeze(checked) as unknown as S
}

/**
 * Checks definitions each by itself. Returns frozen copies.
 * @throws DefinitionError naming the bucket and what is wrong, also an option that does not exist
 */
export function checkDefinitions (schema: StoreSchema): StoreSchema {
  return Object.fromEntries(Object.entries(schema).map(([name, given]) => {
    const { definition } = compileSchema(name, given)
    checkOptionNames(name, definition)
    return [name, definition]
  }))
}

function checkReference (schema: StoreSchema, field: string, ref: string, type: string): void {
  if (!Object.hasOwn(schema, ref)) {
    const names = Object.keys(schema).join(', ')
    throw new DefinitionError(`Field ${field} refers to "${ref}", which is no bucket of the schema: ${names}`)
  }
  const { key, schema: fields } = schema[ref] as StoreSchema[string]
  const wanted = fields[key]?.type
  if (type !== wanted) {
    throw new DefinitionError(`Field ${field} has type "${type}"; the key of "${ref}" has type "${wanted}"`)
  }
}
