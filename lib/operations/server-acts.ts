import { Type } from 'typebox'
import { invalid } from '../protocol/errors.js'
import { MAX_USER_ID_CHARS } from '../protocol/session.js'
import { Count } from '../protocol/fields.js'
import { defineOperation, prefixed, type Operation } from './operation.js'
import { done } from './outputs.js'

/**
 * Characters of the reason of a close.
 * @limit `VALIDATION_ERROR`
 */
const MAX_REASON_CHARS = 200

/**
 * Time that `server.drain` gives clients to leave, in milliseconds: a day.
 * @limit `VALIDATION_ERROR`
 */
const MAX_GRACE_MS = 86_400_000

const Id = Type.String({ minLength: 1, maxLength: MAX_USER_ID_CHARS })

/**
 * The operations of the `server` namespace that end something. Each leaves one entry in the audit, to which
 * it adds details. PROTOCOL.md, "Server operations".
 */
export const serverActs: readonly Operation[] = [
  defineOperation({
    name: 'server.close',
    tier: 'admin',
    takesKey: true,
    resource: ({ connectionId }) => prefixed('connection', connectionId),
    request: Type.Object({
      connectionId: Id,
      reason: Type.Optional(Type.String({
        minLength: 1,
        maxLength: MAX_REASON_CHARS,
        description: 'text of 1 to 200 characters, which the client is told'
      }))
    }),
    output: Type.Object({ closed: Type.Boolean() }),
    errors: [],
    run: async (context, { connectionId, reason }) => ({
      closed: context.server.acts.close(context, connectionId, reason)
    })
  }),
  defineOperation({
    name: 'server.revoke',
    tier: 'admin',
    takesKey: true,
    resource: ({ userId, role }) => userId === undefined ? prefixed('role', role) : prefixed('user', userId),
    request: Type.Object({ userId: Type.Optional(Id), role: Type.Optional(Id) }),
    output: Type.Object({ sessions: Count, connections: Count }),
    errors: ['VALIDATION_ERROR', 'NOT_FOUND', 'FORBIDDEN', 'RATE_LIMITED'],
    check ({ userId, role }) {
      if (userId === undefined && role === undefined) throw invalid('userId', 'is required, or role')
      if (userId !== undefined && role !== undefined) throw invalid('role', 'excludes userId')
    },
    run: async (context, { userId, role }) => await context.server.acts.revoke(
      context, userId === undefined ? { role: role as string } : { userId }
    )
  }),
  defineOperation({
    name: 'server.drain',
    tier: 'admin',
    takesKey: true,
    request: Type.Object({
      graceMs: Type.Optional(Type.Integer({
        minimum: 0,
        maximum: MAX_GRACE_MS,
        description: 'integer from 0 to 86,400,000, the milliseconds that clients have to leave ' +
          '(`shutdown.gracePeriodMs`)'
      }))
    }),
    output: done('draining'),
    errors: [],
    async run (context, { graceMs }) {
      context.server.acts.drain(context, graceMs)
      return { draining: true }
    }
  })
]
