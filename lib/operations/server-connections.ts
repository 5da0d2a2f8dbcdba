import { Type } from 'typebox'
import { NoexServerError } from '../protocol/errors.js'
import { MAX_USER_ID_CHARS } from '../protocol/session.js'
import { defineOperation, prefixed, type Operation } from './operation.js'

/** Connections of one page of `server.connections`, or in its place refusals of `server.refusals`. */
const DEFAULT_LIMIT = 100

/**
 * Connections of one page of `server.connections`.
 * @limit `VALIDATION_ERROR`
 */
const MAX_CONNECTIONS = 1_000

/**
 * Refusals that `server.refusals` returns.
 * @limit `VALIDATION_ERROR`
 */
const MAX_REFUSALS = 200

const ConnectionId = Type.String({ minLength: 1, maxLength: 64 })
const Filter = Type.Optional(Type.String({ minLength: 1, maxLength: MAX_USER_ID_CHARS }))

/** The operations of the `server` namespace that show connections. PROTOCOL.md, "Server operations". */
export const serverConnections: readonly Operation[] = [
  defineOperation({
    name: 'server.connections',
    tier: 'admin',
    request: Type.Object({
      user: Filter,
      address: Filter,
      query: Filter,
      limit: Type.Optional(Type.Integer({ minimum: 1, maximum: MAX_CONNECTIONS })),
      after: Type.Optional(ConnectionId)
    }),
    async run ({ server: { connectionList } }, request) {
      const { user, address, query, limit, after } = request
      // The list of all is the answer of noex-server.
      if ([user, address, query, limit, after].every(value => value === undefined)) {
        return await connectionList.all()
      }
      return await connectionList.page({ user, address, query, after, limit: limit ?? DEFAULT_LIMIT })
    }
  }),
  defineOperation({
    name: 'server.connection',
    tier: 'admin',
    resource: ({ connectionId }) => prefixed('connection', connectionId),
    request: Type.Object({ connectionId: ConnectionId }),
    async run ({ server: { connectionList } }, { connectionId }) {
      const details = connectionList.details(connectionId)
      if (details !== undefined) return details
      throw new NoexServerError('NOT_FOUND', 'There is no connection of this id; it may have ended')
    }
  }),
  defineOperation({
    name: 'server.refusals',
    tier: 'admin',
    request: Type.Object({ limit: Type.Optional(Type.Integer({ minimum: 1, maximum: MAX_REFUSALS })) }),
    run: async ({ server }, { limit }) => ({ refusals: server.refusals.newest(limit ?? DEFAULT_LIMIT) })
  })
]
