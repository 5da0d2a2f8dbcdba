import type { BucketDefinition, StoreRecord } from 'registry-noex-store'
import { comparable, isDate } from './reference.js'

type Fields = Readonly<Record<string, unknown>>

/** A refusal of the model: the errors of which one is right. */
export class Refused extends Error {
  readonly errors: ReadonlySet<string>

  constructor (errors: Iterable<string>) {
    super('refused')
    this.errors = new Set(errors)
  }
}

/** Refuses the values of histories that JSON does not have. */
export function onlyRecordsOfJson (bucket: string, input: Fields): void {
  for (const [name, value] of Object.entries(input)) {
    if (!Number.isNaN(value)) continue
    throw new Refused([`ValidationError: Validation failed for bucket "${bucket}": ${name}: ` +
      'A record holds what JSON can hold; got the number NaN, which JSON turns into null'])
  }
}

/**
 * Lets the package of the registry make and check a record. It takes any text for a date: one that is none is
 * shown to it as a value that it refuses.
 */
export function withBadDates (
  definition: BucketDefinition, input: Fields, make: (input: Fields) => StoreRecord, before?: StoreRecord
): StoreRecord {
  const bad = Object.keys(definition.schema).filter(name => {
    const value = name in input ? input[name] : before?.[name]
    return isDate(definition, name) && typeof value === 'string' &&
      typeof comparable(definition, name, value) === 'string'
  })
  try {
    return make({ ...input, ...Object.fromEntries(bad.map(name => [name, false])) })
  } catch (error) {
    const { name, message } = error as Error
    const shown = (field: string, type: string): string => `${field}: Expected type "date", got ${type}`
    const right = bad.reduce(
      (text, field) => text.replace(shown(field, 'boolean'), shown(field, 'string')),
      message
    )
    throw new Refused([`${name}: ${right}`])
  }
}
