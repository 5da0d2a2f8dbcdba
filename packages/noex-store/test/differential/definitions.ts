import fc from 'fast-check'
import type { BucketDefinition, FieldDefinition } from 'registry-noex-store'

/** Names of the buckets of a history; any of them may refer to any other, and to itself. */
export const bucketNames = ['a', 'b', 'c'] as const
export type BucketName = typeof bucketNames[number]

/** Definitions of all buckets of a history. */
export type Definitions = Readonly<Record<BucketName, BucketDefinition>>

const notThree = (value: unknown): string | undefined => value === 3 ? 'not three' : undefined
const two = (): number => 2
const fewMembers = (record: Record<string, unknown>): string[] | undefined =>
  record['n'] === 2 && record['s'] === 'b' ? ['not 2 with b', 'really'] : undefined

const keys: readonly FieldDefinition[] = [
  { type: 'string', required: true },
  { type: 'string', generated: 'uuid' },
  { type: 'string', generated: 'cuid' },
  { type: 'number', required: true },
  { type: 'number', generated: 'autoincrement' },
  { type: 'boolean', required: true },
  { type: 'date', required: true }
]

/** Definitions that each field may have, the plainest first. */
const fields: Readonly<Record<string, readonly FieldDefinition[]>> = {
  n: [
    { type: 'number' },
    { type: 'number', min: 0, max: 3 },
    { type: 'number', required: true, default: 1 },
    { type: 'number', enum: [1, 2, 'x'] },
    { type: 'number', unique: true },
    { type: 'number', default: two },
    { type: 'number', validate: notThree }
  ],
  s: [
    { type: 'string' },
    { type: 'string', minLength: 1, maxLength: 2 },
    { type: 'string', pattern: '^a' },
    { type: 'string', enum: ['a', 'b'], default: 'b' },
    { type: 'string', unique: true },
    { type: 'string', format: 'email' },
    { type: 'string', format: 'url' },
    { type: 'string', format: 'iso-date' },
    { type: 'string', required: true }
  ],
  b: [{ type: 'boolean' }, { type: 'boolean', default: false }],
  d: [{ type: 'date' }, { type: 'date', unique: true }, { type: 'date', default: 1_000 }],
  o: [
    { type: 'object' },
    {
      type: 'object',
      properties: {
        p: { type: 'number', max: 2, required: true },
        q: { type: 'array', items: { type: 'object', properties: { z: { type: 'boolean' } } } }
      }
    }
  ],
  l: [
    { type: 'array' },
    { type: 'array', items: { type: 'number', min: 1 } },
    { type: 'array', items: { type: 'array', items: { type: 'string', maxLength: 1 } } }
  ],
  g: [
    { type: 'number', generated: 'autoincrement' },
    { type: 'number', generated: 'timestamp' },
    { type: 'string', generated: 'uuid' },
    { type: 'string', generated: 'cuid' }
  ]
}

const anyReference: fc.Arbitrary<FieldDefinition> = fc.record({
  ref: fc.constantFrom(...bucketNames),
  onDelete: fc.constantFrom('restrict', 'cascade', 'set_null')
}, { requiredKeys: ['ref'] }).map(options => ({ type: 'string', ...options }))

const anyField = fc.record(
  Object.fromEntries(
    Object.entries(fields).map(([name, [plain, ...variants]]) => [name, fc.oneof(
      { weight: 2, arbitrary: fc.constant(plain as FieldDefinition) }, fc.constantFrom(...variants)
    )])
  ),
  { requiredKeys: [] }
)

/** One bucket without references. */
const anyBucket: fc.Arbitrary<BucketDefinition> = fc.record({
  key: fc.constantFrom(...keys),
  fields: anyField,
  reference: fc.option(anyReference, { nil: undefined, freq: 1 }),
  other: fc.oneof({ weight: 4, arbitrary: fc.constant(undefined) }, anyReference),
  indexes: fc.subarray([...Object.keys(fields), 'r']),
  options: fc.record({
    etsType: fc.constantFrom('set', 'ordered_set', 'bag', 'duplicate_bag'),
    ttl: fc.constantFrom<string | number>(50, '1s'),
    maxSize: fc.integer({ min: 1, max: 4 }),
    validate: fc.constant(fewMembers)
  }, { requiredKeys: [] }),
  isPlain: fc.boolean()
}).map(({
  key,
  fields,
  reference,
  other,
  indexes,
  options: { etsType, ttl, maxSize, validate },
  isPlain
}) => {
  const schema = {
    id: key, ...fields, ...(reference && { r: reference }), ...(other && { r2: other })
  } as Record<string, FieldDefinition>
  const indexed = indexes.filter(field => field in schema)
  return {
    key: 'id',
    schema,
    ...(indexed.length > 0 && { indexes: indexed }),
    ...(etsType && { etsType }),
    ...(!isPlain && ttl && { ttl }),
    ...(!isPlain && maxSize && { maxSize }),
    ...(!isPlain && validate && { validate })
  }
})

/** All definitions of a history. The type of a reference is that of the keys that it refers to. */
export const anyDefinitions: fc.Arbitrary<Definitions> =
  fc.record({ a: anyBucket, b: anyBucket, c: anyBucket }).map(withReferenceTypes)

function withReferenceTypes (definitions: Definitions): Definitions {
  const typed = Object.entries(definitions).map(([name, definition]) => {
    const schema = Object.entries(definition.schema).map(([field, options]) => {
      const target = definitions[options.ref as BucketName]
      return [field, options.ref === undefined ? options : { ...options, type: target.schema['id']?.type }]
    })
    return [name, { ...definition, schema: Object.fromEntries(schema) }]
  })
  return Object.fromEntries(typed) as Definitions
}

/** The key of a bucket that stands at a place: histories name keys by small numbers. */
export function keyAt (definition: BucketDefinition, place: number): unknown {
  const { type } = definition.schema['id'] as FieldDefinition
  // One form for each key: 0.2.0 knows a date by its form.
  if (type === 'date') return place % 2 === 0 ? new Date(place * 1_000).toISOString() : place * 1_000
  return type === 'number' ? place : type === 'boolean' ? place % 2 === 0 : `k${place}`
}
