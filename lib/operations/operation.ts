import type { Static, TObject, TProperties } from 'typebox'
import { Compile } from 'typebox/compile'
import type { AccessLevel, OperationAccess, ResourceAccess, Tier } from '../permissions/policy.js'
import type { Client, OperationContext, ServerContext } from './context.js'
import type { AuditedOperation } from '../audit/request-audit.js'
import { notConfigured } from '../protocol/refusals.js'
import type { Identity } from '../identity/identity.js'
import type { Charge } from '../limits/request-limiter.js'
import type { RequestMessage } from '../protocol/messages.js'
import { firstProblem } from '../protocol/shape.js'
import { requireFields, type NamedField } from '../store/named-fields.js'

/** One operation of the protocol: everything that the server knows about it. */
export interface Operation extends OperationAccess, AuditedOperation {
  /** The request's fields; unknown members are ignored. */
  readonly request: TObject
  /**
   * Whether all that it does is done in the store; what it writes is waited for when rights are taken away.
   */
  readonly usesStore: boolean
  /** What a request costs the rate limit, where that is not one of its own; works on unchecked input. */
  readonly chargesOf: ((request: RequestMessage) => readonly Charge[]) | undefined
  /** Refuses before the fields are looked at; PROTOCOL.md, "Request pipeline". */
  readonly guard: ((client: Client) => void) | undefined
  /** Checks the fields. Throws `VALIDATION_ERROR` naming the first wrong one. */
  readonly validate: (request: RequestMessage) => void
  /** Does the work; the resolved value is the reply's `data`, `undefined` is sent as `null`. */
  readonly run: (context: OperationContext, request: RequestMessage) => Promise<unknown>
}

/** Names a user as the audit does: by the field that holds the id or the user name. */
export function userIn (field: 'userId' | 'username'): (request: RequestMessage) => string {
  return request => prefixed('user', request[field])
}

/** Names something in the audit by its kind and its name or id; `*` when the request has none. */
export function prefixed (kind: string, name: unknown): string {
  return nameIn(name) === '*' ? '*' : `${kind}:${nameIn(name)}`
}

/** An operation as a touch names it. */
type Self = Pick<ResourceAccess, 'operation' | 'tier'>

/** Tells what a request of the operation `self` touches. */
export type ResourcesOf = (request: RequestMessage, self: Self) => readonly ResourceAccess[]

interface OperationDefinition<Fields extends TProperties> {
  readonly name: string
  readonly tier?: Tier
  /** @default 'permission' */
  readonly accessLevel?: AccessLevel
  readonly request: TObject<Fields>
  /** `self` is the operation itself, as a touch names it. @default the server as a whole */
  readonly resources?: ResourcesOf
  /** What the audit calls the resource. @default the first that `touches` names */
  readonly resource?: (request: RequestMessage) => string
  /**
   * The members of the request that the audit records, as far as they are texts or lists of texts: nothing
   * that is secret, and no record data.
   */
  readonly details?:
    readonly string[] | ((request: RequestMessage) => Readonly<Record<string, unknown>> | undefined)
  /** What a request costs the rate limit. Works on unchecked input. @default one of its own */
  readonly charges?: (request: RequestMessage) => readonly Charge[]
  readonly guard?: (client: Client) => void
  /** Checks what a schema cannot say. */
  readonly check?: (request: Static<TObject<Fields>>) => void
  /** The fields of records that the request names: those that no record of its `bucket` has are refused. */
  readonly fields?: (request: Static<TObject<Fields>>) => Iterable<NamedField>
  readonly run: (context: OperationContext, request: Static<TObject<Fields>>) => Promise<unknown>
}

/** The accounts, for operations that exist with them only. */
export function accounts ({ identity }: ServerContext): Identity {
  if (identity === undefined) throw notConfigured('Identity management')
  return identity
}

/** Makes one entry of the operation table. The schema is compiled once; the request's type comes from it. */
export function defineOperation<Fields extends TProperties> (
  definition: OperationDefinition<Fields>
): Operation {
  const schema = Compile(definition.request)
  const { name, tier, accessLevel = 'permission', resources = wholeServer, details } = definition
  const { check, fields, run } = definition
  const self: Self = { operation: name, tier }
  return {
    name,
    tier,
    accessLevel,
    request: definition.request,
    usesStore: name.startsWith('store.'),
    resources: request => resources(request, self),
    resourceOf: definition.resource ?? (request => resources(request, self)[0]?.name ?? '*'),
    detailsOf: detailsFrom(details),
    chargesOf: definition.charges,
    guard: definition.guard,
    validate (request) {
      if (!schema.Check(request)) throw firstProblem(schema, request)
      check?.(request as Static<TObject<Fields>>)
    },
    run: fields === undefined
      ? run as Operation['run']
      : withKnownFields(name, fields as FieldsIn, run as Operation['run'])
  }
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

/** Picks what may be recorded; most operations have nothing. */
function detailsFrom (details: OperationDefinition<TProperties>['details']): Operation['detailsOf'] {
  if (details === undefined) return () => undefined
  return typeof details === 'function' ? details : request => pick(request, details)
}

/**
 * The texts, and lists of texts, of these names that the request has: whatever else a client puts there is
 * nobody's to record.
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
 * Touches records of the bucket that the field `bucket` names. Written out: to spread `self` costs more than
 * the whole check of a permission.
 */
export const recordsOfBucket: ResourcesOf = (request, { operation, tier }) => [
  { operation, tier, type: 'bucket', name: nameIn(request['bucket']), records: true }
]

/** Touches the query that the field names. */
export function namedQuery (field: 'query' | 'name'): ResourcesOf {
  return (request, { operation, tier }) => [
    { operation, tier, type: 'query', name: nameIn(request[field]), records: field === 'query' }
  ]
}

/** Touches the bucket that the field names as a whole. */
export function wholeBucket (field: 'bucket' | 'name'): ResourcesOf {
  return (request, { operation, tier }) => [
    { operation, tier, type: 'bucket', name: nameIn(request[field]), records: false }
  ]
}

/** Touches the topic, fact, pattern or rule that the request names: permissions treat them alike. */
export function namedTopic (named: (request: RequestMessage) => unknown): ResourcesOf {
  return (request, { operation, tier }) => [
    { operation, tier, type: 'topic', name: nameIn(named(request)), records: false }
  ]
}

/** Counts the elements of a list; 0 where there is none. */
export function lengthOf (list: unknown): number {
  return Array.isArray(list) ? list.length : 0
}

/** A request that names one thing of each kind that operations touch. */
const sample = {
  bucket: 'name', name: 'name', query: 'name', operations: [{ op: 'get', bucket: 'name', key: 'key' }]
}

/** Whether an operation reads or changes records, so that a permission with `where` can allow it. */
export function accessesRecords ({ name, resources }: Operation): boolean {
  const touched = resources({ id: 0, type: name, ...sample })
  return touched.some(({ operation, records }) => operation === name && records)
}

/** Touches nothing in particular. */
const wholeServer: ResourcesOf = (_request, self) => [{ ...self, type: 'server', name: '*', records: false }]

/** The name of a resource as a request gives it, or `*`. */
export function nameIn (value: unknown): string {
  return typeof value === 'string' && value !== '' ? value : '*'
}

/** A member of a value that may be anything; `undefined` where it has none of that name. */
export function memberIn (value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as Readonly<Record<string, unknown>>)[name]
    : undefined
}
