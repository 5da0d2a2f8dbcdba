import type { Static, TObject, TProperties } from 'typebox'
import { Compile } from 'typebox/compile'
import type { AccessLevel, ResourceAccess, Tier } from '../permissions/policy.js'
import type {
  Client, Operation, OperationContext, OwnOperation, ServerContext, StepRights
} from './context.js'
import { checkKey } from '../idempotency/keyed-requests.js'
import { EncodedJson } from '../protocol/encode.js'
import { NoexServerError } from '../protocol/errors.js'
import { notConfigured } from '../protocol/refusals.js'
import type { Identity } from '../identity/identity.js'
import type { Charge } from '../limits/request-limiter.js'
import { checkRevision } from '../protocol/fields.js'
import type { RequestMessage } from '../protocol/messages.js'
import { firstProblem } from '../protocol/shape.js'
import { requireFields, type NamedField } from '../store/named-fields.js'

export type { Operation }

/**
 * Ends a subscription of the client and returns the reply.
 * @throws `NOT_FOUND` when it is not one of this connection
 */
export function unsubscribe (subscriptions: { remove: (id: string) => boolean }, id: string): object {
  // It shows nothing of the store: as one that waits by itself, it is not run again like a read.
  if (subscriptions.remove(id)) return new EncodedJson('{"unsubscribed":true}', () => {})
  throw new NoexServerError('NOT_FOUND', `Subscription "${id}" is not one of this connection`)
}

/** Names a user as the audit does: by the field that holds the id or the user name. */
export function userIn (field: 'userId' | 'username'): (request: RequestMessage) => string {
  return request => prefixed('user', request[field])
}

/** Names a resource in the audit by its kind and its name or id; `*` when the request has none. */
export function prefixed (kind: string, name: unknown): string {
  return nameIn(name) === '*' ? '*' : `${kind}:${nameIn(name)}`
}

/** An operation as a resource access names it. */
type Self = Pick<ResourceAccess, 'operation' | 'tier'>

/** Returns the resources that a request of the operation `self` uses. */
export type ResourcesOf = (request: RequestMessage, self: Self) => readonly ResourceAccess[]

interface OperationDefinition<Fields extends TProperties, Result> {
  readonly name: string
  readonly tier?: Tier
  /** @default 'permission' */
  readonly accessLevel?: AccessLevel
  readonly request: TObject<Fields>
  /** @default the server as a whole */
  readonly resources?: ResourcesOf
  /** Returns the name of the resource for the audit. @default the name of the first of `resources` */
  readonly resource?: (request: RequestMessage) => string
  /** The members of the request that the audit records where they are texts or lists of texts: no secrets. */
  readonly details?:
    readonly string[] | ((request: RequestMessage) => Readonly<Record<string, unknown>> | undefined)
  /** Returns the charges of a request; works on unchecked input. @default one of its own */
  readonly charges?: (request: RequestMessage) => readonly Charge[]
  readonly guard?: (client: Client) => void
  /**
   * Says what to do where there is no connection on which its effect could last: it is refused there.
   * @default none, it needs no connection
   */
  readonly needsConnection?: string
  /** Checks constraints that the schema cannot express. */
  readonly check?: (request: Static<TObject<Fields>>) => void
  /** Returns the record fields that the request names; one that no record of its `bucket` has is refused. */
  readonly fields?: (request: Static<TObject<Fields>>) => Iterable<NamedField>
  /**
   * Whether it changes something, so that a request may have an `idempotencyKey`, and `revision`. A `run`
   * that makes one commit hands it `grant.idempotency`, and its `reply` needs no more than the result of that
   * commit; any other is remembered afterwards.
   * @default false
   */
  readonly takesKey?: boolean
  /**
   * Whether it changes something, and resolves when that is durable, with a result that shows no other state
   * of the store.
   * @default takesKey
   */
  readonly isChange?: boolean
  /** The members with passwords. @default none */
  readonly secrets?: readonly string[]
  readonly run: (context: OperationContext, request: Static<TObject<Fields>>) => Promise<Result>
  /** Makes the reply's `data` of the result of `run`. @default the result itself */
  readonly reply?: (result: Result) => unknown
  /** @default those of the request itself */
  readonly rightsOfSteps?: (request: Static<TObject<Fields>>, context: OperationContext) => StepRights
}

/** Returns the accounts. @throws `UNKNOWN_OPERATION` where there are none */
export function accounts ({ identity }: ServerContext): Identity {
  if (identity === undefined) {
    throw notConfigured('Identity management')
  }
  return identity
}

/** Defines one operation. The schema is compiled once, and the type of the request is derived from it. */
export function defineOperation<Fields extends TProperties, Result = unknown> (
  definition: OperationDefinition<Fields, Result>
): Operation {
  const schema = Compile(definition.request)
  const { name, tier, accessLevel = 'permission', resources = wholeServer, details } = definition
  const { check, fields, run, reply, takesKey = false, secrets = [] } = definition
  const { isChange = takesKey } = definition
  const { rightsOfSteps = rightsOfRequest } = definition
  const execute = reply === undefined
    ? run as Operation['run']
    : async (...args: Parameters<typeof run>) => reply(await run(...args))
  const self: Self = { operation: name, tier }
  return {
    name,
    tier,
    accessLevel,
    request: definition.request,
    usesStore: name.startsWith('store.'),
    isChange,
    resources: request => resources(request, self),
    resourceOf: definition.resource ?? (request => resources(request, self)[0]?.name ?? '*'),
    detailsOf: detailsFrom(details),
    chargesOf: definition.charges,
    guard: guardOf(definition),
    takesKey,
    secrets,
    validate (request) {
      if (request['idempotencyKey'] !== undefined) checkKey(request, name, takesKey)
      if (request['revision'] !== undefined) checkRevision(request, name, takesKey)
      if (!schema.Check(request)) throw firstProblem(schema, request)
      check?.(request as Static<TObject<Fields>>)
    },
    run: fields === undefined
      ? execute as Operation['run']
      : withKnownFields(name, fields as FieldsIn, execute as Operation['run']),
    reply: (reply ?? (result => result)) as Operation['reply'],
    rightsOfSteps: rightsOfSteps as Operation['rightsOfSteps']
  }
}

/** Returns the guard of an operation, which also refuses a call where it takes a connection. */
function guardOf (
  { name, guard, needsConnection }: Pick<
    OperationDefinition<TProperties, unknown>, 'name' | 'guard' | 'needsConnection'
  >
): Operation['guard'] {
  if (needsConnection === undefined) return guard
  return client => {
    if (!client.isConnected) {
      throw new NoexServerError('UNKNOWN_OPERATION', `${name} takes a connection: ${needsConnection}`)
    }
    guard?.(client)
  }
}

/** Returns the rights of the request itself. */
export function rightsOfRequest (_request: unknown, { server, grant }: OperationContext): StepRights {
  return { authorizer: server.authorizer, principal: grant.principal }
}

type FieldsIn = (request: RequestMessage) => Iterable<NamedField>

/** Runs an operation unless the request names a field that no record of its bucket has. */
function withKnownFields (operation: string, fieldsIn: FieldsIn, run: Operation['run']): Operation['run'] {
  return async (context, request) => {
    const { server, grant } = context
    const bucket = request['bucket'] as string
    const scope = { bucket, rows: grant.rows(operation, bucket), work: grant.work }
    const refusal = requireFields(server.sharedStore, scope, fieldsIn(request))
    if (refusal !== undefined) await refusal
    return await run(context, request)
  }
}

/** Returns the function that picks the details of a request for the audit. */
function detailsFrom (details: OperationDefinition<TProperties, unknown>['details']): Operation['detailsOf'] {
  if (details === undefined) return () => undefined
  return typeof details === 'function' ? details : request => pick(request, details)
}

/**
 * Returns the members of these names that are texts or lists of texts; values of other types are left out.
 */
function pick (
  request: RequestMessage,
  names: readonly string[]
): Readonly<Record<string, unknown>> | undefined {
  const present = names
    .filter(name => Object.hasOwn(request, name))
    .map(name => [name, recordable(request[name])] as const)
  const kept = present.filter(([, value]) => value !== undefined)
  return kept.length === 0 ? undefined : Object.fromEntries(kept)
}

function recordable (value: unknown): string | readonly string[] | undefined {
  if (typeof value === 'string') return value
  return Array.isArray(value) ? value.filter(item => typeof item === 'string') : undefined
}

/**
 * Names records of the bucket in the field `bucket`. Each member is written out: to spread `self` costs more
 * than the whole check of a permission.
 */
export const recordsOfBucket: ResourcesOf = (request, { operation, tier }) => [
  { operation, tier, type: 'bucket', name: nameIn(request['bucket']), records: true }
]

/** Names the query in the field. */
export function namedQuery (field: 'query' | 'name'): ResourcesOf {
  return (request, { operation, tier }) => [
    { operation, tier, type: 'query', name: nameIn(request[field]), records: field === 'query' }
  ]
}

/** Names the bucket in the field, as a whole. */
export function wholeBucket (field: 'bucket' | 'name'): ResourcesOf {
  return (request, { operation, tier }) => [
    { operation, tier, type: 'bucket', name: nameIn(request[field]), records: false }
  ]
}

/** Names the topic, fact, pattern or rule of the request: permissions treat them alike. */
export function namedTopic (named: (request: RequestMessage) => unknown): ResourcesOf {
  return (request, { operation, tier }) => [
    { operation, tier, type: 'topic', name: nameIn(named(request)), records: false }
  ]
}

/** Returns the number of elements of a list; 0 where there is none. */
export function lengthOf (list: unknown): number {
  return Array.isArray(list) ? list.length : 0
}

/** A request that names one resource of each kind. */
const sample = {
  bucket: 'name', name: 'name', query: 'name', operations: [{ op: 'get', bucket: 'name', key: 'key' }]
}

/** Whether an operation reads or changes records, so that a permission with `where` can allow it. */
export function accessesRecords (operation: Operation | OwnOperation): boolean {
  if ('hasComputedResources' in operation && operation.hasComputedResources) return true
  const { name, resources } = operation
  const used = resources({ id: 0, type: name, ...sample })
  return used.some(({ operation, records }) => operation === name && records)
}

/** Names no resource but the server. */
const wholeServer: ResourcesOf = (_request, self) => [{ ...self, type: 'server', name: '*', records: false }]

/** Returns the name of a resource in a request; `*` where it has none. */
export function nameIn (value: unknown): string {
  return typeof value === 'string' && value !== '' ? value : '*'
}

/** Returns an own member of a value of any type; `undefined` where there is none. */
export function memberIn (value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as Readonly<Record<string, unknown>>)[name]
    : undefined
}
