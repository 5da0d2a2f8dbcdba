import type { BucketChange } from '../store/follow-buckets.js'
import type { Log } from '../util/log.js'
import { changeBy, everything, removalOf, type DirectoryChange } from './change-listeners.js'
import { HashSettings } from './hash-settings.js'
import { nameKey, type Collisions } from './names.js'
import { Index, Table } from './record-table.js'
import {
  isSystemRecord, type AclEntry, type Ownership, type Resource, type Role, type RoleAssignment,
  type SessionRecord, type SystemBucket, type SystemRecords, type User
} from './records.js'
import { SUPERADMIN, SUPERADMIN_ID } from './system-roles.js'

/** Holds the system buckets in memory, so that users and their rights are read synchronously. */
export class DirectoryCache {
  readonly #usersByName = new Index<User>(user => user.username)
  readonly #usersByKey = new Index<User>(user => nameKey(user.username))
  readonly #rolesByName = new Index<Role>(role => role.name)
  readonly #rolesByKey = new Index<Role>(role => nameKey(role.name))
  readonly #rolesByUser = new Index<RoleAssignment>(assignment => assignment.userId)
  readonly #usersByRole = new Index<RoleAssignment>(assignment => assignment.roleId)
  readonly #aclByResource = new Index<AclEntry>(resourceKey)
  readonly #aclBySubject = new Index<AclEntry>(entry => subjectKey(entry.subjectType, entry.subjectId))
  readonly #sessionsByUser = new Index<SessionRecord>(session => session.userId)
  readonly #ownersByResource = new Index<Ownership>(resourceKey)
  readonly #ownedByUser = new Index<Ownership>(ownership => ownership.userId)
  readonly tables: { readonly [bucket in SystemBucket]: Table<SystemRecords[bucket]> } = {
    _users: new Table(this.#usersByName, this.#usersByKey),
    _roles: new Table(this.#rolesByName, this.#rolesByKey),
    _user_roles: new Table(this.#rolesByUser, this.#usersByRole),
    _acl: new Table(this.#aclByResource, this.#aclBySubject),
    _sessions: new Table(this.#sessionsByUser),
    _resource_owners: new Table(this.#ownersByResource, this.#ownedByUser)
  }

  /** Settings of the password hashes of all users. */
  readonly hashSettings = new HashSettings()
  /** Ids of sessions that have ended although the store may still have them. */
  protected readonly endedSessions = new Set<string>()
  readonly #log: Log
  #hasWarned = false

  protected constructor (log: Log) {
    this.#log = log
  }

  user (id: string): User | undefined {
    return this.tables._users.get(id)
  }

  /** Finds a user by the exact spelling of its name. */
  userByName (username: string): User | undefined {
    return this.#usersByName.first(username)
  }

  /** Finds a user by the exact spelling, or by a similar one that fits only one account: see `nameKey`. */
  findUser (username: string): User | undefined {
    return this.userByName(username) ?? only(this.#usersByKey.get(nameKey(username)))
  }

  /** Returns whether an account has this name, or one that looks like it. */
  isUserNameTaken (username: string): boolean {
    return this.#usersByKey.first(nameKey(username)) !== undefined
  }

  /** Returns all users, in the order of their creation. */
  users (): User[] {
    return this.tables._users.all()
  }

  role (id: string): Role | undefined {
    return this.tables._roles.get(id)
  }

  /** Finds a role by the exact spelling of its name. */
  roleByName (name: string): Role | undefined {
    return this.#rolesByName.first(name)
  }

  /** Finds a role by the exact spelling, or by a similar one that fits only one role: see `nameKey`. */
  findRole (name: string): Role | undefined {
    return this.roleByName(name) ?? only(this.#rolesByKey.get(nameKey(name)))
  }

  /** Returns whether a role has this name, or one that looks like it. */
  isRoleNameTaken (name: string): boolean {
    return this.#rolesByKey.first(nameKey(name)) !== undefined
  }

  /** Names of accounts and of roles that look alike. */
  get collisions (): Collisions {
    return {
      accounts: this.#usersByKey.shared().map(users => users.map(({ username }) => username)),
      roles: this.#rolesByKey.shared().map(roles => roles.map(({ name }) => name))
    }
  }

  roles (): Role[] {
    return this.tables._roles.all()
  }

  /** Returns the assignments of a role to a user: at most one, unless the application has made more. */
  assignments (userId: string, roleId: string): RoleAssignment[] {
    return this.assignmentsOf(userId).filter(assignment => assignment.roleId === roleId)
  }

  assignmentsOf (userId: string): RoleAssignment[] {
    return this.#rolesByUser.get(userId)
  }

  /** Returns the assignments of a role to users. */
  holdersOf (roleId: string): RoleAssignment[] {
    return this.#usersByRole.get(roleId)
  }

  rolesOf (userId: string): Role[] {
    const ids =
      userId === SUPERADMIN_ID
        ? [this.roleByName(SUPERADMIN)?.id]
        : this.assignmentsOf(userId).map(({ roleId }) => roleId)
    return [...new Set(ids)]
      .map(id => (id === undefined ? undefined : this.role(id)))
      .filter(role => role !== undefined)
  }

  /** Returns the names of a user's roles; the virtual superadmin needs no record of its role. */
  roleNamesOf (userId: string): string[] {
    return userId === SUPERADMIN_ID ? [SUPERADMIN] : this.rolesOf(userId).map(({ name }) => name)
  }

  isSuperadmin (userId: string): boolean {
    return this.roleNamesOf(userId).includes(SUPERADMIN)
  }

  /** Returns the access list of a resource, in the order in which entries were made. */
  acl (resource: Resource): AclEntry[] {
    return this.#aclByResource.get(resourceKey(resource))
  }

  aclEntry (resource: Resource, subjectType: string, subjectId: string): AclEntry | undefined {
    return this.acl(resource).find(
      entry => entry.subjectType === subjectType && entry.subjectId === subjectId
    )
  }

  /** Returns the entries for a user or a role itself. */
  aclOfSubject (subjectType: 'user' | 'role', subjectId: string): AclEntry[] {
    return this.#aclBySubject.get(subjectKey(subjectType, subjectId))
  }

  /** Returns the entries for a user and for its roles. */
  aclOf (userId: string): AclEntry[] {
    return [
      ...this.aclOfSubject('user', userId),
      ...this.rolesOf(userId).flatMap(role => this.aclOfSubject('role', role.id))
    ]
  }

  owner (resource: Resource): Ownership | undefined {
    return this.#ownersByResource.first(resourceKey(resource))
  }

  ownedBy (userId: string): Ownership[] {
    return this.#ownedByUser.get(userId)
  }

  ownershipsOf (resource: Resource): Ownership[] {
    return this.#ownersByResource.get(resourceKey(resource))
  }

  session (id: string): SessionRecord | undefined {
    return this.tables._sessions.get(id)
  }

  sessions (): SessionRecord[] {
    return this.tables._sessions.all()
  }

  sessionsOf (userId: string): SessionRecord[] {
    return this.#sessionsByUser.get(userId)
  }

  /** Returns the users who have a session, expired or not. */
  usersWithSessions (): string[] {
    return [...this.#sessionsByUser.keys()]
  }

  /** Ends a session at once, before the store has deleted it. Returns it, unless it was not there. */
  protected endSession (id: string): SessionRecord | undefined {
    const session = this.tables._sessions.delete(id)
    if (session !== undefined) this.endedSessions.add(id)
    return session
  }

  /** Applies the change of a commit. Returns the change to notify listeners of. */
  protected applyChange (change: BucketChange<SystemBucket>): DirectoryChange | undefined {
    const { bucket } = change
    switch (change.type) {
      case 'set': return this.#set(bucket, change.record)
      case 'delete':
        if (bucket === '_sessions') this.endedSessions.delete(String(change.key))
        return this.#remove(bucket, String(change.key))
      case 'clear':
        this.tables[bucket].clear()
        if (bucket === '_users') this.hashSettings.clear()
        return everything
    }
  }

  #remove (bucket: SystemBucket, id: string): DirectoryChange | undefined {
    if (bucket === '_users') this.hashSettings.delete(id)
    const record = this.tables[bucket].delete(id)
    return record === undefined ? undefined : removalOf(bucket, record)
  }

  #set<Bucket extends SystemBucket> (bucket: Bucket, record: unknown): DirectoryChange | undefined {
    if (!isSystemRecord(bucket, record)) {
      if (!this.#hasWarned) {
        this.#log.warn({ bucket }, 'a record of a system bucket is not what it should be, and does not count')
      }
      this.#hasWarned = true
      return this.#remove(bucket, String((record as { readonly id?: unknown } | null)?.id))
    }
    if (bucket === '_sessions' && this.endedSessions.has(record.id)) return undefined
    const table = this.tables[bucket]
    const earlier = table.get(record.id)
    table.set(record)
    if (bucket === '_users') this.hashSettings.set(record.id, (record as User).passwordHash)
    return changeBy(bucket, record, earlier)
  }
}

/** Returns the only element; `undefined` where there are more, or none. */
function only<T> (found: readonly T[]): T | undefined {
  return found.length === 1 ? found[0] : undefined
}

function resourceKey ({ resourceType, resourceName }: Resource): string {
  return `${resourceType} ${resourceName}`
}

function subjectKey (subjectType: string, subjectId: string): string {
  return `${subjectType} ${subjectId}`
}
