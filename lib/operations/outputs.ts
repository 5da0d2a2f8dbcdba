import { Type, type TObject, type TProperties, type TSchema } from 'typebox'
import { Count, JsonObject, PositiveInteger } from '../protocol/fields.js'

/** Epoch milliseconds. */
export const Time = Type.Number({ description: 'epoch milliseconds' })

/** Returns the shape of a value that may be `null`. */
export function nullable<Schema extends TSchema> (schema: Schema) {
  return Type.Union([schema, Type.Null()])
}

/** Returns the shape of the answer that something is done: `{ <name>: true }`, beside other members. */
export function done (name: string, others: TProperties = {}): TObject {
  return Type.Object({ ...others, [name]: Type.Literal(true) })
}

/** The name of what an operation has changed. */
export const named = { name: Type.String() }

/** The metadata that the server adds to each record. */
const metadata = {
  _version: PositiveInteger,
  _createdAt: Time,
  _updatedAt: Time,
  _expiresAt: Type.Optional(Time)
}

/** A record, with the members that its bucket defines. */
export const StoredRecord = Type.Object(metadata, { additionalProperties: true })

/** A list of records. */
export const StoredRecords = Type.Array(StoredRecord)

/** A number for each name. */
const Counts = Type.Record(Type.String(), Count)

const names = Type.Array(Type.String())

/** The figures of the store. */
export const StoreFigures = Type.Object({
  name: Type.String(),
  revision: Count,
  buckets: Type.Object({ count: Count, names }),
  records: Type.Object({ total: Count, perBucket: Counts }),
  bytes: Type.Object({ total: Count, perBucket: Counts }),
  indexes: Type.Object({ total: Count, perBucket: Counts }),
  queries: Type.Object({ defined: Count, activeSubscriptions: Count }),
  persistence: Type.Object({ enabled: Type.Boolean() }),
  ttl: Type.Object({ enabled: Type.Boolean(), checkIntervalMs: Type.Number() })
}, { additionalProperties: true })

/** The key of a row, and its place in the list. */
const place = Type.Array(Type.Unknown(), { minItems: 2, maxItems: 2 })

/** The change of a list that makes it the present one. PROTOCOL.md, "Deltas". */
const ListChange = Type.Object({
  upsert: Type.Array(JsonObject),
  remove: Type.Array(Type.Unknown()),
  at: Type.Optional(Type.Array(place))
})

/** The answer to a subscription: with a complete result, or what has changed since. */
export const Subscribed = Type.Object({
  subscriptionId: Type.Optional(Type.String({ description: 'absent over HTTP, where nothing is pushed' })),
  epoch: Type.Optional(Type.String()),
  revision: Type.Optional(Count),
  key: Type.Optional(nullable(Type.String())),
  bucket: Type.Optional(nullable(Type.String())),
  hasMore: Type.Optional(Type.Boolean()),
  nextCursor: Type.Optional(nullable(Type.String())),
  data: Type.Optional(Type.Unknown()),
  delta: Type.Optional(ListChange)
})

/** A user who is logged in, or that none is. */
export const Whoami = Type.Union([
  Type.Object({ authenticated: Type.Literal(false) }),
  Type.Object({
    authenticated: Type.Literal(true), userId: Type.String(), roles: names, expiresAt: nullable(Time)
  })
])

/** The answer to a login by `identity.*`. */
export const AccountLogin = Type.Object({
  token: Type.String(),
  expiresAt: Time,
  user: Type.Object({
    id: Type.String(),
    username: Type.String(),
    displayName: Type.Optional(Type.String()),
    roles: names
  })
})

const written = { _createdAt: Time, _updatedAt: Time }
const maybeText = Type.Optional(nullable(Type.String()))

/** An account, without its password. */
export const Account = Type.Object({
  id: Type.String(),
  username: Type.String(),
  enabled: Type.Boolean(),
  displayName: maybeText,
  email: maybeText,
  metadata: Type.Optional(nullable(JsonObject)),
  ...written
})

/** A role with its permissions. */
export const RoleOutput = Type.Object({
  id: Type.String(),
  name: Type.String(),
  description: maybeText,
  permissions: Type.Array(JsonObject),
  system: Type.Boolean(),
  ...written
})

/** The roles of a user, or all. */
export const RoleList = Type.Object({ roles: Type.Array(RoleOutput) })

/** The access of a user to one resource. */
export const Access = {
  operations: Type.Array(Type.Enum(['read', 'write', 'admin'])), isOwner: Type.Boolean()
}

/** An entry of the audit. PROTOCOL.md, "Entries". */
export const AuditEntry = Type.Object({
  timestamp: Time,
  userId: nullable(Type.String()),
  sessionId: nullable(Type.String()),
  operation: Type.String(),
  resource: Type.String(),
  result: Type.Enum(['success', 'error']),
  error: Type.Optional(Type.String()),
  details: Type.Optional(JsonObject),
  remoteAddress: nullable(Type.String()),
  revision: Type.Optional(Count),
  epoch: Type.Optional(Type.String())
}, { additionalProperties: true })

/** An event of the rules. */
export const RuleEvent = Type.Object({
  id: Type.String(),
  topic: Type.String(),
  data: JsonObject,
  timestamp: Time,
  correlationId: Type.Optional(Type.String()),
  causationId: Type.Optional(Type.String()),
  source: Type.String({ description: '`api`, `rule` or `timer`' })
})

/** A fact of the rules. */
export const Fact = Type.Object({
  key: Type.String(), value: Type.Unknown(), timestamp: Time, source: Type.String(), version: Count
})

/** Problems of a rule. */
export const RuleIssues = Type.Array(Type.Object({
  path: Type.String(), message: Type.String(), severity: Type.Enum(['error', 'warning'])
}))

/** The members of a connection in a list. */
const connection = {
  connectionId: Type.String(),
  remoteAddress: Type.String(),
  connectedAt: Time,
  authenticated: Type.Boolean(),
  userId: nullable(Type.String()),
  userName: nullable(Type.String()),
  roles: names,
  storeSubscriptionCount: Count,
  rulesSubscriptionCount: Count,
  bytesQueued: Count,
  requests: Count
}

const connections = Type.Array(Type.Object(connection))

/** All connections, or a page of those that match. */
export const ConnectionList = Type.Union([
  connections, Type.Object({ connections, more: Type.Boolean(), total: Count })
])

/** The members of a refusal, as that of one connection has them. */
const refusal = {
  at: Time, operation: nullable(Type.String()), code: Type.String(), message: Type.String()
}

/** One connection, with its subscriptions and refusals. */
export const ConnectionDetails = Type.Object({
  ...connection,
  requestsPerSecond: Type.Number(),
  queued: Type.Object({ frames: Count, bytes: Count, requests: Count }),
  subscriptions: Type.Array(Type.Object({
    subscriptionId: Type.String(),
    kind: Type.Enum(['store', 'rules']),
    query: Type.Optional(Type.String()),
    bucket: Type.Optional(Type.String()),
    topic: Type.Optional(Type.String()),
    since: Time
  })),
  refusals: Type.Array(Type.Object(refusal))
})

/** The last refusals of the process. */
export const RefusalList = Type.Object({
  refusals: Type.Array(Type.Object({
    ...refusal,
    connectionId: nullable(Type.String()),
    address: Type.String(),
    userId: nullable(Type.String()),
    userName: nullable(Type.String())
  }))
})
