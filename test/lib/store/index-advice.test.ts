import type { BucketDefinition, DeclarativeQueryConfig } from '@hamicek/noex-store'
import t from 'tap'
import { indexAdvice, searchWithoutValues } from '../../../lib/store/index-advice.js'

const definition: BucketDefinition = {
  key: 'id',
  schema: {
    id: { type: 'number' },
    status: { type: 'string' },
    total: { type: 'number' },
    code: { type: 'string', unique: true },
    city: { type: 'string' },
    done: { type: 'boolean' },
    tags: { type: 'array' }
  },
  indexes: ['city']
}

function advice (search: Omit<DeclarativeQueryConfig, 'bucket'>, records = 5_000): string | undefined {
  const known = searchWithoutValues({ bucket: 'orders', ...search })
  return known && indexAdvice(known, definition, records)
}

/** Returns the fields that the advice names. */
function fields (search: Omit<DeclarativeQueryConfig, 'bucket'>): string[] | undefined {
  return advice(search)?.match(/"(\w+)"/g)?.slice(1).map(name => name.slice(1, -1))
}

t.test('a filter that looks at all records needs an index on a field that it compares', t => {
  t.equal(advice({ filter: { status: 'new' } }), 'bucket "orders" needs an index on "status": ' +
    'without, an evaluation looks at all of its 5000 records')
  t.same(fields({ filter: { total: { $gt: 1 } } }), ['total'])
  t.same(fields({ filter: { total: { $gt: 1 }, status: { $in: ['a'] } } }), ['status'], 'fewer')
  t.same(fields({ filter: { $and: [{ total: { $between: [1, 2] } }] } }), ['total'])
  t.same(fields({ filter: { $or: [{ status: 'a' }, { total: 1 }, { status: 'b' }] } }), ['status', 'total'])
  t.same(fields({ filter: { $or: [{ status: 'a' }, { city: 'x' }] } }), ['status'], 'one part has its index')
  t.same(fields({ filter: { status: '{{ params.status }}' } }), ['status'])
  t.same(fields({ sort: { total: 'desc' }, limit: 10 }), ['total'], 'the first ones of an order')
  t.end()
})

t.test('there is no advice where an index finds the records, none would, or the bucket is small', t => {
  const without: Array<Omit<DeclarativeQueryConfig, 'bucket'>> = [
    {}, { filter: {} }, { filter: { city: 'x', status: 'new' } }, { filter: { id: 7, total: { $gt: 1 } } },
    { filter: { code: 'x' } }, { filter: { $or: [{ city: 'x' }, { id: 1 }] } },
    { filter: { status: { $neq: 'new' } } }, { filter: { status: { $contains: 'n' } } },
    { filter: { status: { $exists: true } } }, { filter: { done: true } }, { filter: { tags: ['a'] } },
    { filter: { unknown: 1 } }, { filter: { constructor: 1 } },
    { filter: { $or: [{ status: 'a' }, { done: true }] } }, { filter: { $or: [] } },
    { sort: { total: 'asc' } }, { sort: { city: 'asc' }, limit: 3 }
  ]
  for (const search of without) t.equal(advice(search), undefined, JSON.stringify(search))
  t.equal(advice({ filter: { status: 'new' } }, 999), undefined)
  t.end()
})

t.test('a search is kept without its values, and a large one not at all', t => {
  const $or = [{ city: { $in: ['secret'] } }, { code: 'secret' }]
  const filter = { status: 'secret', total: { $gt: 7_777 }, $or }
  t.notMatch(JSON.stringify(searchWithoutValues({ bucket: 'orders', filter })), /secret|7777/)
  const many = Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`f${i}`, 1]))
  t.equal(searchWithoutValues({ bucket: 'orders', filter: many }), undefined)
  t.equal(searchWithoutValues({ bucket: 'orders', filter: { ['x'.repeat(129)]: 1 } }), undefined)
  t.end()
})
