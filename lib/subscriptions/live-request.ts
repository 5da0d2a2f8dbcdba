import type { DeclarativeQueryConfig, ViewConfig } from '@hamicek/noex-store'
import type { Scope } from '../permissions/policy.js'
import { fillPlaceholders } from '../store/filter.js'
import type { NoexStore } from '../store/noex-store.js'
import type { Position } from './publication.js'
import { sortedMembers } from './recorded-params.js'

/** The result that a live query shows: that of a defined query, or of a search that the client describes. */
export interface Watched {
  /** The name of a defined query; `undefined` for a search. */
  readonly query?: string | undefined
  /** A search: a declarative query without a name. */
  readonly find?: DeclarativeQueryConfig | undefined
}

/** A live query that is asked for: equal requests share one. */
export interface LiveRequest extends Watched {
  readonly params: unknown
  /** A part of the list, whose ends are places in it. */
  readonly page: ViewConfig['page'] | undefined
  /** The result that the client has from an earlier connection. */
  readonly since?: Position | undefined
  /** The records that it may read. */
  readonly scope: Scope
  /** The id of the client that subscribes. */
  readonly owner: string
  /** The user or address whose memory it takes. */
  readonly account: string
}

/** Returns how a live query is named in the log. */
export function nameOf ({ query, find }: Watched): string {
  return query ?? `find in ${find?.bucket}`
}

/**
 * Returns a query that is given as data, with its parameters; `undefined` for one in code.
 * @throws `VALIDATION_ERROR` for a parameter that is not given
 */
export function configOf (
  store: Pick<NoexStore, 'getQueryInfo'>, { query, find, params, page }: LiveRequest
): ViewConfig | undefined {
  if (find !== undefined) return viewOf(find, page)
  const config = store.getQueryInfo(query as string)?.config
  if (config === undefined) return undefined
  if (config.filter === undefined) return page === undefined ? wholeViewOf(config) : viewOf(config, page)
  const filled = fillPlaceholders(config.filter, params as Record<string, unknown> ?? {})
  return viewOf({ ...config, filter: filled as NonNullable<ViewConfig['filter']> }, page)
}

/** The views of defined queries that need nothing of a request. */
const wholeViews = new WeakMap<DeclarativeQueryConfig, ViewConfig>()

/** Returns the same view each time: after a restart, all clients ask for it at once. */
function wholeViewOf (config: DeclarativeQueryConfig): ViewConfig {
  let view = wholeViews.get(config)
  if (view === undefined) wholeViews.set(config, view = viewOf(config, undefined))
  return view
}

/** Returns the view that has the result of a query: an aggregate is one of all records. */
function viewOf (
  { bucket, filter, sort, offset, limit, fields, aggregate }: DeclarativeQueryConfig, page: ViewConfig['page']
): ViewConfig {
  const list = { sort, offset, limit, fields, page }
  const members = { bucket, filter, ...(aggregate === undefined ? list : { aggregate }) }
  return Object.fromEntries(
    Object.entries(members).filter(([, value]) => value !== undefined)
  ) as unknown as ViewConfig
}

/** Returns the text by which the live queries of data are told apart: equal for equal results. */
export function keyOf ({ query, scope }: LiveRequest, config: ViewConfig): string {
  const { bucket, filter, sort, offset, limit, fields, aggregate, page } = config
  // The order of the members of a filter is of no consequence, that of a sort is.
  return JSON.stringify([
    query ?? null, bucket, sortedMembers(filter), Object.entries(sort ?? {}), offset, limit, fields,
    aggregate, page, scope.key
  ])
}
