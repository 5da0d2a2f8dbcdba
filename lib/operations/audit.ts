import { Type } from 'typebox'
import { notConfigured } from '../protocol/refusals.js'
import { defineOperation, prefixed, type Operation } from './operation.js'

/** The operations of the `audit` namespace. PROTOCOL.md, "Audit". */
export const audit: readonly Operation[] = [
  defineOperation({
    name: 'audit.query',
    tier: 'admin',
    request: Type.Object({
      userId: Type.Optional(Type.String()),
      operation: Type.Optional(Type.String()),
      result: Type.Optional(Type.Union([Type.Literal('success'), Type.Literal('error')])),
      from: Type.Optional(Type.Number()),
      to: Type.Optional(Type.Number()),
      limit: Type.Optional(Type.Integer({ minimum: 1 })),
      user: Type.Optional(Type.String())
    }),
    resource: ({ userId, user }) => prefixed('user', userId ?? user),
    async run ({ server: { trail } }, { userId, user, operation, result, from, to, limit }) {
      if (trail === undefined) throw notConfigured('The audit trail')
      return { entries: trail.query({ userId, user, operation, result, from, to, limit }) }
    }
  })
]
