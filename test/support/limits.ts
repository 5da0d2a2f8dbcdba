import type { Test } from 'tap'
import type { NoexOptions } from '../../lib/index.js'
import { TestClient } from './client.js'
import type { Served } from './service.js'
import { RawSocket } from './raw-socket.js'
import { until } from './until.js'

/** Tokens are user ids; the user `admin` may do everything. */
export const userTokens: NoexOptions['auth'] = {
  validate: async token => ({ userId: token, roles: [token === 'admin' ? 'admin' : 'user'] }),
  permissions: {
    default: 'deny',
    rules: [
      { role: 'admin', allow: '*' },
      { role: 'user', allow: ['store.get', 'store.count'] }
    ]
  }
}

export const behindProxy = { realIpHeader: 'X-Real-IP', trustedProxies: ['127.0.0.1'] }

/** Opens a client whose address is `address`, as the proxy says. */
export async function openFrom (t: Test, url: string, address: string): Promise<TestClient> {
  return await TestClient.open(t, url, { headers: { 'x-real-ip': address } })
}

/** The HTTP status of an upgrade; 101 when it works. */
export async function upgradeStatus (t: Test, port: number, ...headers: string[]): Promise<number> {
  const raw = await RawSocket.upgrade(t, port, '/', ['Host: localhost', ...headers])
  return await raw.status()
}

/** Resolves when the server has no more than `count` connections. */
export async function untilConnections (app: Served['app'], count: number): Promise<void> {
  await until(async () => app.noex.connectionCount <= count)
}
