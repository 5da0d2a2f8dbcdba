import { readFileSync } from 'node:fs'
import t from 'tap'
import {
  getOperationTier, hasAccessForTier, isBuiltInAuth, isBuiltinRole, type AuditConfig, type AuditQuery,
  type AuthConfig, type BackpressureConfig, type BuiltInAuthConfig, type ClientMessage, type ClientRequest,
  type ConnectionLimitsConfig, type ConnectionMetadata, type ConnectionsStats, type ErrorResponse,
  type HeartbeatConfig, type HeartbeatPing, type HeartbeatPong, type NoexOptions, type OperationTier,
  type ProceduresConfig, type PushMessage, type RateLimitConfig, type RevocationConfig, type RevokedEntry,
  type ServerMessage, type SuccessResponse, type SystemMessage, type WelcomeMessage
} from '../../lib/index.js'
import { operations } from '../../lib/operations/registry.js'
import { TestClient } from '../support/client.js'
import { serve } from '../support/service.js'
import { projectFile } from '../support/project-file.js'

t.test('getOperationTier tells of every operation what the table says', async t => {
  const tiers = new Map([...operations].map(([name, { tier }]) => [name, tier]))
  for (const [name, tier] of tiers) t.equal(getOperationTier(name), tier, name)
  t.equal(getOperationTier('store.get'), 'read')
  t.equal(getOperationTier('store.insert'), 'write')
  t.equal(getOperationTier('store.defineBucket'), 'admin')
  const unknown = ['store.gett', '', 'constructor', '__proto__']
  for (const name of unknown) t.equal(getOperationTier(name), undefined, `"${name}" is unknown`)
})

t.test('hasAccessForTier asks the farthest built-in role, and no other', async t => {
  const tiers: OperationTier[] = ['read', 'write', 'admin']
  const reach = (...roles: string[]): OperationTier[] => tiers.filter(tier => hasAccessForTier(roles, tier))
  t.same(reach('reader'), ['read'])
  t.same(reach('writer'), ['read', 'write'])
  t.same(reach('admin'), tiers)
  t.same(reach('reader', 'clerk', 'writer'), ['read', 'write'])
  t.same(reach('clerk'), tiers, 'permissions decide')
  t.same(reach(), tiers)
})

t.test('isBuiltinRole and isBuiltInAuth', async t => {
  const roles = ['reader', 'writer', 'admin', 'superadmin', 'clerk', 'constructor']
  t.same(roles.filter(isBuiltinRole), ['reader', 'writer', 'admin'])
  const builtIn: AuthConfig = { builtIn: true, adminSecret: 'a secret' }
  const external: AuthConfig = { validate: () => null }
  t.equal(isBuiltInAuth(builtIn), true)
  t.equal(isBuiltInAuth(external), false)
})

t.test('the types are those of the options and of what goes over the wire', async t => {
  const auth: BuiltInAuthConfig = { builtIn: true, adminSecret: 'the secret of this test' }
  const heartbeat: HeartbeatConfig = { intervalMs: 1_000 }
  const backpressure: BackpressureConfig = { highWaterMark: 0.5 }
  const connectionLimits: ConnectionLimitsConfig = { maxConnections: 5 }
  const rateLimit: RateLimitConfig = { maxRequests: 100, windowMs: 1_000 }
  const audit: AuditConfig = { tiers: ['admin'] }
  const revocation: RevocationConfig = { blacklistTtlMs: 1_000 }
  const procedures: ProceduresConfig = { maxSteps: 5 }
  const revoked: RevokedEntry = { userId: 'alice', expiresAt: 1 }
  const limits: Partial<NoexOptions> = { heartbeat, backpressure, connectionLimits, rateLimit }
  const { app, url } = await serve(t, { ...limits, auth, audit, revocation, procedures })
  const client = TestClient.raw(t, url)
  const next = async (): Promise<ServerMessage> => await client.next() as unknown as ServerMessage
  const send = (message: ClientMessage): void => {
    client.send(message as unknown as Parameters<typeof client.send>[0])
  }

  const welcome = await next() as WelcomeMessage
  const members: Array<keyof WelcomeMessage> = [
    'extensions', 'heartbeatMs', 'idempotencyWindowMs', 'maxPayloadBytes', 'requiresAuth', 'serverTime',
    'type', 'version'
  ]
  t.same(Object.keys(welcome).sort(), members)
  const ping: HeartbeatPing = { type: 'ping', timestamp: welcome.serverTime }
  const pong: HeartbeatPong = { ...ping, type: 'pong' }
  send(pong)
  const request: ClientRequest = { id: 1, type: 'store.buckets' }
  send(request)
  const refused = await next() as ErrorResponse
  t.match(refused, { id: 1, type: 'error', code: 'UNAUTHORIZED', message: String })
  send({ id: 2, type: 'identity.loginWithSecret', secret: auth.adminSecret })
  const { id, type, data } = await next() as SuccessResponse
  t.match({ id, type, data }, { id: 2, type: 'result', data: Object })

  const query: AuditQuery = { operation: 'identity.loginWithSecret', limit: 1 }
  send({ id: 3, type: 'audit.query', ...query })
  t.match(await next(), { id: 3, data: { entries: [{ operation: query.operation }] } })
  const connections: readonly ConnectionMetadata[] = app.noex.getConnections()
  const stats: ConnectionsStats = (await app.noex.getStats()).connections
  t.equal(stats.active, connections.length)

  app.noex.revokeSession(connections[0]?.userId ?? revoked.userId)
  const isSystem = (message: ServerMessage): message is Exclude<SystemMessage, PushMessage> =>
    message.type === 'system'
  const message = await next()
  t.ok(isSystem(message) && message.event === 'session_revoked')
})

t.test('PROTOCOL.md lists what stays different', async t => {
  const protocol = readFileSync(projectFile('PROTOCOL.md'), 'utf8')
  const [, differences = ''] = protocol.split('## Differences from `@hamicek/noex-server`')
  const topics = [
    '`loginTimeoutMs`', 'windows', 'unknown members', '`check`', '`resource`', '[limits](#limits)'
  ]
  for (const topic of topics) t.match(differences, topic)
})
