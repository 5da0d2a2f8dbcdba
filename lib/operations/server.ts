import { Type } from 'typebox'
import { defineOperation, touchesServer, type Operation } from './operation.js'

/** The operations of the `server` namespace. PROTOCOL.md, "Server operations". */
export const server: readonly Operation[] = [
  defineOperation({
    name: 'server.stats',
    tier: 'admin',
    request: Type.Object({}),
    touches: touchesServer('server.stats'),
    async run ({ getStats }) {
      // Where the server listens is for its operators.
      const { port: _port, host: _host, ...stats } = await getStats()
      return stats
    }
  }),
  defineOperation({
    name: 'server.connections',
    tier: 'admin',
    request: Type.Object({}),
    touches: touchesServer('server.connections'),
    run: async ({ getConnections }) => getConnections()
  })
]
