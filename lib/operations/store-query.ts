import { Type } from 'typebox'
import { checkQueryParams } from '../store/query-config.js'
import { Name } from '../protocol/fields.js'
import { rowsIn } from '../util/short-text.js'
import { defineOperation, namedQuery, type Operation } from './operation.js'

const Query = Type.Object({ query: Name, params: Type.Optional(Type.Unknown()) })

/** The operations that run queries. PROTOCOL.md, "Queries". */
export const storeQuery: readonly Operation[] = [
  defineOperation({
    name: 'store.query',
    tier: 'read',
    request: Query,
    resources: namedQuery('query'),
    async run ({ server, client, grant }, { query, params }) {
      const { sharedStore, queries, liveQueries: { metrics } } = server
      const given = params ?? undefined
      checkQueryParams(sharedStore.store, query, given)
      const { rows } = grant.scope(query)
      const cost = metrics.costOf({ query, params: given, page: undefined })
      const userId = grant.principal.session?.userId
      const endEvaluation = metrics.begin(cost, userId && `user ${userId}`)
      let result: unknown
      try {
        result = await queries.result({ query, params: given, rows, owner: client.id, work: grant.work })
        return result
      } finally {
        endEvaluation(rowsIn(result))
      }
    }
  })
]
