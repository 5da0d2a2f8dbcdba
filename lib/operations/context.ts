import type { StoreStats } from '@hamicek/noex-store'
import type { TObject, TSchema } from 'typebox'
import type { AuditedOperation } from '../audit/request-audit.js'
import type { AuditTrail } from '../audit/trail.js'
import type { Authenticator } from '../auth/authenticator.js'
import type { Revocations } from '../auth/revocations.js'
import type { ResolvedIdempotency } from '../idempotency/idempotency-options.js'
import type { KeyedRequests } from '../idempotency/keyed-requests.js'
import type { Identity } from '../identity/identity.js'
import type { Charge } from '../limits/request-limiter.js'
import type { Authorizer } from '../permissions/authorizer.js'
import type { Grant } from '../permissions/grant.js'
import type { OperationAccess } from '../permissions/policy.js'
import type { Principal } from '../permissions/principal.js'
import type { RequestMessage } from '../protocol/messages.js'
import type { Origin, Session } from '../protocol/session.js'
import type { SharedStore } from '../store/shared-store.js'
import type { EventSubscriptions } from '../subscriptions/event-subscriptions.js'
import type { LiveQueries } from '../subscriptions/live-queries.js'
import type { QueryRunner } from '../subscriptions/query-runner.js'
import type { QuerySubscriptions } from '../subscriptions/query-subscriptions.js'
import type { RuleService } from '../subscriptions/rule-service.js'
import type { Clock } from '../util/clock.js'
import type { Log } from '../util/log.js'
import type { ServerStats } from './server-info.js'
import type { ConnectionList, OperatorActs, RefusalList } from './server-service.js'

/** The parts of the service that operations work with: the same for every request. */
export interface ServerContext {
  readonly sharedStore: SharedStore
  /** The requests with an `idempotencyKey` that are under way. */
  readonly keyedRequests: KeyedRequests
  readonly idempotency: ResolvedIdempotency
  /** Decides about the steps of procedures, as it does about requests. */
  readonly authorizer: Authorizer
  readonly procedures: ProcedureService
  readonly operations: OperationTable
  readonly liveQueries: LiveQueries
  /** Runs queries, no longer than `queryTimeoutMs`. */
  readonly queries: QueryRunner
  /** The rule engine and the subscriptions to its events; `undefined` where `rules` is not configured. */
  readonly rules: RuleService | undefined
  /** Checks tokens; `undefined` where no tokens are used. */
  readonly authenticator: Authenticator | undefined
  /** The built-in accounts; `undefined` in every other mode. */
  readonly identity: Identity | undefined
  /** The users that may not log in at the moment. */
  readonly revocations: Revocations
  /** `undefined` where `audit` is not configured. */
  readonly trail: AuditTrail | undefined
  readonly clock: Clock
  /** Returns the statistics that a session may see. */
  readonly getStats: (session: Session | undefined) => Promise<ServerStats>
  /** Returns those of the store alone; `null` where it fails to answer. */
  readonly getStoreStats: (session: Session | undefined) => Promise<StoreStats | null>
  readonly connectionList: ConnectionList
  readonly refusals: RefusalList
  readonly acts: OperatorActs
}

/** The client that sent a request, as far as operations use it. */
export interface Client {
  /** Names the client where its runs of queries are bounded. */
  readonly id: string
  readonly origin: Origin
  /** The logger of its connection, or of its HTTP request. */
  readonly log: Log
  /** Aborted when the client has gone. */
  readonly ended: AbortSignal
  /** Whether it has a connection, on which a login lasts and pushes arrive; not so a call. */
  readonly isConnected: boolean
  /** Its subscriptions to live queries; one of a call ends with the first result. */
  readonly subscriptions: Pick<QuerySubscriptions, 'checkQuota' | 'add' | 'remove' | 'announce'>
  /** Its subscriptions to rule events. */
  readonly eventSubscriptions: Pick<EventSubscriptions, 'checkQuota' | 'add' | 'remove'>
  /** The write that is under way for the client: a change of its rights waits for it. */
  writing: Promise<unknown> | undefined
  /**
   * Replaces the client's session; its subscriptions are checked anew. Does nothing once it is closed.
   * `isNotified`: whether the client is told, from now on, when its session ends without its doing.
   */
  logIn: (session: Session, isNotified?: boolean) => void
  /** Makes the client anonymous; its subscriptions are suspended unless an anonymous client may have them. */
  logOut: () => void
}

/** The context in which an operation runs one request. */
export interface OperationContext {
  readonly server: ServerContext
  readonly client: Client
  readonly grant: Grant
}

/** The principal on whose behalf the steps of a request are made, and the authorizer that decides. */
export interface StepRights {
  readonly authorizer: Authorizer
  readonly principal: Principal
}

/** One operation of the protocol: everything that the server knows about it. */
export interface Operation extends OperationAccess, AuditedOperation {
  /** The request's fields; unknown members are ignored. */
  readonly request: TObject
  /** Whether it works on the store alone; then a change of rights waits for its writes. */
  readonly usesStore: boolean
  /**
   * Whether it changes something, and resolves when that is durable, with a result that shows no other state
   * of the store.
   */
  readonly isChange: boolean
  /** Returns the charges of a request, where they are not one of its own; works on unchecked input. */
  readonly chargesOf: ((request: RequestMessage) => readonly Charge[]) | undefined
  /** Refuses a request before its fields are checked. PROTOCOL.md, "Request pipeline". */
  readonly guard: ((client: Client) => void) | undefined
  /** Checks the fields. @throws `VALIDATION_ERROR` naming the first wrong one */
  readonly validate: (request: RequestMessage) => void
  /** Whether a request may have an `idempotencyKey`, and `revision`. PROTOCOL.md, "Idempotency keys". */
  readonly takesKey: boolean
  /** Names of members that are no part of the digest of a request: one could guess a password by it. */
  readonly secrets: readonly string[]
  /** Executes a request; resolves with the reply's `data`, in which `undefined` is sent as `null`. */
  readonly run: (context: OperationContext, request: RequestMessage) => Promise<unknown>
  /** Returns the reply's `data` for the value that the one commit of `run` resolves with. */
  readonly reply: (result: unknown) => unknown
  /** Returns the rights that the steps of a request have. */
  readonly rightsOfSteps: (request: RequestMessage, context: OperationContext) => StepRights
}

/** An operation of the application. */
export interface OwnOperation extends Operation {
  /** The shape of its results; `undefined` where it says none. */
  readonly output: TSchema | undefined
  /** Whether the resources depend on the request: then they may be records. */
  readonly hasComputedResources: boolean
  /** Does `run`; `outer` is the call of another operation of the application that it is a part of. */
  readonly runWithin: (
    context: OperationContext, request: RequestMessage, outer?: OuterCall
  ) => Promise<unknown>
}

/** A call of an operation of the application, as the operations that it calls see it. */
export interface OuterCall {
  /** The number of such calls around each other, itself included. */
  readonly depth: number
  /** Aborted when it is over. */
  readonly signal: AbortSignal
  /** The grants of operations that have read something for it. */
  readonly read: Grant[]
  /** The request as its commit remembers it, with the rights of what it calls; `undefined` without a key. */
  readonly idempotency: Grant['idempotency']
}

/** The operations of a service, as operations themselves use them. */
export interface OperationTable {
  find: (type: string) => Operation | undefined
  values: () => Iterable<Operation>
  /** Those of the application. */
  readonly own: readonly OwnOperation[]
}

/** Stored procedures. PROTOCOL.md, "Procedures". */
export interface ProcedureService {
  /**
   * Registers a procedure; the user of the request owns it. Returns its name.
   * @throws `VALIDATION_ERROR` with `{ issues }`, `FORBIDDEN` for a step on a system bucket,
   * `ALREADY_EXISTS`, `RATE_LIMITED`
   */
  register: (definition: unknown, grant: Grant) => Promise<string>
  /**
   * Lays `updates` over a definition; the name stays.
   * @throws `NOT_FOUND`, `VALIDATION_ERROR` with `{ issues }`, `FORBIDDEN`
   */
  update: (name: string, updates: Readonly<Record<string, unknown>>, grant: Grant) => Promise<void>
  /** @throws `NOT_FOUND`, `FORBIDDEN` */
  unregister: (name: string, grant: Grant) => Promise<void>
  /** @throws `NOT_FOUND` */
  get: (name: string) => { readonly procedure: { readonly definition: object } }
  list: () => ListedProcedure[]
  /** Runs a procedure. @throws `NOT_FOUND`, `VALIDATION_ERROR`, `FORBIDDEN`, and the errors of its steps */
  call: (
    name: string,
    input: Readonly<Record<string, unknown>>,
    context: OperationContext
  ) => Promise<unknown>
  /** Returns the rights that the steps of a procedure have. @throws `NOT_FOUND`, `FORBIDDEN` */
  rightsOf: (name: string, context: OperationContext) => StepRights
}

/** A procedure in the list of all. */
export interface ListedProcedure {
  readonly name: string
  readonly description?: string
  /** The number of steps at the top level. */
  readonly stepsCount: number
}
