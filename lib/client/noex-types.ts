import type { NoexClientError } from './errors.js'
import type {
  Access, AccessSubject, Account, AccountChanges, AccountLogin, AuditedRequest, AuditFilter, Fact, LoggedIn,
  Resource, Role, RolePermission, RuleEvent, Whoami
} from './server-values.js'
import type { Credentials, RequestOptions, WebSocketClass } from './types.js'

/** The options of `NoexClient`. Times are in milliseconds. */
export interface NoexClientOptions {
  /** Logs in on each connection to a server that wants it, by a token or by a name and a password. */
  readonly auth?: { readonly token?: string, readonly credentials?: Credentials }
  /** Whether a connection that was lost is made again, and when. @default true */
  readonly reconnect?: boolean | ReconnectOptions
  /** Time for a reply. @default 10000 */
  readonly requestTimeoutMs?: number
  /** Time to connect, up to the welcome. @default 5000 */
  readonly connectTimeoutMs?: number
  /** The class of WebSockets. @default the global one */
  readonly WebSocket?: WebSocketClass
  /** Whether a connection on which nothing comes is tested, and made anew when it is dead. @default true */
  readonly heartbeat?: boolean
}

/** The delays of a client that reconnects: the first, times the multiplier each, and a random part. */
export interface ReconnectOptions {
  /** @default Infinity */
  readonly maxRetries?: number
  /** @default 1000 */
  readonly initialDelayMs?: number
  /** @default 30000 */
  readonly maxDelayMs?: number
  /** @default 2 */
  readonly backoffMultiplier?: number
  /** Most of the random part. @default 500 */
  readonly jitterMs?: number
}

/** The state of a `NoexClient`. */
export type NoexClientState = 'connecting' | 'connected' | 'reconnecting' | 'disconnected'

/** The welcome of a server. */
export interface WelcomeInfo {
  readonly version: string
  /** Epoch milliseconds. */
  readonly serverTime: number
  readonly requiresAuth: boolean
}

/** The events of a `NoexClient`, with the arguments of their handlers. */
export interface NoexClientEvents {
  /** The first connection, and each after `disconnect`, can be used. */
  connected: []
  disconnected: [reason: string]
  reconnecting: [attempt: number]
  /** A lost connection is there again: logged in, with all subscriptions. */
  reconnected: []
  /** Something has failed that has no caller: a reconnect, its login, a subscription. */
  error: [error: NoexClientError]
  welcome: [info: WelcomeInfo]
  session_revoked: [reason: string]
}

/** An entry of the result of a transaction. */
export interface TransactionResult {
  readonly index: number
  readonly data: any
}

/** Ends a subscription. */
export type Unsubscribe = () => void

/** Sends the request of an operation. */
export type RequestFunction =
  <T = any>(type: string, members?: object, options?: RequestOptions) => Promise<T>

type Row<T> = T & { readonly _version: number, readonly _createdAt: number, readonly _updatedAt: number }
type Filter = Readonly<Record<string, unknown>>
type Key = string | number | boolean
interface Page<T> {
  readonly records: Array<Row<T>>
  readonly hasMore: boolean
  readonly nextCursor?: Key
}
interface Version { readonly expectedVersion?: number }

/** The operations on one bucket. */
export interface NoexBucket<T = any> {
  insert: (data: object) => Promise<Row<T>>
  insertMany: (data: readonly object[]) => Promise<Array<Row<T>>>
  upsert: (data: object, options?: Version) => Promise<Row<T>>
  get: (key: Key) => Promise<Row<T> | null>
  update: (key: Key, data: object, options?: Version) => Promise<Row<T>>
  increment: (key: Key, field: string, by: number, options?: Version) => Promise<Row<T>>
  updateMany: (filter: Filter, data: object) => Promise<number>
  delete: (key: Key, options?: Version) => Promise<{ readonly deleted: true }>
  deleteMany: (filter: Filter) => Promise<number>
  clear: () => Promise<{ readonly cleared: true }>
  all: () => Promise<Array<Row<T>>>
  where: (filter: Filter, limit?: number) => Promise<Array<Row<T>>>
  findOne: (filter: Filter) => Promise<Row<T> | null>
  count: (filter?: Filter) => Promise<number>
  first: (n: number, filter?: Filter) => Promise<Array<Row<T>>>
  last: (n: number, filter?: Filter) => Promise<Array<Row<T>>>
  paginate: (
    page: { readonly limit: number, readonly after?: Key | null, readonly filter?: Filter }
  ) => Promise<Page<T>>
  sum: (field: string, filter?: Filter) => Promise<number>
  avg: (field: string, filter?: Filter) => Promise<number>
  min: (field: string, filter?: Filter) => Promise<number | null>
  max: (field: string, filter?: Filter) => Promise<number | null>
  groupBy: (field: string | readonly string[], aggregate: object, filter?: Filter) =>
  Promise<Array<{ readonly key: Record<string, any>, readonly value: number }>>
}

/** The operations on the store. */
export interface NoexStore {
  /** Returns the operations on a bucket; sends nothing. */
  bucket: <T = any>(name: string) => NoexBucket<T>
  /**
   * Calls `callback` with the result of a query at once, after each change, and again after each reconnect.
   * Resolves with the function that ends that.
   */
  subscribe: {
    <T = any>(query: string, callback: (data: T) => void): Promise<Unsubscribe>
    <T = any>(query: string, params: object | undefined, callback: (data: T) => void): Promise<Unsubscribe>
  }
  /** Ends the subscription that the server has given this id. */
  unsubscribe: (subscriptionId: string) => Promise<void>
  query: <T = any>(query: string, params?: object) => Promise<T>
  /** Runs reads and writes in one step. Resolves with their results, which also are the member `results`. */
  transaction: (operations: readonly object[]) =>
  Promise<TransactionResult[] & { readonly results: readonly TransactionResult[] }>
  buckets: () => Promise<{ readonly count: number, readonly names: readonly string[] }>
  stats: () => Promise<any>
  defineBucket: (name: string, config: object) => Promise<any>
  updateBucket: (name: string, updates: object) => Promise<any>
  dropBucket: (name: string) => Promise<any>
  getBucketSchema: (name: string) => Promise<any>
  defineQuery: (name: string, config: object) => Promise<any>
  undefineQuery: (name: string) => Promise<any>
  listQueries: () => Promise<any[]>
}

/** The operations on rules, events and facts. */
export interface NoexRules {
  emit: (topic: string, data?: object, correlationId?: string, causationId?: string) => Promise<RuleEvent>
  setFact: <T = any>(key: string, value: T) => Promise<Fact<T>>
  getFact: <T = any>(key: string) => Promise<T | null>
  deleteFact: (key: string) => Promise<boolean>
  queryFacts: (pattern: string) => Promise<Fact[]>
  getAllFacts: () => Promise<Fact[]>
  /** Calls `callback` with each event whose topic matches, also after a reconnect. */
  subscribe: (pattern: string, callback: (event: RuleEvent, topic: string) => void) => Promise<Unsubscribe>
  unsubscribe: (subscriptionId: string) => Promise<void>
  stats: () => Promise<any>
  registerRule: (rule: object) => Promise<any>
  updateRule: (ruleId: string, updates: object) => Promise<any>
  enableRule: (ruleId: string) => Promise<any>
  disableRule: (ruleId: string) => Promise<any>
  unregisterRule: (ruleId: string) => Promise<any>
  getRule: (ruleId: string) => Promise<any>
  getRules: () => Promise<{ readonly rules: readonly any[] }>
  validateRule: (rule: object) => Promise<any>
}

/** The session of the connection. */
export interface NoexAuth {
  /** Logs in; later connections use the same token. */
  login: (token: string) => Promise<LoggedIn>
  /** Resolves with `null` where no user is logged in. */
  whoami: () => Promise<Whoami | null>
  /** Logs out; later connections do not log in. */
  logout: () => Promise<{ readonly loggedOut: true }>
}

/** The members of the result of `identity.listUsers`. */
interface AccountPage {
  readonly users: readonly Account[]
  readonly total: number
  readonly page: number
  readonly pageSize: number
}

interface RoleInput {
  readonly description?: string
  readonly permissions?: readonly RolePermission[]
}

/** The operations on accounts, roles and access. */
export interface NoexIdentity {
  login: (username: string, password: string) => Promise<AccountLogin>
  loginWithSecret: (secret: string) => Promise<AccountLogin>
  logout: () => Promise<{ readonly loggedOut: true }>
  whoami: () => Promise<Whoami | null>
  refreshSession: () => Promise<AccountLogin>
  changePassword: (userId: string, currentPassword: string, newPassword: string) => Promise<any>
  createUser: (
    account: AccountChanges & {
      readonly username: string, readonly password: string, readonly enabled?: boolean
    }
  ) => Promise<Account>
  getUser: (userId: string) => Promise<Account>
  updateUser: (userId: string, changes: AccountChanges) => Promise<Account>
  deleteUser: (userId: string) => Promise<any>
  listUsers: (page?: { readonly page?: number, readonly pageSize?: number }) => Promise<AccountPage>
  enableUser: (userId: string) => Promise<Account>
  disableUser: (userId: string) => Promise<Account>
  resetPassword: (userId: string, newPassword: string) => Promise<any>
  createRole: (role: RoleInput & { readonly name: string }) => Promise<Role>
  updateRole: (roleId: string, changes: RoleInput) => Promise<Role>
  deleteRole: (roleId: string) => Promise<any>
  listRoles: () => Promise<readonly Role[]>
  assignRole: (userId: string, roleName: string) => Promise<any>
  removeRole: (userId: string, roleName: string) => Promise<any>
  getUserRoles: (userId: string) => Promise<readonly Role[]>
  grant: (access: AccessSubject & { readonly operations: readonly Access[] }) => Promise<any>
  revoke: (access: AccessSubject & { readonly operations?: readonly Access[] }) => Promise<any>
  getAcl: (resourceType: Resource['resourceType'], resourceName: string) => Promise<readonly any[]>
  myAccess: () => Promise<any>
  getOwner: (resourceType: Resource['resourceType'], resourceName: string) => Promise<any>
  transferOwner: (
    resourceType: Resource['resourceType'], resourceName: string, newOwnerId: string
  ) => Promise<any>
}

/** The operations on procedures. */
export interface NoexProcedures {
  register: (procedure: object) => Promise<any>
  update: (name: string, updates: object) => Promise<any>
  get: (name: string) => Promise<any>
  list: () => Promise<readonly any[]>
  call: <T = any>(name: string, input?: object) => Promise<{
    readonly success: true, readonly result?: T, readonly results: Readonly<Record<string, any>>
  }>
  unregister: (name: string) => Promise<any>
}

/** The audit trail. */
export interface NoexAudit {
  query: (filter?: AuditFilter) => Promise<readonly AuditedRequest[]>
}

/** The server itself. */
export interface NoexServerInfo {
  stats: () => Promise<any>
  connections: () => Promise<any[]>
}
