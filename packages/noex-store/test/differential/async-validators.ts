import type { BucketDefinition, FieldDefinition } from 'registry-noex-store'
import type { Definitions } from './definitions.js'

type Validate = (value: never) => unknown

const synchronousOf = new Map<unknown, Validate>()
const asynchronousOf = new Map<Validate, Validate>()

/**
 * Makes the validators of about every second bucket asynchronous: 0.2.0 has none, so only our side is given
 * them. A bucket that may lose a reference keeps its own.
 */
export function withAsyncValidators (definitions: Definitions): Definitions {
  return Object.fromEntries(Object.entries(definitions).map(([name, definition]) => {
    const fields = Object.values(definition.schema)
    const isFit = fields.length % 2 === 1 && !fields.some(({ onDelete }) => onDelete === 'set_null')
    return [name, isFit ? mapped(definition, asynchronous) : definition]
  })) as Definitions
}

/**
 * Whether an error names some of the issues of another one, and no others: where validators are waited for, a
 * write may be refused before they have answered.
 */
export function isPartOf (part: string, whole: string): boolean {
  const [start] = /^ValidationError: Validation failed for bucket "\w+": /.exec(whole) ?? []
  if (start === undefined || part === whole || !part.startsWith(start)) return false
  const issues = whole.slice(start.length).split('; ')
  return part.slice(start.length).split('; ').every(issue => issues.includes(issue))
}

/** The definition with the validators that 0.2.0 can run. */
export function withoutAsyncValidators (definition: BucketDefinition): BucketDefinition {
  return mapped(definition, validate => synchronousOf.get(validate) ?? validate)
}

function mapped (definition: BucketDefinition, change: (validate: Validate) => Validate): BucketDefinition {
  const changed = <T extends { readonly validate?: unknown }> (part: T): T =>
    part.validate === undefined ? part : { ...part, validate: change(part.validate as Validate) }
  const schema = Object.fromEntries(Object.entries(definition.schema)
    .map(([name, field]): [string, FieldDefinition] => [name, changed(field)]))
  return changed({ ...definition, schema })
}

function asynchronous (validate: Validate): Validate {
  const known = asynchronousOf.get(validate)
  if (known !== undefined) return known
  const own: Validate = async value => {
    await undefined
    return validate(value)
  }
  asynchronousOf.set(validate, own)
  synchronousOf.set(own, validate)
  return own
}
