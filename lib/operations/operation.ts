import type { Static, TObject, TProperties } from 'typebox'
import { Compile } from 'typebox/compile'
import type { ConnectionInfo, ServerStats } from '../info.js'
import type { Feeds } from '../feeds/feeds.js'
import type { SubscriptionTable } from '../feeds/subscription-table.js'
import type { RequestMessage } from '../protocol/messages.js'
import { firstProblem } from '../protocol/shape.js'
import type { StoreAccess } from '../store/store-access.js'

/** How far an operation reaches: what a role must have, and what the audit filters by. */
export type Tier = 'read' | 'write' | 'admin'

/** Something that an operation reads or changes, and the right that this takes. */
export interface Touch {
  /** The operation that must be allowed on the resource; a transaction needs the right to each of its entries too. */
  readonly operation: string
  readonly type: 'bucket' | 'query' | 'server'
  /** `*` where the request names nothing. */
  readonly name: string
}

/** What operations work with: the same for every request of a service. */
export interface Services {
  readonly access: StoreAccess
  readonly feeds: Feeds
  readonly getStats: () => Promise<ServerStats>
  readonly getConnections: () => ConnectionInfo[]
}

/** The client that sent the request, as far as operations know it. */
export interface Client {
  readonly subscriptions: SubscriptionTable
}

/** One operation of the protocol: everything that the server knows about it. */
export interface Operation {
  readonly name: string
  readonly tier: Tier
  /** The request's fields; unknown members are ignored. */
  readonly request: TObject
  /** All that the request touches. Works on unchecked input: what is missing or mistyped counts as `*`. */
  readonly touches: (request: RequestMessage) => readonly Touch[]
  /** Refuses before the fields are looked at; PROTOCOL.md, "Request pipeline". */
  readonly guard: ((client: Client) => void) | undefined
  /** Checks the fields. Throws `VALIDATION_ERROR` naming the first wrong one. */
  readonly validate: (request: RequestMessage) => void
  /** Does the work; the resolved value is the reply's `data`, `undefined` is sent as `null`. */
  readonly run: (services: Services, request: RequestMessage, client: Client) => Promise<unknown>
}

interface OperationDefinition<Fields extends TProperties> {
  readonly name: string
  readonly tier: Tier
  readonly request: TObject<Fields>
  readonly touches: (request: RequestMessage) => readonly Touch[]
  readonly guard?: (client: Client) => void
  /** Checks what a schema cannot say. */
  readonly check?: (request: Static<TObject<Fields>>) => void
  readonly run: (services: Services, request: Static<TObject<Fields>>, client: Client) => Promise<unknown>
}

/** Makes one entry of the operation table. The schema is compiled once; the request's type comes from it. */
export function defineOperation<Fields extends TProperties> (definition: OperationDefinition<Fields>): Operation {
  const schema = Compile(definition.request)
  const { check, run } = definition
  return {
    name: definition.name,
    tier: definition.tier,
    request: definition.request,
    touches: definition.touches,
    guard: definition.guard,
    validate (request) {
      if (!schema.Check(request)) throw firstProblem(schema, request)
      check?.(request as Static<TObject<Fields>>)
    },
    run: run as Operation['run']
  }
}

/** Touches the bucket that the field `bucket` names. */
export function touchesBucket (operation: string, field: 'bucket' | 'name' = 'bucket'): Operation['touches'] {
  return request => [{ operation, type: 'bucket', name: nameIn(request[field]) }]
}

/** Touches the query that the field names. */
export function touchesQuery (operation: string, field: 'query' | 'name'): Operation['touches'] {
  return request => [{ operation, type: 'query', name: nameIn(request[field]) }]
}

/** Touches nothing in particular. */
export function touchesServer (operation: string): Operation['touches'] {
  const touches: readonly Touch[] = [{ operation, type: 'server', name: '*' }]
  return () => touches
}

/** The name of a resource as a request gives it, or `*`. */
export function nameIn (value: unknown): string {
  return typeof value === 'string' && value !== '' ? value : '*'
}
