import fc from 'fast-check'
import type { BucketDefinition, WhereFilter } from '../../src/index.js'

/** A bucket whose fields are of all types that an index can order, one of them a dotted path. */
export const definition: BucketDefinition = {
  key: 'id',
  schema: {
    id: { type: 'string' },
    n: { type: 'number' },
    s: { type: 'string' },
    d: { type: 'date' },
    u: {
      type: 'string', unique: true
    },
    x: { type: 'number' },
    'o.k': { type: 'number' }
  }
}

/** Values of its fields. */
const value = {
  n: fc.oneof(fc.integer({ min: 0, max: 20 }), fc.constantFrom(null, undefined, -0, 0.5, Number.MAX_VALUE)),
  s: fc.oneof(fc.constantFrom('a', 'ab', 'abc', 'b', '', 'é'), fc.constantFrom(null, undefined)),
  d: fc.oneof(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 5 }).map(ms => new Date(ms)),
    fc.integer({ min: 0, max: 5 }).map(ms => new Date(ms).toISOString()), fc.constantFrom(null, undefined)),
  x: fc.oneof(fc.integer({ min: 0, max: 3 }), fc.constantFrom(null, undefined))
}
const operand = fc.oneof(value.n, value.s, value.d, fc.constantFrom(NaN, true, '5'))
const bound = fc.oneof(value.n.filter(v => v !== undefined), value.s, value.d)
const condition = fc.oneof(
  operand,
  fc.record({ $gt: bound, $lte: bound }, { requiredKeys: [] }),
  fc.record({ $gte: bound, $lt: bound }, { requiredKeys: [] }),
  fc.record({ $in: fc.array(operand, { maxLength: 4 }), $neq: operand }, { requiredKeys: ['$in'] }),
  fc.record({ $nin: fc.array(operand, { maxLength: 4 }) }),
  fc.record({ $startsWith: fc.constantFrom('a', 'ab', '', 'é') }),
  fc.record({ $exists: fc.boolean() }),
  fc.tuple(
    fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 20 })
  ).map(([a, b]) => ({ $between: [Math.min(a, b), Math.max(a, b)] }))
)
const fields = fc.dictionary(fc.constantFrom('n', 's', 'd', 'x', 'id', 'u', 'o.k'), condition, { maxKeys: 3 })
/** Filters on its fields. */
export const filters: fc.Arbitrary<WhereFilter> = fc.letrec<{ filter: WhereFilter }>(tie => ({
  filter: fc.oneof({ maxDepth: 3 }, fields,
    fc.tuple(
      fields, fc.array(tie('filter'), { maxLength: 3 })
    ).map(([own, parts]) => ({ ...own, $or: parts })),
    fc.tuple(
      fields, fc.array(tie('filter'), { maxLength: 3 })
    ).map(([own, parts]) => ({ ...own, $and: parts })))
})).filter
/** Lists of inputs without keys. */
export const records = fc.array(
  fc.record({ ...value, o: fc.constantFrom({ k: 1 }, { k: 2 }, null) }, { requiredKeys: [] }),
  { minLength: 1, maxLength: 40 }
)
