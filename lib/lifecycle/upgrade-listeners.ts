import type { Server } from 'node:http'
import { UpgradeGuard } from './upgrade-guard.js'

/** Whether an upgrade listener is that of `@fastify/websocket`: outside its scope there is no other trace. */
export function isFastifyUpgrade (listener: { readonly name: string }): boolean {
  return listener.name === 'onUpgrade' && String(listener).includes('.routing(')
}

/** Whether a server has upgrade listeners besides those of `@fastify/websocket` and the guard. */
export function hasForeignUpgradeListener (server: Server): boolean {
  const others = server.listeners('upgrade').filter(listener => !isFastifyUpgrade(listener))
  return others.some(listener => !UpgradeGuard.isGuard(server, listener))
}
