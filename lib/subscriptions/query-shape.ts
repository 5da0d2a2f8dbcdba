import type { DeclarativeQueryConfig } from '@hamicek/noex-store'
import { parameterOf } from '../store/filter.js'
import { searchWithoutValues, type AdvisedSearch } from '../store/index-advice.js'
import type { NoexStore } from '../store/noex-store.js'
import { shortNames, shortText } from '../util/short-text.js'
import type { LiveRequest } from './live-request.js'

/** How a result is described: a query as data or in code, a search without a name, or a page of a list. */
export type QueryKind = 'declarative' | 'code' | 'find' | 'page'

/** The part of a request that its shape depends on. */
export type ShapedRequest = Pick<LiveRequest, 'query' | 'find' | 'params' | 'page'>

/** A query as statistics tell it: all its runs have one shape, with any parameters. */
export interface QueryShape {
  /** Its name; of a search, the fields that it compares, with no values. */
  readonly query: string
  readonly kind: QueryKind
  /** `undefined` for a query in code. */
  readonly bucket: string | undefined
  /** The names of its parameters. */
  readonly params: readonly string[]
  /** Whether the application has given it its name. */
  readonly isNamed: boolean
  /** The part that an index may help, without values; `undefined` for code, and for a large filter. */
  readonly search: AdvisedSearch | undefined
}

/** Characters of the text of a search: longer ones that begin alike count as one. */
const MAX_TEXT = 200

/** Returns the shape of what is asked for; `undefined` for a query that is not defined. */
export function shapeOf (
  store: Pick<NoexStore, 'getQueryInfo'>, { query, find, params, page }: ShapedRequest
): QueryShape | undefined {
  if (find !== undefined) {
    const kind = page === undefined ? 'find' : 'page'
    const query = shortText(textOfSearch(find), MAX_TEXT)
    const { bucket, filter } = find
    const search = searchWithoutValues(find)
    return { query, kind, bucket, params: fieldsIn(filter), isNamed: false, search }
  }
  const name = query as string
  const info = store.getQueryInfo(name)
  if (info === undefined) return undefined
  const { config } = info
  if (config === undefined) {
    const names = namesIn(params)
    return { query: name, kind: 'code', bucket: undefined, params: names, isNamed: true, search: undefined }
  }
  const shape = shapeOfData(name, config)
  return page === undefined ? shape : { ...shape, kind: 'page' }
}

/** The shapes of queries that are given as data. */
const shapes = new WeakMap<DeclarativeQueryConfig, QueryShape>()

/** Returns the same shape each time: `store.query` asks for it with each request. */
function shapeOfData (query: string, config: DeclarativeQueryConfig): QueryShape {
  const known = shapes.get(config)
  if (known?.query === query) return known
  const { bucket, filter } = config
  const params = shortNames([...new Set(parametersIn(filter))])
  const search = searchWithoutValues(config)
  const shape: QueryShape = { query, kind: 'declarative', bucket, params, isNamed: true, search }
  shapes.set(config, shape)
  return shape
}

function textOfSearch ({ bucket, filter, sort, aggregate }: DeclarativeQueryConfig): string {
  const conditions = filter === undefined ? '' : textOfFilter(filter)
  const order = Object.keys(sort ?? {}).join(', ')
  return `find in ${bucket}` +
    (conditions === '' ? '' : ` by ${conditions}`) +
    (order === '' ? '' : ` sorted by ${order}`) +
    (aggregate === undefined ? '' : ` (${aggregate.function})`)
}

/** Returns the fields and operators of a filter, in an order of their own; no values. */
function textOfFilter (filter: object): string {
  const texts = Object.entries(filter).map(([member, value]) => {
    if (!Array.isArray(value) || !member.startsWith('$')) return `${member}${textOfOperators(value)}`
    return `${member}(${[...new Set(value.map(part => textOfFilter(part as object)))].join('; ')})`
  })
  return texts.sort().join(', ')
}

function textOfOperators (value: unknown): string {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return ''
  const operators = Object.keys(value).filter(name => name.startsWith('$')).sort()
  return operators.length === 0 ? '' : ` ${operators.join(' ')}`
}

function fieldsIn (filter: object | undefined): string[] {
  return shortNames(Object.keys(filter ?? {}).filter(name => !name.startsWith('$')))
}

function namesIn (params: unknown): string[] {
  const isPlain = typeof params === 'object' && params !== null && !Array.isArray(params)
  return isPlain ? shortNames(Object.keys(params)) : []
}

/** Yields the names of the parameters of a filter. */
function * parametersIn (filter: unknown): Iterable<string> {
  const name = parameterOf(filter)
  if (name !== undefined) yield name
  if (typeof filter !== 'object' || filter === null) return
  for (const value of Object.values(filter)) yield * parametersIn(value)
}
