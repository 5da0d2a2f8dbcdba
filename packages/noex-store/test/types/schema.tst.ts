import { defineSchema, type BucketDefinition } from '@hamicek/noex-store'
import { expect, test } from 'tstyche'
import { shop } from './shop.js'

const id = { type: 'string' } as const

test('a schema is its argument', () => {
  expect(shop.orders.key).type.toBe<'number'>()
  expect(shop.orders.schema.status.enum).type.toBe<readonly ['new', 'packed']>()
})

test('a schema of definitions that are no literals is accepted', () => {
  expect(defineSchema({} as Readonly<Record<string, BucketDefinition>>))
    .type.toBe<Readonly<Record<string, BucketDefinition>>>()
})

test('a key is a field, of a type that keys may have', () => {
  // @ts-expect-error Type '"no"' is not assignable to type '"id"'.
  defineSchema({ a: { key: 'no', schema: { id } } })
  // @ts-expect-error Type '"list"' is not assignable to type '"id"'.
  defineSchema({ a: { key: 'list', schema: { id, list: { type: 'array' } } } })
})

test('an index is a field', () => {
  // @ts-expect-error Type '"no"' is not assignable to type '"id"'.
  defineSchema({ a: { key: 'id', schema: { id }, indexes: ['no'] } })
})

test('a reference names a bucket, and has the type of its key', () => {
  defineSchema({
    a: { key: 'id', schema: { id } },
    // @ts-expect-error Type '"aa"' is not assignable to type '"a" | "b"'.
    b: { key: 'id', schema: { id, a: { type: 'string', ref: 'aa' } } }
  })
  defineSchema({
    a: { key: 'id', schema: { id } },
    // @ts-expect-error Type '"number"' is not assignable to type '"string"'.
    b: { key: 'id', schema: { id, a: { type: 'number', ref: 'a' } } }
  })
})

test('a definition has no other members', () => {
  // @ts-expect-error Type '"text"' is not assignable to type 'FieldType'.
  defineSchema({ a: { key: 'id', schema: { id: { type: 'text' } } } })
  // @ts-expect-error Type 'true' is not assignable to type 'never'.
  defineSchema({ a: { key: 'id', schema: { id: { type: 'string', requird: true } } } })
  // @ts-expect-error Type 'number' is not assignable to type 'never'.
  defineSchema({ a: { key: 'id', schema: { id }, maxRecord: 1 } })
})
