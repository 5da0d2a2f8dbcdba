import { Type } from 'typebox'
import { checkQueryParams } from '../store/query-config.js'
import { Name } from '../protocol/fields.js'
import { defineOperation, namedQuery, type Operation } from './operation.js'

/** Parameters by name; checked by the query. */
const Params = Type.Optional(Type.Unknown({ description: 'object' }))

const Query = Type.Object({ query: Name, params: Params })

/** The operations that run queries. PROTOCOL.md, "Queries". */
export const storeQuery: readonly Operation[] = [
  defineOperation({
    name: 'store.query',
    tier: 'read',
    request: Query,
    resources: namedQuery('query'),
    output: Type.Unknown(),
    errors: ['QUERY_NOT_DEFINED'],
    async run ({ server: { sharedStore, queries }, client, grant }, r) {
      const params = r.params ?? undefined
      checkQueryParams(sharedStore.store, r.query, params)
      const { rows } = grant.scope(r.query)
      return await queries.result({ query: r.query, params, rows, owner: client.id, work: grant.work })
    }
  })
]
