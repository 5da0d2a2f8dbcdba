import type { BucketDefinition, BucketSchemaUpdate, DeclarativeQueryConfig } from '@hamicek/noex-store/types'
import type { Call } from './bucket-types.js'
import type { ConnectionQuery, ConnectionState, Refusal, ServerConnection } from './operator-values.js'
import type {
  Access, AccessSubject, Account, AccountChanges, AccountLogin, AuditFilter, AuditedRequest, Fact, LoggedIn,
  Resource, Role, RolePermission, RuleEvent, Whoami
} from './server-values.js'

/** The member that a request may have which changes something. */
export interface Keyed {
  /** Names the request, so that it is done once. With `retry` the client gives it one. */
  readonly idempotencyKey?: string
}

interface OfUser { readonly userId: string }
interface OfConnection { readonly connectionId: string }
interface OfRole { readonly roleId: string }
interface OfRule { readonly ruleId: string }
interface Named { readonly name: string }
/** No members. */
type None = Readonly<Record<string, never>>

/** The operations that change something, besides those on buckets. */
interface Changes {
  'store.defineBucket': Call<
    Named & { readonly config: BucketDefinition }, Named & { readonly created: true }
  >
  'store.updateBucket': Call<
    Named & { readonly updates: BucketSchemaUpdate }, Named & { readonly updated: true }
  >
  'store.dropBucket': Call<Named, Named & { readonly dropped: true }>
  'store.defineQuery': Call<
    Named & { readonly config: DeclarativeQueryConfig }, Named & { readonly defined: true }
  >
  'store.undefineQuery': Call<Named, Named & { readonly undefined: true }>
  'rules.emit': Call<
    {
      readonly topic: string
      readonly data?: object | null | undefined
      readonly correlationId?: string | null | undefined
      readonly causationId?: string | null | undefined
    },
    RuleEvent
  >
  'rules.setFact': Call<{ readonly key: string, readonly value: unknown }, Fact>
  'rules.deleteFact': Call<{ readonly key: string }, { readonly deleted: boolean }>
  'rules.registerRule': Call<{ readonly rule: object }, any>
  'rules.updateRule': Call<OfRule & { readonly updates: object }, any>
  'rules.enableRule': Call<OfRule, OfRule & { readonly enabled: boolean }>
  'rules.disableRule': Call<OfRule, OfRule & { readonly enabled: boolean }>
  'rules.unregisterRule': Call<OfRule, OfRule & { readonly unregistered: true }>
  'procedures.register': Call<{ readonly procedure: object }, Named & { readonly registered: true }>
  'procedures.update': Call<Named & { readonly updates: object }, Named & { readonly updated: true }>
  'procedures.unregister': Call<Named, Named & { readonly unregistered: true }>
  'server.close': Call<OfConnection & { readonly reason?: string }, { readonly closed: boolean }>
  'server.revoke': Call<
    { readonly userId?: string, readonly role?: string },
    { readonly sessions: number, readonly connections: number }
  >
  'server.drain': Call<{ readonly graceMs?: number }, { readonly draining: true }>
  'identity.createUser': Call<
    AccountChanges & { readonly username: string, readonly password: string, readonly enabled?: boolean },
    Account
  >
  'identity.updateUser': Call<OfUser & AccountChanges, Account>
  'identity.deleteUser': Call<OfUser, { readonly deleted: true }>
  'identity.enableUser': Call<OfUser, Account>
  'identity.disableUser': Call<OfUser, Account>
  'identity.resetPassword': Call<OfUser & { readonly newPassword: string }, { readonly reset: true }>
  'identity.createRole': Call<
    Named & { readonly description?: string, readonly permissions?: readonly RolePermission[] }, Role
  >
  'identity.updateRole': Call<
    OfRole & { readonly description?: string, readonly permissions?: readonly RolePermission[] }, Role
  >
  'identity.deleteRole': Call<OfRole, { readonly deleted: true }>
  'identity.assignRole': Call<OfUser & { readonly roleName: string }, { readonly assigned: true }>
  'identity.removeRole': Call<OfUser & { readonly roleName: string }, { readonly removed: true }>
  'identity.grant': Call<
    AccessSubject & { readonly operations: readonly Access[] }, { readonly granted: true }
  >
  'identity.revoke': Call<
    AccessSubject & { readonly operations?: readonly Access[] }, { readonly revoked: true }
  >
  'identity.transferOwner': Call<Resource & { readonly newOwnerId: string }, { readonly transferred: true }>
}

/** The operations that change no data. */
interface Reads {
  'store.buckets': Call<None, { readonly count: number, readonly names: readonly string[] }>
  'store.stats': Call<None, any>
  'store.getBucketSchema': Call<Named, Named & { readonly config: BucketDefinition }>
  'store.listQueries': Call<None, { readonly queries: readonly any[] }>
  'rules.getFact': Call<{ readonly key: string }, any>
  'rules.queryFacts': Call<{ readonly pattern: string }, Fact[]>
  'rules.getAllFacts': Call<None, Fact[]>
  'rules.stats': Call<None, any>
  'rules.getRule': Call<OfRule, any>
  'rules.getRules': Call<None, { readonly rules: readonly any[] }>
  'rules.validateRule': Call<
    { readonly rule: object },
    { readonly valid: boolean, readonly errors: readonly any[], readonly warnings: readonly any[] }
  >
  'procedures.get': Call<Named, any>
  'procedures.list': Call<None, { readonly procedures: readonly any[] }>
  'server.stats': Call<None, any>
  'server.connections': Call<ConnectionQuery, any>
  'server.connection': Call<OfConnection, ServerConnection & ConnectionState>
  'server.refusals': Call<{ readonly limit?: number }, { readonly refusals: readonly Refusal[] }>
  'server.queries': Call<
    { readonly filter?: string, readonly limit?: number, readonly after?: string },
    { readonly queries: readonly any[], readonly more: boolean, readonly total: number }
  >
  'audit.query': Call<AuditFilter, { readonly entries: readonly AuditedRequest[] }>
  'auth.login': Call<{ readonly token: string }, LoggedIn>
  'auth.whoami': Call<None, Whoami>
  'auth.logout': Call<None, { readonly loggedOut: true }>
  'identity.login': Call<{ readonly username: string, readonly password: string }, AccountLogin>
  'identity.loginWithSecret': Call<{ readonly secret: string }, AccountLogin>
  'identity.whoami': Call<None, Whoami>
  'identity.refreshSession': Call<None, AccountLogin>
  'identity.changePassword': Call<
    OfUser & { readonly currentPassword: string, readonly newPassword: string }, { readonly changed: true }
  >
  'identity.logout': Call<None, { readonly loggedOut: true }>
  'identity.getUser': Call<OfUser, Account>
  'identity.listUsers': Call<
    { readonly page?: number, readonly pageSize?: number },
    {
      readonly users: readonly Account[]
      readonly total: number
      readonly page: number
      readonly pageSize: number
    }
  >
  'identity.listRoles': Call<None, { readonly roles: readonly Role[] }>
  'identity.getUserRoles': Call<OfUser, { readonly roles: readonly Role[] }>
  'identity.getAcl': Call<
    Resource,
    {
      readonly entries: ReadonlyArray<Pick<AccessSubject, 'subjectType' | 'subjectId'> & {
        readonly subjectName: string
        readonly operations: readonly Access[]
        readonly isOwner: boolean
      }>
    }
  >
  'identity.getOwner': Call<Resource, { readonly owner: any }>
  'identity.myAccess': Call<None, any>
}

type KeyedChanges = { [O in keyof Changes]: Call<Keyed & Changes[O]['input'], Changes[O]['output']> }

/** The operations besides those on buckets, queries, procedures and transactions. */
export interface ServerOperations extends Reads, KeyedChanges {}
