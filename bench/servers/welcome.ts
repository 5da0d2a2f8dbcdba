/** A first message of the same size as that of the noex server. */
export function welcome (): string {
  return JSON.stringify({
    type: 'welcome', version: '1.0.0', serverTime: Date.now(), requiresAuth: false,
    extensions: ['delta', 'find', 'page', 'idempotency'], heartbeatMs: 30_000
  })
}
