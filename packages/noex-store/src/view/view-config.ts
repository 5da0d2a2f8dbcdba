import { FilterError } from '../errors.js'
import { encode } from '../storage/tagged-value.js'
import { frozenDefinition } from '../schema/frozen.js'
import type { AggregateFunction } from '../types/query.js'
import type { WhereFilter } from '../types/filter.js'
import type { ViewConfig, ViewPage } from '../types/view.js'
import { isObject } from '../util/value-kinds.js'

const MEMBERS: ReadonlySet<string> = new Set<keyof ViewConfig>(
  ['bucket', 'filter', 'sort', 'offset', 'limit', 'page', 'fields', 'aggregate']
)
const FUNCTIONS: ReadonlySet<unknown> = new Set<AggregateFunction>(['count', 'sum', 'avg', 'min', 'max'])

/** The records that views share, and their order or aggregate. */
export type SourceConfig = Pick<ViewConfig, 'bucket' | 'sort' | 'aggregate'> & {
  readonly filters: readonly WhereFilter[]
}

/**
 * Checks the configuration of a view, and returns a frozen copy of it. The filter is checked where it is
 * compiled.
 * @throws FilterError naming the member that is wrong
 */
export function readConfig (given: ViewConfig): ViewConfig {
  if (!isObject(given)) throw new FilterError('The configuration of a view must be an object')
  const unknown = Object.keys(given).find(name => !MEMBERS.has(name))
  if (unknown !== undefined) {
    throw new FilterError(`A view has no "${unknown}"; there are: ${[...MEMBERS].join(', ')}`)
  }
  const config = frozenCopy(given)
  if (typeof config.bucket !== 'string') {
    throw new FilterError('bucket of a view must be the name of a bucket')
  }
  checkSort(config.sort)
  checkCount('offset', config.offset)
  checkCount('limit', config.limit)
  if (config.fields !== undefined) checkNames('fields', config.fields)
  if (config.page !== undefined) checkPage(config, config.page)
  if (config.aggregate !== undefined) checkAggregate(config, config.aggregate)
  return config
}

/** Returns the part of a configuration that views share. */
export function sourceOf (
  { bucket, filter, sort, aggregate }: ViewConfig, scope?: WhereFilter
): SourceConfig {
  const filters = [scope, filter].filter(part => part !== undefined)
  if (aggregate !== undefined) return { bucket, filters, aggregate }
  return { bucket, filters, ...(sort !== undefined && Object.keys(sort).length > 0 && { sort }) }
}

/** Returns a text that is the same for what can be shared; `undefined` where none can be made. */
export function keyOfSource ({ bucket, filters, sort, aggregate }: SourceConfig): string | undefined {
  try {
    return JSON.stringify(encode([bucket, filters, Object.entries(sort ?? {}), aggregate ?? null]))
  } catch {
    return undefined
  }
}

/** @throws FilterError */
export function frozenCopy<T> (value: T): T {
  try {
    return frozenDefinition(value) as T
  } catch (error) {
    throw new FilterError((error as Error).message)
  }
}

function checkSort (sort: unknown): void {
  if (sort === undefined) return
  if (!isObject(sort)) throw new FilterError('sort of a view must be an object of fields')
  for (const [field, direction] of Object.entries(sort)) {
    if (direction !== 'asc' && direction !== 'desc') {
      throw new FilterError(`sort of "${field}" must be "asc" or "desc"`)
    }
  }
}

function checkCount (name: string, value: unknown): void {
  if (value !== undefined && (typeof value !== 'number' || !(value >= 0))) {
    throw new FilterError(`${name} of a view must be a number, 0 or more`)
  }
}

function checkNames (name: string, names: unknown): void {
  if (!Array.isArray(names) || !names.every(item => typeof item === 'string')) {
    throw new FilterError(`${name} of a view must be an array of names`)
  }
}

function checkPage (config: ViewConfig, page: ViewPage): void {
  if (!isObject(page)) throw new FilterError('page of a view must be an object with a limit')
  const other = (['offset', 'limit', 'aggregate'] as const).find(name => config[name] !== undefined)
  if (other !== undefined) throw new FilterError(`A view with a page has no ${other}`)
  if (!Number.isInteger(page.limit) || page.limit < 1) {
    throw new FilterError('page.limit must be an integer, 1 or more')
  }
}

function checkAggregate (config: ViewConfig, aggregate: NonNullable<ViewConfig['aggregate']>): void {
  if (!isObject(aggregate)) throw new FilterError('aggregate of a view must be an object with a function')
  const other = (['sort', 'offset', 'limit', 'fields'] as const).find(name => config[name] !== undefined)
  if (other !== undefined) throw new FilterError(`A view with an aggregate has no ${other}`)
  const { function: name, field, groupBy } = aggregate
  if (!FUNCTIONS.has(name)) {
    throw new FilterError(`aggregate.function must be one of ${[...FUNCTIONS].join(', ')}`)
  }
  if (name !== 'count' && typeof field !== 'string') {
    throw new FilterError(`aggregate.field must be the field of ${name}`)
  }
  if (groupBy !== undefined && typeof groupBy !== 'string') checkNames('aggregate.groupBy', groupBy)
}
