/** A first message of the same size as that of the noex server. */
export function welcome (): string {
  const extensions = ['delta', 'find', 'page', 'idempotency', 'ping', 'revision']
  const bounds = { heartbeatMs: 30_000, maxPayloadBytes: 1_048_576, idempotencyWindowMs: 600_000 }
  const facts = { serverTime: Date.now(), requiresAuth: false, extensions }
  return JSON.stringify({ type: 'welcome', version: '1.0.0', ...facts, ...bounds })
}
