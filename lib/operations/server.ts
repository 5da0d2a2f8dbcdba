import { Type } from 'typebox'
import { defineOperation, type Operation } from './operation.js'
import { serverActs } from './server-acts.js'
import { serverConnections } from './server-connections.js'
import { describe } from './server-describe.js'
import { serverQueries } from './server-queries.js'

/** The operations of the `server` namespace. PROTOCOL.md, "Server operations". */
export const server: readonly Operation[] = [
  defineOperation({
    name: 'server.stats',
    tier: 'admin',
    request: Type.Object({}),
    async run ({ server: { getStats }, grant }) {
      // The address of the server is for its operators alone.
      const { port: _port, host: _host, ...stats } = await getStats(grant.principal.session)
      return stats
    }
  }),
  defineOperation({
    name: 'server.describe',
    tier: 'read',
    accessLevel: 'session',
    request: Type.Object({}),
    run: describe
  }),
  serverQueries,
  ...serverConnections,
  ...serverActs
]
