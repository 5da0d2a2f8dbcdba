import { Type } from 'typebox'
import { notConfigured } from '../protocol/refusals.js'
import { defineOperation, prefixed, type Operation } from './operation.js'
import { AuditEntry, Time } from './outputs.js'

/** The operations of the `audit` namespace. PROTOCOL.md, "Audit". */
export const audit: readonly Operation[] = [
  defineOperation({
    name: 'audit.query',
    tier: 'admin',
    request: Type.Object({
      userId: Type.Optional(Type.String()),
      operation: Type.Optional(Type.String()),
      result: Type.Optional(Type.Union([Type.Literal('success'), Type.Literal('error')])),
      from: Type.Optional(Time),
      to: Type.Optional(Time),
      limit: Type.Optional(Type.Integer({ minimum: 1 })),
      user: Type.Optional(Type.String({ description: 'text: the id or the name of a user' }))
    }),
    resource: ({ userId, user }) => prefixed('user', userId ?? user),
    output: Type.Object({ entries: Type.Array(AuditEntry) }),
    async run ({ server: { trail } }, { userId, user, operation, result, from, to, limit }) {
      if (trail === undefined) throw notConfigured('The audit trail')
      return { entries: trail.query({ userId, user, operation, result, from, to, limit }) }
    }
  })
]
