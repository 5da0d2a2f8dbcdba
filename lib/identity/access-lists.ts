import type { Session } from '../protocol/session.js'
import { invalid, NoexServerError, NothingNamedError } from '../protocol/errors.js'
import { causeOf, isAdmin, isSuperadmin, requireUser, sessionOf, type Actor } from './authority.js'
import type { NoteOf } from '../store/row-scope.js'
import type { Directory } from './directory.js'
import type { IdentityPolicy } from './identity-policy.js'
import {
  accessClasses,
  resourceTypes,
  type AccessClass,
  type Resource,
  type ResourceType
} from './records.js'
import { SUPERADMIN_ID } from './system-roles.js'

/**
 * Characters of the name of a resource with an access list.
 * @limit `VALIDATION_ERROR`
 */
const MAX_NAME_CHARS = 256

/**
 * Entries of one access list.
 * @limit `VALIDATION_ERROR`
 */
const MAX_ENTRIES = 1_000

/** Whom access is given to or taken from. */
export interface Subject {
  readonly subjectType: string
  readonly subjectId: string
}

/** A resource as a client names it. */
export interface NamedResource {
  readonly resourceType: string
  readonly resourceName: string
}

/** One line of an access list, as clients see it. */
export interface AccessLine extends Subject {
  readonly subjectName: string
  readonly operations: readonly AccessClass[]
  readonly isOwner: boolean
}

/** A resource that somebody can reach. */
export interface AccessibleResource extends Resource {
  readonly operations: readonly AccessClass[]
  readonly isOwner: boolean
}

/** Who may do what to a single resource, and whose it is. */
export class AccessLists {
  readonly #directory: Directory
  readonly #policy: Pick<IdentityPolicy, 'reaches'>

  constructor (directory: Directory, policy: Pick<IdentityPolicy, 'reaches'>) {
    this.#directory = directory
    this.#policy = policy
  }

  /** Adds to what a subject may do. @throws `VALIDATION_ERROR`, `NOT_FOUND`, `FORBIDDEN` */
  async grant (actor: Actor, subject: Subject, named: NamedResource, operations: unknown): Promise<void> {
    const classes = checkClasses(operations)
    if (classes.length === 0) throw invalid('operations', 'must name at least one of read, write, admin')
    const resource = checkResource(named)
    await this.#directory.exclusive(async () => {
      const session = sessionOf(actor)
      this.#checkSubject(subject)
      this.#requireControl(session, resource)
      this.#requireLevel(session, resource, classes)
      const entry = this.#directory.aclEntry(resource, subject.subjectType, subject.subjectId)
      if (entry !== undefined) {
        const union = [...new Set([...entry.operations, ...classes])]
        const update = { bucket: '_acl', update: entry.id, changes: { operations: union } } as const
        await this.#directory.write([update], causeOf(actor, session))
        return
      }
      if (this.#directory.acl(resource).length >= MAX_ENTRIES) {
        throw invalid('resourceName', `has ${MAX_ENTRIES} entries already: give a role to those users instead`)
      }
      const { subjectType, subjectId } = subject
      const { userId } = session
      const insert = { subjectType, subjectId, ...resource, operations: classes, grantedBy: userId }
      await this.#directory.write([{ bucket: '_acl', insert }], causeOf(actor, session))
    })
  }

  /**
   * Takes away what a subject may do: these operations, or all. @throws `VALIDATION_ERROR`, `NOT_FOUND`,
   * `FORBIDDEN`
   */
  async revoke (actor: Actor, subject: Subject, named: NamedResource, operations: unknown): Promise<void> {
    const classes = checkClasses(operations ?? [])
    const resource = checkResource(named)
    await this.#directory.exclusive(async () => {
      const session = sessionOf(actor)
      this.#requireControl(session, resource)
      const entry = this.#directory.aclEntry(resource, subject.subjectType, subject.subjectId)
      if (entry === undefined) throw new NoexServerError('NOT_FOUND', 'There is no such entry')
      const left =
        classes.length === 0 ? [] : entry.operations.filter(operation => !classes.includes(operation))
      await this.#directory.write([left.length === 0
        ? { bucket: '_acl', delete: entry.id }
        : { bucket: '_acl', update: entry.id, changes: { operations: left } }], causeOf(actor, session))
    })
  }

  /**
   * The access list of a resource; an owner without an entry comes first. @throws `VALIDATION_ERROR`,
   * `FORBIDDEN`
   */
  list (session: Session, named: NamedResource): AccessLine[] {
    const resource = checkResource(named)
    this.#requireSight(session, resource)
    const owner = this.#directory.owner(resource)?.userId
    const lines = this.#directory.acl(resource).map(({ subjectType, subjectId, operations }) => ({
      subjectType,
      subjectId,
      subjectName: this.#nameOf(subjectType, subjectId),
      operations,
      isOwner: subjectType === 'user' && subjectId === owner
    }))
    if (owner === undefined || lines.some(({ isOwner }) => isOwner)) return lines
    return [
      {
        subjectType: 'user',
        subjectId: owner,
        subjectName: this.#nameOf('user', owner),
        operations: [],
        isOwner: true
      },
      ...lines
    ]
  }

  /** What somebody can reach by access lists and ownership. */
  accessOf (userId: string): AccessibleResource[] {
    const found = new Map<
      string,
      { readonly resource: Resource, readonly operations: Set<AccessClass>, isOwner: boolean }
    >()
    const at = (resource: Resource) => {
      const key = `${resource.resourceType} ${resource.resourceName}`
      const entry = found.get(key) ?? { resource, operations: new Set<AccessClass>(), isOwner: false }
      found.set(key, entry)
      return entry
    }
    for (const entry of this.#directory.aclOf(userId)) {
      for (const operation of entry.operations) at(entry).operations.add(operation)
    }
    for (const ownership of this.#directory.ownedBy(userId)) {
      const entry = at(ownership)
      entry.isOwner = true
      for (const operation of accessClasses) entry.operations.add(operation)
    }
    return [...found.values()].map(({ resource: { resourceType, resourceName }, operations, isOwner }) =>
      ({ resourceType, resourceName, operations: [...operations].sort(), isOwner }))
  }

  /** @throws `VALIDATION_ERROR`, `FORBIDDEN` */
  owner (
    session: Session,
    named: NamedResource
  ): ({ readonly userId: string, readonly username: string } & Resource) | null {
    const resource = checkResource(named)
    this.#requireSight(session, resource)
    const owner = this.#directory.owner(resource)
    return owner === undefined
      ? null
      : { userId: owner.userId, username: this.#nameOf('user', owner.userId), ...resource }
  }

  /** @throws `VALIDATION_ERROR`, `NOT_FOUND`, `FORBIDDEN` */
  async transfer (actor: Actor, named: NamedResource, newOwnerId: string): Promise<void> {
    const resource = checkResource(named)
    await this.#directory.exclusive(async () => {
      const session = sessionOf(actor)
      const owner = this.#directory.owner(resource)
      if (owner === undefined) throw new NoexServerError('NOT_FOUND', 'The resource has no owner')
      if (owner.userId !== session.userId && !isSuperadmin(session)) {
        throw new NoexServerError('FORBIDDEN', 'Only the owner or a superadmin may do this')
      }
      requireUser(this.#directory, newOwnerId)
      const changes = { userId: newOwnerId }
      const update = { bucket: '_resource_owners', update: owner.id, changes } as const
      await this.#directory.write([update], causeOf(actor, session))
    })
  }

  /** Whoever makes something owns it; what has an owner keeps it. */
  async recordOwner (resource: Resource, userId: string, note?: NoteOf): Promise<void> {
    await this.#directory.retryLater(async () => {
      if (this.#directory.owner(resource) !== undefined) return
      const insert = { userId, ...resource }
      await this.#directory.write([{ bucket: '_resource_owners', insert }], { user: userId, note })
    })
  }

  #checkSubject ({ subjectType, subjectId }: Subject): void {
    if (subjectType !== 'user' && subjectType !== 'role') throw invalid('subjectType', 'must be user or role')
    const exists = subjectType === 'user' ? this.#directory.user(subjectId) : this.#directory.role(subjectId)
    if (exists === undefined) throw new NothingNamedError(subjectType, subjectId)
  }

  #requireControl (session: Session, resource: Resource): void {
    // What the server keeps for itself is nobody's to give.
    if (resource.resourceName.startsWith('_')) {
      throw new NoexServerError('FORBIDDEN', 'This is the name of a system bucket')
    }
    if (!isAdmin(session) && !this.#isMaster(session, resource)) {
      throw new NoexServerError('FORBIDDEN', 'Only administrators, the owner and who has admin access may do this')
    }
  }

  /** Nobody gives more than they have: the owner and who has admin access to the resource have all of it. */
  #requireLevel (session: Session, resource: Resource, classes: readonly AccessClass[]): void {
    if (this.#isMaster(session, resource)) return
    if (classes.every(accessClass => this.#policy.reaches(session, resource, accessClass))) return
    throw new NoexServerError('FORBIDDEN', 'Only access that one has oneself can be given')
  }

  #isMaster (session: Session, resource: Resource): boolean {
    return (
      isSuperadmin(session) ||
      this.#directory.owner(resource)?.userId === session.userId ||
      this.#classesOf(session, resource).includes('admin')
    )
  }

  #requireSight (session: Session, resource: Resource): void {
    const maySee =
      isAdmin(session) ||
      this.#directory.owner(resource)?.userId === session.userId ||
      this.#classesOf(session, resource).length > 0
    if (!maySee) {
      throw new NoexServerError('FORBIDDEN', 'Only administrators, the owner and who has access may see this')
    }
  }

  #classesOf ({ userId }: Session, { resourceType, resourceName }: Resource): AccessClass[] {
    return this.#directory.aclOf(userId)
      .filter(entry => entry.resourceType === resourceType && entry.resourceName === resourceName)
      .flatMap(entry => entry.operations)
  }

  #nameOf (subjectType: string, subjectId: string): string {
    if (subjectType === 'role') return this.#directory.role(subjectId)?.name ?? subjectId
    return subjectId === SUPERADMIN_ID
      ? SUPERADMIN_ID
      : (this.#directory.user(subjectId)?.username ?? subjectId)
  }
}

function checkResource ({ resourceType, resourceName }: NamedResource): Resource {
  if (!isResourceType(resourceType)) {
    throw invalid('resourceType', `must be one of ${resourceTypes.join(', ')}`)
  }
  if (resourceName.length > MAX_NAME_CHARS) {
    throw invalid('resourceName', `must not be longer than ${MAX_NAME_CHARS} characters`)
  }
  return { resourceType, resourceName }
}

function isResourceType (text: string): text is ResourceType {
  return (resourceTypes as readonly string[]).includes(text)
}

function checkClasses (operations: unknown): AccessClass[] {
  if (!Array.isArray(operations) || !operations.every(isAccessClass)) {
    throw invalid('operations', 'must be an array of read, write, admin')
  }
  return [...new Set(operations)]
}

function isAccessClass (value: unknown): value is AccessClass {
  return (accessClasses as readonly unknown[]).includes(value)
}
