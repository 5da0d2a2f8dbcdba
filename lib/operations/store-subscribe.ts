import type { DeclarativeQueryConfig } from '@hamicek/noex-store'
import { Type, type Static } from 'typebox'
import { searchScope } from '../permissions/authorizer.js'
import { EncodedJson } from '../protocol/encode.js'
import { invalid, NoexServerError } from '../protocol/errors.js'
import { JsonObject, Name, PositiveInteger, Count } from '../protocol/fields.js'
import { fieldsIn, fieldsOfFilter, requireFields, type NamedField } from '../store/named-fields.js'
import { checkQueryConfig, checkQueryParams } from '../store/query-config.js'
import type { OperationContext } from './context.js'
import { defineOperation, nameIn, namedQuery, type Operation, type ResourcesOf } from './operation.js'
import { done, Subscribed } from './outputs.js'

/**
 * Characters of `page.after` and `since.epoch`, texts that the server has made.
 * @limit `VALIDATION_ERROR`
 */
const MAX_TEXT = 16_384

/** Longest `minIntervalMs`. */
const MAX_INTERVAL_MS = 3_600_000

const Text = Type.String({ maxLength: MAX_TEXT })

const Subscribe = Type.Object({
  query: Type.Optional(Name),
  params: Type.Optional(Type.Unknown({ description: 'object' })),
  find: Type.Optional(JsonObject),
  page: Type.Optional(Type.Object({
    limit: PositiveInteger, after: Type.Optional(Type.Union([Type.Null(), Text]))
  }, { additionalProperties: false })),
  delta: Type.Optional(Type.Boolean()),
  complete: Type.Optional(Type.Boolean()),
  since: Type.Optional(Type.Object({ epoch: Text, revision: Count }, { additionalProperties: false })),
  minIntervalMs: Type.Optional(Type.Integer({ minimum: 0, maximum: MAX_INTERVAL_MS }))
})

type SubscribeRequest = Static<typeof Subscribe>

/** Names the query, or the bucket of a search, which takes the same right as `store.where`. */
const watched: ResourcesOf = (request, self) => {
  const find = request['find'] as { readonly bucket?: unknown } | null | undefined
  if (find === undefined) return namedQuery('query')(request, self)
  const name = nameIn(find?.bucket)
  return [{ operation: 'store.where', tier: 'read', type: 'bucket', name, records: true }]
}

/** Checks what the schema cannot express. */
function check ({ query, find, params, page, since, delta, complete }: SubscribeRequest): void {
  if ((query === undefined) === (find === undefined)) {
    throw invalid(query === undefined ? 'query' : 'find', query === undefined
      ? 'is required'
      : 'must not stand beside "query": subscribe to one of them')
  }
  if (find !== undefined && params != null) throw invalid('params', 'belongs to "query", not to "find"')
  if (since !== undefined && delta !== true) throw invalid('since', 'needs "delta": true')
  if (page !== undefined && delta !== true) throw invalid('page', 'needs "delta": true')
  if (complete === true && delta !== true) throw invalid('complete', 'needs "delta": true')
  if (find === undefined) return
  const config = checkQueryConfig(find, 'find')
  if (page !== undefined) checkPaged(config, 'find.')
}

/** @throws `VALIDATION_ERROR` for a list that cannot be cut into pages */
function checkPaged (config: DeclarativeQueryConfig, path: string): void {
  const other = (['limit', 'offset', 'aggregate'] as const).find(name => config[name] !== undefined)
  if (other !== undefined) throw invalid('page', `must not stand beside ${path}${other}`)
}

/** Returns the fields of records that a search names. */
function * fieldsOfSearch (
  { filter, sort, fields, aggregate }: DeclarativeQueryConfig
): Iterable<NamedField> {
  yield * fieldsOfFilter(filter, 'find.filter')
  for (const field of Object.keys(sort ?? {})) yield { path: `find.sort.${field}`, field }
  yield * fieldsIn(fields, 'find.fields')
  yield * fieldsIn(aggregate?.field, 'find.aggregate.field')
  yield * fieldsIn(aggregate?.groupBy, 'find.aggregate.groupBy')
}

/** Refuses a search in a bucket that does not exist, or by a field that none of its records has. */
async function checkSearch (
  { server: { sharedStore }, grant }: OperationContext, config: DeclarativeQueryConfig
): Promise<void> {
  const { bucket } = config
  sharedStore.definition(bucket)
  const scope = { bucket, rows: grant.rows('store.where', bucket), work: grant.work }
  await requireFields(sharedStore, scope, fieldsOfSearch(config))
}

/** The operations of live queries. PROTOCOL.md, "Subscriptions". */
export const storeSubscribe: readonly Operation[] = [
  defineOperation({
    name: 'store.subscribe',
    tier: 'read',
    request: Subscribe,
    resources: watched,
    guard: client => { client.subscriptions.checkQuota() },
    check,
    output: Subscribed,
    errors: ['QUERY_NOT_DEFINED', 'BUCKET_NOT_DEFINED', 'RATE_LIMITED'],
    async run (context, request) {
      const { query, find, params = undefined, page, since } = request
      const { delta = false, complete = false, minIntervalMs = 0 } = request
      const { server: { sharedStore }, client, grant } = context
      const config = find as DeclarativeQueryConfig | undefined
      if (config !== undefined) {
        await checkSearch(context, config)
      } else {
        checkQueryParams(sharedStore.store, query as string, params ?? undefined)
        if (page !== undefined) checkPagedQuery(context, query as string)
      }
      const scope = config === undefined
        ? grant.scope(query as string)
        : searchScope(config.bucket, grant.rows.bind(grant))
      return await client.subscriptions.add({
        query,
        find: config,
        params: params ?? undefined,
        page: page && { limit: page.limit, ...(typeof page.after === 'string' && { after: page.after }) },
        since,
        isDelta: delta,
        isComplete: complete,
        minIntervalMs
      }, scope, grant)
    }
  }),
  defineOperation({
    name: 'store.unsubscribe',
    tier: 'read',
    request: Type.Object({ subscriptionId: Name }),
    accessLevel: 'session',
    needsConnection: 'only a connection has subscriptions',
    output: done('unsubscribed'),
    errors: ['NOT_FOUND'],
    run: async ({ client }, { subscriptionId }) => unsubscribe(client.subscriptions, subscriptionId)
  })
]

/**
 * Ends a subscription of the client and returns the reply.
 * @throws `NOT_FOUND` when it is not one of this connection
 */
export function unsubscribe (subscriptions: { remove: (id: string) => boolean }, id: string): object {
  // It shows nothing of the store: as one that waits by itself, it is not run again like a read.
  if (subscriptions.remove(id)) return new EncodedJson('{"unsubscribed":true}', () => {})
  throw new NoexServerError('NOT_FOUND', `Subscription "${id}" is not one of this connection`)
}

/** @throws `VALIDATION_ERROR` for a query that cannot be cut into pages */
function checkPagedQuery ({ server: { sharedStore } }: OperationContext, query: string): void {
  const info = sharedStore.store.getQueryInfo(query)
  if (info === undefined) return
  if (info.config === undefined) throw invalid('page', 'needs a query that is given as data, or a "find"')
  checkPaged(info.config, 'the query\'s ')
}
