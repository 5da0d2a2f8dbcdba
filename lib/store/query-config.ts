import type { DeclarativeQueryConfig, WhereFilter } from '@hamicek/noex-store'
import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import { invalid } from '../protocol/errors.js'
import { Count, GroupFields, Name } from '../protocol/fields.js'
import { firstProblem } from '../protocol/shape.js'
import { checkFilter, fillPlaceholders } from './filter.js'
import type { NoexStore } from './noex-store.js'

/**
 * Characters of JSON of the parameters of a query, which are kept as long as a client is subscribed to it
 * with them.
 * @limit `VALIDATION_ERROR`
 */
const MAX_PARAMS_CHARS = 16_384

/**
 * Members of `sort` of a query.
 * @limit `VALIDATION_ERROR`
 */
const MAX_SORT_FIELDS = 16

/**
 * Members of `fields` of a query.
 * @limit `VALIDATION_ERROR`
 */
const MAX_FIELDS = 250

const Config = Compile(Type.Object({
  bucket: Name,
  filter: Type.Optional(Type.Object({})),
  sort: Type.Optional(Type.Record(Type.String(), Type.Enum(['asc', 'desc']), {
    maxProperties: MAX_SORT_FIELDS
  })),
  offset: Type.Optional(Count),
  limit: Type.Optional(Count),
  fields: Type.Optional(Type.Array(Type.String(), { maxItems: MAX_FIELDS })),
  aggregate: Type.Optional(Type.Object({
    function: Type.Enum(['count', 'sum', 'avg', 'min', 'max']),
    field: Type.Optional(Name),
    groupBy: Type.Optional(GroupFields)
  }, { additionalProperties: false }))
}, { additionalProperties: false }))

/**
 * Checks the definition of a declarative query, or a search, which has the same members but no parameters.
 * PROTOCOL.md, "Declarative queries".
 * @throws `VALIDATION_ERROR` naming the property
 */
export function checkQueryConfig (
  config: unknown, path: 'config' | 'find' = 'config'
): DeclarativeQueryConfig {
  if (!Config.Check(config)) throw firstProblem(Config, config, path)
  const query = config as unknown as DeclarativeQueryConfig
  if (query.filter !== undefined) checkFilter(query.filter, `${path}.filter`, path === 'config')
  if (
    query.aggregate !== undefined &&
    query.aggregate.function !== 'count' &&
    query.aggregate.field === undefined
  ) {
    throw invalid(`${path}.aggregate.field`, `is required for "${query.aggregate.function}"`)
  }
  return query
}

/**
 * Checks the parameters of a query before it runs. Those of a declarative query become values of its filter:
 * texts, numbers, booleans, null and arrays of them are accepted, since an object could add operators. A
 * programmatic query accepts any value.
 * @throws `VALIDATION_ERROR` naming the parameter or the operator
 */
export function checkQueryParams (store: NoexStore, query: string, params: unknown): void {
  if (params !== undefined && JSON.stringify(params).length > MAX_PARAMS_CHARS) {
    throw invalid('params', `must not be longer than ${MAX_PARAMS_CHARS} characters of JSON`)
  }
  const filter = store.getQueryInfo(query)?.config?.filter
  if (filter === undefined) return
  const values = params ?? {}
  if (params === null || typeof values !== 'object' || Array.isArray(values)) {
    throw invalid('params', 'must be an object')
  }
  for (const [name, value] of Object.entries(values)) {
    const items: unknown[] = Array.isArray(value) ? value : [value]
    if (items.some(item => typeof item === 'object' && item !== null)) {
      throw invalid(`params.${name}`, 'must be a text, a number, a boolean, null or an array of them')
    }
  }
  checkFilter(fillPlaceholders(filter, values as Record<string, unknown>) as WhereFilter, 'filter')
}
