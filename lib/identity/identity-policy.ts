import type { WhereFilter } from '@hamicek/noex-store'
import {
  scopeOfBucket, type Policy, type QueryFacts, type Scope, type ResourceAccess
} from '../permissions/policy.js'
import { Permission, ruleProblem } from '../permissions/permission.js'
import { includesTier, tierOf } from '../permissions/rule-policy.js'
import type { Session } from '../protocol/session.js'
import type { Directory } from './directory.js'
import type { AccessClass, AclEntry, Resource, ResourceType, Role } from './records.js'
import type { RowAccess } from '../store/row-scope.js'

/** For each class of access, an operation that it allows. */
const operationsOf: Readonly<Record<ResourceType, Readonly<Record<AccessClass, string>>>> = {
  bucket: { read: 'store.all', write: 'store.insert', admin: 'store.updateBucket' },
  query: { read: 'store.subscribe', write: 'store.subscribe', admin: 'store.undefineQuery' },
  topic: { read: 'rules.subscribe', write: 'rules.emit', admin: 'rules.registerRule' },
  procedure: { read: 'procedures.get', write: 'procedures.call', admin: 'procedures.update' }
}

/** The rights of a user at one moment. */
interface Rights {
  readonly isSuperadmin: boolean
  readonly session: Pick<Session, 'userId' | 'roles'>
  readonly permissions: readonly Permission[]
  /** Operations of the access lists of the user and its roles, by resource. */
  readonly acl: ReadonlyMap<string, ReadonlySet<string>>
  readonly owned: ReadonlySet<string>
  /** Equal for users who may read the same. */
  readonly key: string
}

/**
 * Decides for the built-in identity: by access lists, by ownership, then by the permissions of roles; the
 * first that allows a request decides. PROTOCOL.md, "Permissions of users".
 */
export class IdentityPolicy implements Policy {
  readonly isVolatile = false
  readonly #directory: Directory
  readonly #factsOf: (query: string) => QueryFacts
  readonly #ownOperations: ReadonlySet<string>
  readonly #rights = new Map<string, Rights>()
  readonly #compiled = new WeakMap<Role, readonly Permission[]>()

  /** Stops listening to changes of the directory. */
  readonly close: () => void

  /** `factsOf` returns the bucket that a query reads; `ownOperations` are the names of the application's. */
  constructor (
    directory: Directory, factsOf: (query: string) => QueryFacts,
    ownOperations: ReadonlySet<string> = new Set()
  ) {
    this.#ownOperations = ownOperations
    this.#directory = directory
    this.#factsOf = factsOf
    this.close = directory.onChange(({ rights }) => { if (rights) this.#rights.clear() })
  }

  /** Returns `true`: roles have permissions here, and no tier of their own. */
  admits (): boolean {
    return true
  }

  decide (session: Session | undefined, resource: ResourceAccess): RowAccess {
    if (session === undefined) return false
    const rights = this.#rightsOf(session.userId)
    return this.#decide(rights, resource)
  }

  scope (session: Session | undefined, operation: string, query: QueryFacts): Scope {
    if (session === undefined) return { key: 'none', rows: () => false }
    const rights = this.#rightsOf(session.userId)
    const granted = this.#grantedBy(rights, query.name)
    const rows = (bucket: string): RowAccess =>
      rights.isSuperadmin || either(readable(rights, operation, query.name, bucket), granted.rows(bucket))
    return query.bucket === undefined
      ? { key: JSON.stringify([rights.key, granted.key]), rows }
      : scopeOfBucket(query.bucket, rows(query.bucket))
  }

  /** Returns whether a session may do everything that a role allows. */
  covers ({ userId }: Session, role: Role): boolean {
    const { isSuperadmin, permissions } = this.#rightsOf(userId)
    return (
      isSuperadmin ||
      role.permissions.every(
        entry => ruleProblem(entry) !== undefined || permissions.some(permission => permission.covers(entry))
      )
    )
  }

  /** Returns whether a session has access of this class to a resource. */
  allows (session: Session, { resourceType, resourceName }: Resource, accessClass: AccessClass): boolean {
    const operation = operationsOf[resourceType][accessClass]
    return (
      this.decide(session, {
        operation,
        tier: accessClass,
        type: resourceType,
        name: resourceName,
        records: false
      }) === true
    )
  }

  #decide (rights: Rights, resource: ResourceAccess): RowAccess {
    if (rights.isSuperadmin || this.#isInTier(rights, resource)) return true
    const source =
      resource.type === 'query' ? (resource.source ?? this.#factsOf(resource.name).bucket) : undefined
    if (isListed(rights, resource.type, resource.name, resource.tier)) return true
    // Access to the bucket of a declarative query includes the query.
    if (
      resource.type === 'query' &&
      resource.records &&
      source !== undefined &&
      isListed(rights, 'bucket', source, resource.tier)
    ) {
      return true
    }
    const fitting = rights.permissions.filter(permission => permission.allows(resource, source))
    return resource.type === 'query' ? fitting.length > 0 : union(fitting, rights)
  }

  /** Whether it is an operation of the application that a system role of the user reaches by its name. */
  #isInTier ({ session }: Rights, { operation, tier }: ResourceAccess): boolean {
    if (tier === undefined || !this.#ownOperations.has(operation)) return false
    const own = tierOf(session.roles)
    return own !== undefined && includesTier(own, tier)
  }

  /**
   * Returns the records that a user may read because it has access to the query itself: those that the
   * application's query reads, or those that the owner of a client's query may read.
   */
  #grantedBy (rights: Rights, query: string): Scope {
    if (!isListed(rights, 'query', query, 'read')) return { key: '', rows: () => false }
    // Queries of the application are trusted.
    if (!this.#directory.isClientQuery(query)) return { key: 'application', rows: () => true }
    const owner = this.#directory.owner({ resourceType: 'query', resourceName: query })
    if (owner === undefined) return { key: '', rows: () => false }
    const ownerRights = this.#rightsOf(owner.userId)
    return {
      key: `owner ${ownerRights.key}`,
      rows: bucket =>
        ownerRights.isSuperadmin ||
        either(
          isListed(ownerRights, 'bucket', bucket, 'read'),
          readable(ownerRights, 'store.where', query, bucket)
        )
    }
  }

  #rightsOf (userId: string): Rights {
    let rights = this.#rights.get(userId)
    if (rights === undefined) this.#rights.set(userId, rights = this.#collect(userId))
    return rights
  }

  #collect (userId: string): Rights {
    const directory = this.#directory
    const roles = directory.rolesOf(userId)
    const session = { userId, roles: directory.roleNamesOf(userId) }
    const acl = combined(directory.aclOf(userId))
    const owned = new Set(
      directory.ownedBy(userId).map(({ resourceType, resourceName }) => resource(resourceType, resourceName))
    )
    const permissions = roles.flatMap(role => this.#permissionsOf(role))
    const isPersonal = permissions.some(({ where }) => where?.isPersonal)
    return {
      isSuperadmin: session.roles.includes('superadmin'),
      session,
      permissions,
      acl,
      owned,
      key: JSON.stringify([
        roles.map(({ id, _version }) => `${id}@${_version}`).sort(),
        [...acl].map(([name, operations]) => [name, ...operations].join(' ')).sort(),
        [...owned].sort(),
        isPersonal ? userId : ''
      ])
    }
  }

  /**
   * Returns the permissions of a role. Invalid entries, which the application may have stored, allow nothing.
   */
  #permissionsOf (role: Role): readonly Permission[] {
    let permissions = this.#compiled.get(role)
    if (permissions === undefined) {
      this.#compiled.set(
        role,
        (permissions = role.permissions
          .filter(entry => ruleProblem(entry) === undefined)
          .map(entry => new Permission(entry)))
      )
    }
    return permissions
  }
}

/** Returns the records of a bucket that a user may read through a query by rights to the bucket. */
function readable (rights: Rights, operation: string, query: string, bucket: string): RowAccess {
  if (isListed(rights, 'bucket', bucket, 'read')) return true
  const ofBucket = rights.permissions.filter(permission => permission.allowsReading(operation, bucket))
  if (ofBucket.length > 0) return union(ofBucket, rights)
  return union(rights.permissions.filter(permission => permission.names(operation, query)), rights)
}

/**
 * Returns whether an access list or ownership allows the operation. Access classes do not include each other.
 */
function isListed (rights: Rights, type: string, name: string, operation: string | undefined): boolean {
  if (name === '*' || operation === undefined) return false
  const key = resource(type, name)
  return rights.acl.get(key)?.has(operation) === true || rights.owned.has(key)
}

function resource (type: string, name: string): string {
  return `${type} ${name}`
}

function combined (entries: readonly AclEntry[]): ReadonlyMap<string, ReadonlySet<string>> {
  const acl = new Map<string, Set<string>>()
  for (const { resourceType, resourceName, operations } of entries) {
    const key = resource(resourceType, resourceName)
    acl.set(key, new Set([...acl.get(key) ?? [], ...operations]))
  }
  return acl
}

/** Returns the records that any of the permissions allows: roles add up. */
function union (permissions: readonly Permission[], { session }: Rights): RowAccess {
  return permissions
    .map(permission => (permission.where === undefined ? true : permission.where.for(session)))
    .reduce<RowAccess>(either, false)
}

function either (a: RowAccess, b: RowAccess): RowAccess {
  if (a === true || b === true) return true
  if (a === false) return b
  return b === false ? a : { $or: [a, b] } as WhereFilter
}
