import { Type } from 'typebox'
import { Name } from '../protocol/fields.js'
import { listQueries } from '../subscriptions/query-list.js'
import { defineOperation } from './operation.js'

/**
 * Queries in one list.
 * @limit `VALIDATION_ERROR`
 */
const MAX_QUERIES = 1_000

/** Characters of the text by which queries are looked for. */
const MAX_FILTER = 256

const Queries = Type.Object({
  filter: Type.Optional(Type.String({ maxLength: MAX_FILTER })),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: MAX_QUERIES })),
  after: Type.Optional(Name)
})

/** Lists what queries cost, for operators. PROTOCOL.md, "Server operations". */
export const serverQueries = defineOperation({
  name: 'server.queries',
  tier: 'admin',
  request: Queries,
  async run ({ server, grant }, { filter = '', limit = 100, after }) {
    const { liveQueries, sharedStore, getStoreStats } = server
    const stats = await getStoreStats(grant.principal.session)
    const records = new Map(Object.entries(stats?.records.perBucket ?? {}))
    const recordsOf = (bucket: string): number => records.get(bucket) ?? 0
    return await listQueries({ liveQueries, store: sharedStore.store, recordsOf }, { filter, limit, after })
  }
})
