import fc, { type Arbitrary } from 'fast-check'
import type { TSchema } from 'typebox'

/** A part of a frame that is JSON already, or what no JSON library would write. */
class Raw {
  readonly text: string

  constructor (text: string) {
    this.text = text
  }
}

/** The members of TypeBox's schemas that the operations use. */
interface Schema {
  readonly type?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly items?: Schema
  readonly anyOf?: readonly Schema[]
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly minLength?: number
  readonly maxLength?: number
  readonly minItems?: number
  readonly maxItems?: number
  readonly minimum?: number
}

/** Names that mean something to a store, to a permission, or to JavaScript. */
const names = fc.constantFrom(
  'items', 'notes', 'scratch', 'fresh', 'named', 'taken', 'other', 'kept', 'id', 'name', 'n', 'alice', 'bob',
  'superadmin', 'reader', '*', 'order.placed', 'order:1', 'order.*',
  '_users', '_roles', '_sessions', '_acl', '_procedures', '_version', '_id', 'sub-1', '__superadmin__',
  '__proto__', 'constructor', 'prototype', 'toString', 'valueOf', 'hasOwnProperty', 'then', 'toJSON',
  'length', '$where', '$or', '$in', '{{ input.id }}', '{{ params.name }}', '..', 'a.b', 'a:b', ''
)

/** Properties that no request has; their values must not matter. */
const unknownNames = fc.constantFrom(
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'valueOf',
  'hasOwnProperty',
  'then',
  'toJSON',
  'userId',
  'session',
  'roles',
  'admin',
  'extra',
  ''
)

const nested =
  (open: string, close: string) =>
    (depth: number): Raw =>
      new Raw(open.repeat(depth) + '0' + close.repeat(depth))

/**
 * JSON that no ordinary client sends: as text, since most of it cannot be written in JavaScript.
 */
const hostileTexts: Arbitrary<Raw> = fc.oneof(
  fc.constantFrom(
    '1e400', '-1e400', '1e308', '-1e308', '5e-324', '-0', '9007199254740993',
    '123456789012345678901234567890', '0.1',
    '"\\ud800"', '"\\udfff\\ud800"', '{"\\ud800":1}', '"\\u0000"', '"\\u202e"', '"\u{1F600}"',
    '{"__proto__":{"polluted":true}}', '{"constructor":{"prototype":{"polluted":true}}}', '{"toString":1}',
    '{"toString":null,"valueOf":null}', '{"then":{"then":1}}', '{"length":-1}', '{"length":4294967296}',
    '[{"__proto__":[]}]', '{"a":1,"a":{"a":2}}', '{"":{"":""}}', '[null]', '[[],[]]', '{"$where":"1"}',
    '{"id":{"$gt":[]}}', '{"id":{"$in":{}}}', '{"$or":[{"$and":[]}]}'
  ).map(text => new Raw(text)),
  fc.integer({ min: 1, max: 100 }).map(nested('[', ']')),
  fc.integer({ min: 1, max: 100 }).map(nested('{"a":', '}')),
  fc.constantFrom(1_000, 20_000, 200_000).map(length => new Raw(`"${'x'.repeat(length)}"`)),
  fc.constantFrom(200, 5_000, 12_000).map(length => new Raw(`[${'{},'.repeat(length)}{}]`))
)

const plain: Arbitrary<unknown> = fc.oneof(
  fc.constantFrom(null, true, false, 0, 1, -1, 1.5, 2 ** 31, 2 ** 53, -(2 ** 63), '', [], {}),
  names,
  fc.jsonValue({ maxDepth: 3 })
)

/** Any value: one of each kind that JSON has, or one that is hostile. */
const anything: Arbitrary<unknown> = fc.oneof(
  { weight: 3, arbitrary: plain },
  { weight: 2, arbitrary: hostileTexts }
)

/** Values that fit a schema. */
function fitting (schema: Schema): Arbitrary<unknown> {
  if (schema.const !== undefined) return fc.constant(schema.const)
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum)
  if (schema.anyOf !== undefined) return fc.oneof(...schema.anyOf.map(fitting))
  switch (schema.type) {
    case 'object':
      return schema.properties === undefined ? records : fittingObject(schema)
    case 'array':
      return fc.array(schema.items === undefined ? plain : fitting(schema.items), {
        minLength: schema.minItems ?? 0,
        maxLength: Math.min(schema.maxItems ?? 5, 5)
      })
    case 'string':
      return textOf(schema)
    case 'integer':
      return fc.oneof(
        fc.integer({ min: schema.minimum ?? -10, max: (schema.minimum ?? -10) + 20 }),
        fc.constantFrom(2 ** 31, 2 ** 53 - 1)
      )
    case 'number':
      return fc.oneof(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }))
    case 'boolean':
      return fc.boolean()
    case 'null':
      return fc.constant(null)
    default:
      return plain
  }
}

function textOf ({ minLength = 0, maxLength = 40 }: Schema): Arbitrary<string> {
  const random = fc.string({ unit: 'grapheme', minLength, maxLength: Math.min(maxLength, 40) })
  return fc.oneof(names.filter(name => name.length >= minLength), random)
}

function fittingObject ({ properties = {}, required = [] }: Schema): Arbitrary<object> {
  const members = Object.entries(properties).map(([name, schema]) => [name, fitting(schema)] as const)
  return fc.record(Object.fromEntries(members), { requiredKeys: [...required] })
}

const records = fc.dictionary(fc.oneof(names, fc.string({ maxLength: 8 })), plain, { maxKeys: 5 })

/** Where something stands inside a value: the names and indices that lead to it. */
type Path = ReadonlyArray<string | number>

function pathsOf (value: unknown, at: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [at]
  return [
    at,
    ...Object.entries(value).flatMap(([name, member]) =>
      pathsOf(member, [...at, Array.isArray(value) ? Number(name) : name])
    )
  ]
}

/** The same value with something else at a path; with `undefined`, without what is there. */
function replaced (value: unknown, [first, ...rest]: Path, by: unknown): unknown {
  if (first === undefined) return by
  if (Array.isArray(value)) {
    return value.map((item, index) => index === first ? replaced(item, rest, by) ?? null : item)
  }
  const members = Object.entries(value as object).map(([name, member]) => [
    name,
    name === first ? replaced(member, rest, by) : member
  ])
  return Object.fromEntries(members.filter(([, member]) => member !== undefined))
}

/**
 * A value that was right, until up to three of its parts were exchanged or taken away, or got an unknown one
 * beside them.
 */
function spoilt (base: object): Arbitrary<unknown> {
  const paths = pathsOf(base).filter(path => path.length > 0)
  const addition = fc
    .tuple(unknownNames, anything)
    .map(([name, value]) => (fields: object) => ({ ...fields, [name]: value }))
  if (paths.length === 0) return addition.map(change => change(base))
  const exchange = fc.tuple(fc.constantFrom(...paths), fc.option(anything, { nil: undefined, freq: 8 })).map(
    ([path, value]) =>
      (fields: object) =>
        replaceable(fields, path) ? (replaced(fields, path, value) as object) : fields
  )
  return fc
    .array(fc.oneof({ weight: 4, arbitrary: exchange }, { weight: 1, arbitrary: addition }), {
      minLength: 1,
      maxLength: 3
    })
    .map(changes => changes.reduce((fields, change) => change(fields), base))
}

/** Whether a path still leads somewhere after other changes. */
function replaceable (value: unknown, path: Path): boolean {
  let at = value
  for (const step of path.slice(0, -1)) {
    if (typeof at !== 'object' || at === null || at instanceof Raw || !Object.hasOwn(at, step)) return false
    at = (at as Readonly<Record<string | number, unknown>>)[step]
  }
  return typeof at === 'object' && at !== null && !(at instanceof Raw)
}

/** Writes a value as JSON, the raw parts as they are. */
function write (value: unknown): string {
  if (value instanceof Raw) return value.text
  if (Array.isArray(value)) return `[${value.map(write).join(',')}]`
  if (typeof value === 'object' && value !== null) {
    return `{${Object.entries(value)
  .map(([name, member]) => `${JSON.stringify(name)}:${write(member)}`)
  .join(',')}}`
  }
  return JSON.stringify(value) ?? 'null'
}

/** The fields of a request as the text between the braces of its frame; empty when it has none. */
export type FieldsText = string

/**
 * Requests of one operation: such as fit its schema, the base request with some parts spoilt, and such as
 * have anything in every field.
 */
export function requestsOf (schema: TSchema, base: object): Arbitrary<FieldsText> {
  const fields = Object.keys((schema as Schema).properties ?? {})
  const wild = fc.record(Object.fromEntries(fields.map(name => [name, anything])), { requiredKeys: [] })
  return fc.oneof(
    { weight: 3, arbitrary: fitting(schema as Schema) },
    { weight: 6, arbitrary: spoilt(base) },
    { weight: 1, arbitrary: wild }
  ).map(request => write(request).slice(1, -1))
}
