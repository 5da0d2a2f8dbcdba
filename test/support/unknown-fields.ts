import type { BucketDefinition } from '@hamicek/noex-store'

export const peopleBucket: BucketDefinition = {
  key: 'id',
  schema: { id: { type: 'string' }, name: { type: 'string' }, age: { type: 'number' } }
}

/** Every way to name a field of a bucket, and the path in the refusal. */
export const waysToNameField: ReadonlyArray<
  readonly [type: string, fields: (field: string) => object, path: string]
> = [
  ...['where', 'findOne', 'count', 'deleteMany'].map(name => [
    `store.${name}`,
    (field: string) => ({ filter: { [field]: 1 } }),
    'filter.FIELD'
  ] as const),
  ...['first', 'last'].map(name => [
    `store.${name}`,
    (field: string) => ({ n: 1, filter: { [field]: { $gt: 1 } } }),
    'filter.FIELD'
  ] as const),
  ['store.paginate', field => ({ limit: 1, filter: { [field]: 1 } }), 'filter.FIELD'],
  ['store.updateMany', field => ({ filter: { [field]: null }, data: {} }), 'filter.FIELD'],
  ...['sum', 'avg', 'min', 'max'].flatMap(name => [
    [`store.${name}`, (field: string) => ({ field }), 'field'] as const,
    [`store.${name}`, (field: string) => ({ field: 'age', filter: { [field]: 1 } }), 'filter.FIELD'] as const
  ]),
  ['store.groupBy', field => ({ field, aggregate: { function: 'count' } }), 'field'],
  ['store.groupBy', field => ({ field: ['name', field], aggregate: { function: 'count' } }), 'field[1]'],
  ['store.groupBy', field => ({ field: 'name', aggregate: { function: 'sum', field } }), 'aggregate.field'],
  [
    'store.groupBy',
    field => ({ field: 'name', aggregate: { function: 'count' }, filter: { [field]: 1 } }),
    'filter.FIELD'
  ],
  [
    'store.where',
    field => ({ filter: { $or: [{ name: 'x' }, { $and: [{ [field]: 1 }] }] } }),
    'filter.$or[1].$and[0].FIELD'
  ]
]
