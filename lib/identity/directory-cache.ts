import type { Collisions } from './name-collisions.js'
import { nameKey } from './names.js'
import { SUPERADMIN, SUPERADMIN_ID } from './system-roles.js'
import type {
  AclEntry,
  Ownership,
  Resource,
  Role,
  RoleAssignment,
  SessionRecord,
  StoredRecord,
  SystemBucket,
  SystemRecords,
  User
} from './records.js'

/** Records by what they have in common, in the order in which they came. */
class Index<T extends StoredRecord> {
  readonly #keyOf: (record: T) => string
  readonly #groups = new Map<string, Map<string, T>>()

  constructor (keyOf: (record: T) => string) {
    this.#keyOf = keyOf
  }

  /** Adds a record, in the place of what it was before. */
  put (record: T, earlier: T | undefined): void {
    const key = this.#keyOf(record)
    if (earlier !== undefined && this.#keyOf(earlier) !== key) this.remove(earlier)
    const group = this.#groups.get(key)
    if (group === undefined) this.#groups.set(key, new Map([[record.id, record]]))
    else group.set(record.id, record)
  }

  remove (record: T): void {
    const key = this.#keyOf(record)
    const group = this.#groups.get(key)
    group?.delete(record.id)
    if (group?.size === 0) this.#groups.delete(key)
  }

  get (key: string): T[] {
    return [...this.#groups.get(key)?.values() ?? []]
  }

  first (key: string): T | undefined {
    return this.#groups.get(key)?.values().next().value
  }

  keys (): Iterable<string> {
    return this.#groups.keys()
  }

  /** Those that have something in common with another. */
  shared (): T[][] {
    return [...this.#groups.values()].filter(({ size }) => size > 1).map(group => [...group.values()])
  }
}

/** One system bucket in memory. */
class Table<T extends StoredRecord> {
  readonly #records = new Map<string, T>()
  readonly #indexes: ReadonlyArray<Index<T>>

  constructor (...indexes: ReadonlyArray<Index<T>>) {
    this.#indexes = indexes
  }

  get (id: string): T | undefined {
    return this.#records.get(id)
  }

  all (): T[] {
    return [...this.#records.values()]
  }

  set (record: T): void {
    const earlier = this.#records.get(record.id)
    this.#records.set(record.id, record)
    for (const index of this.#indexes) index.put(record, earlier)
  }

  delete (id: string): T | undefined {
    const record = this.#records.get(id)
    if (record === undefined) return undefined
    this.#records.delete(id)
    for (const index of this.#indexes) index.remove(record)
    return record
  }

  clear (): void {
    for (const { id } of this.all()) this.delete(id)
  }
}

/** The system buckets in memory, so that every question about users and their rights is answered at once. */
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

  user (id: string): User | undefined {
    return this.tables._users.get(id)
  }

  /** By the exact spelling. */
  userByName (username: string): User | undefined {
    return this.#usersByName.first(username)
  }

  /** By the exact spelling, or by any that only one account has: see `nameKey`. */
  findUser (username: string): User | undefined {
    return this.userByName(username) ?? only(this.#usersByKey.get(nameKey(username)))
  }

  /** Whether a new account cannot have this name, since people would take it for that of another. */
  isUserNameTaken (username: string): boolean {
    return this.#usersByKey.first(nameKey(username)) !== undefined
  }

  /** In the order in which they were created. */
  users (): User[] {
    return this.tables._users.all()
  }

  role (id: string): Role | undefined {
    return this.tables._roles.get(id)
  }

  /** By the exact spelling. */
  roleByName (name: string): Role | undefined {
    return this.#rolesByName.first(name)
  }

  /** By the exact spelling, or by any that only one role has: see `nameKey`. */
  findRole (name: string): Role | undefined {
    return this.roleByName(name) ?? only(this.#rolesByKey.get(nameKey(name)))
  }

  /** Whether a new role cannot have this name, since people would take it for that of another. */
  isRoleNameTaken (name: string): boolean {
    return this.#rolesByKey.first(nameKey(name)) !== undefined
  }

  /**
   * Names of accounts, and of roles, that people take for the same; each is known by its exact spelling only.
   */
  get collisions (): Collisions {
    return {
      accounts: this.#usersByKey.shared().map(users => users.map(({ username }) => username)),
      roles: this.#rolesByKey.shared().map(roles => roles.map(({ name }) => name))
    }
  }

  roles (): Role[] {
    return this.tables._roles.all()
  }

  /** That a user has a role: one record, unless the application has made more. */
  assignments (userId: string, roleId: string): RoleAssignment[] {
    return this.assignmentsOf(userId).filter(assignment => assignment.roleId === roleId)
  }

  assignmentsOf (userId: string): RoleAssignment[] {
    return this.#rolesByUser.get(userId)
  }

  /** Who has a role. */
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

  /** The virtual superadmin is one whatever has become of the role's record. */
  roleNamesOf (userId: string): string[] {
    return userId === SUPERADMIN_ID ? [SUPERADMIN] : this.rolesOf(userId).map(({ name }) => name)
  }

  isSuperadmin (userId: string): boolean {
    return this.roleNamesOf(userId).includes(SUPERADMIN)
  }

  /** The access list of a resource, in the order in which it was granted. */
  acl (resource: Resource): AclEntry[] {
    return this.#aclByResource.get(resourceKey(resource))
  }

  aclEntry (resource: Resource, subjectType: string, subjectId: string): AclEntry | undefined {
    return this.acl(resource).find(
      entry => entry.subjectType === subjectType && entry.subjectId === subjectId
    )
  }

  /** Entries for a user or a role itself. */
  aclOfSubject (subjectType: 'user' | 'role', subjectId: string): AclEntry[] {
    return this.#aclBySubject.get(subjectKey(subjectType, subjectId))
  }

  /** Entries for a user and for its roles. */
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

  /** Users who have a session, whether or not it has expired. */
  usersWithSessions (): string[] {
    return [...this.#sessionsByUser.keys()]
  }
}

/** The only one there is; `undefined` where there are more, or none. */
function only<T> (found: readonly T[]): T | undefined {
  return found.length === 1 ? found[0] : undefined
}

function resourceKey ({ resourceType, resourceName }: Resource): string {
  return `${resourceType} ${resourceName}`
}

function subjectKey (subjectType: string, subjectId: string): string {
  return `${subjectType} ${subjectId}`
}
