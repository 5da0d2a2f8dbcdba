/** A first message of the same size as that of the noex server. */
export function welcome (): string {
  const extensions = ['delta', 'find', 'page', 'idempotency', 'ping', 'revision']
  const facts = { serverTime: Date.now(), requiresAuth: false, extensions, heartbeatMs: 30_000 }
  return JSON.stringify({ type: 'welcome', version: '1.0.0', ...facts })
}
