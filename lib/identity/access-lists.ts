import { invalid, NoexServerError, NothingNamedError } from '../protocol/errors.js'
import type { Session } from '../protocol/session.js'
import type { NoteOf } from '../store/row-scope.js'
import { checkClasses, checkResource, type NamedResource, type Subject } from './access-input.js'
import { causeOf, isAdmin, isSuperadmin, requireUser, sessionOf, type Actor } from './authority.js'
import type { Directory } from './directory.js'
import type { IdentityPolicy } from './identity-policy.js'
import { accessClasses, type AccessClass, type Resource } from './records.js'
import { SUPERADMIN_ID } from './system-roles.js'

/** Number of entries that one access list can have. */
const MAX_ENTRIES = 1_000

/** An entry of an access list, as clients see it. */
interface AccessLine extends Subject {
  readonly subjectName: string
  readonly operations: readonly AccessClass[]
  readonly isOwner: boolean
}

/** A resource that a user has access to. */
interface AccessibleResource extends Resource {
  readonly operations: readonly AccessClass[]
  readonly isOwner: boolean
}

/** Grants and revokes access to single resources, and keeps their owners. */
export class AccessLists {
  readonly #directory: Directory
  readonly #policy: Pick<IdentityPolicy, 'allows'>

  constructor (directory: Directory, policy: Pick<IdentityPolicy, 'allows'>) {
    this.#directory = directory
    this.#policy = policy
  }

  /** Adds access classes to an entry, or makes one. @throws `VALIDATION_ERROR`, `NOT_FOUND`, `FORBIDDEN` */
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
        const problem = `has ${MAX_ENTRIES} entries already: give a role to those users instead`
        throw invalid('resourceName', problem)
      }
      const { subjectType, subjectId } = subject
      const { userId } = session
      const insert = { subjectType, subjectId, ...resource, operations: classes, grantedBy: userId }
      await this.#directory.write([{ bucket: '_acl', insert }], causeOf(actor, session))
    })
  }

  /**
   * Removes these access classes of a subject, or all where none is given.
   * @throws `VALIDATION_ERROR`, `NOT_FOUND`, `FORBIDDEN`
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
   * Returns the access list of a resource; an owner without an entry comes first.
   * @throws `VALIDATION_ERROR`, `FORBIDDEN`
   */
  list (session: Session, named: NamedResource): AccessLine[] {
    const resource = checkResource(named)
    this.#requireReadable(session, resource)
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

  /** Returns the resources to which a user has access by access lists or as their owner. */
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

  /** Returns the owner of a resource; `null` where it has none. @throws `VALIDATION_ERROR`, `FORBIDDEN` */
  owner (
    session: Session,
    named: NamedResource
  ): ({ readonly userId: string, readonly username: string } & Resource) | null {
    const resource = checkResource(named)
    this.#requireReadable(session, resource)
    const owner = this.#directory.owner(resource)
    return owner === undefined
      ? null
      : { userId: owner.userId, username: this.#nameOf('user', owner.userId), ...resource }
  }

  /** Gives a resource to another owner. @throws `VALIDATION_ERROR`, `NOT_FOUND`, `FORBIDDEN` */
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

  /** Makes the user the owner of a resource that it has defined, unless the resource has an owner. */
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
    // Access to system buckets cannot be given.
    if (resource.resourceName.startsWith('_')) {
      throw new NoexServerError('FORBIDDEN', 'This is the name of a system bucket')
    }
    if (!isAdmin(session) && !this.#hasFullControl(session, resource)) {
      throw new NoexServerError(
        'FORBIDDEN', 'Only administrators, the owner and who has admin access may do this'
      )
    }
  }

  /** Refuses to give access that the session itself does not have; full control includes every class. */
  #requireLevel (session: Session, resource: Resource, classes: readonly AccessClass[]): void {
    if (this.#hasFullControl(session, resource)) return
    if (classes.every(accessClass => this.#policy.allows(session, resource, accessClass))) return
    throw new NoexServerError('FORBIDDEN', 'Only access that one has oneself can be given')
  }

  #hasFullControl (session: Session, resource: Resource): boolean {
    return (
      isSuperadmin(session) ||
      this.#directory.owner(resource)?.userId === session.userId ||
      this.#classesOf(session, resource).includes('admin')
    )
  }

  #requireReadable (session: Session, resource: Resource): void {
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
