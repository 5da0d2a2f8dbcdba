import type { PermissionEntry } from '../permissions/permission.js'
import { SUPERADMIN_ID } from './system-roles.js'

/** The properties of every record of the store. Timestamps are epoch milliseconds. */
export interface StoredRecord {
  readonly id: string
  readonly _version: number
  readonly _createdAt: number
  readonly _updatedAt: number
}

export interface User extends StoredRecord {
  readonly username: string
  readonly passwordHash: string
  readonly enabled: boolean
  readonly displayName?: string | null
  readonly email?: string | null
  readonly metadata?: object
}

export interface Role extends StoredRecord {
  readonly name: string
  readonly description?: string | null
  /** Whether the server has created it; such a role cannot be deleted. */
  readonly system: boolean
  readonly permissions: readonly PermissionEntry[]
}

export interface RoleAssignment extends StoredRecord {
  readonly userId: string
  readonly roleId: string
}

/** The kinds of resources that have access lists and owners. */
export const resourceTypes = ['bucket', 'topic', 'procedure', 'query'] as const
export type ResourceType = typeof resourceTypes[number]

export interface Resource {
  readonly resourceType: ResourceType
  readonly resourceName: string
}

/** The classes of access. None includes another. */
export const accessClasses = ['read', 'write', 'admin'] as const
export type AccessClass = typeof accessClasses[number]

export interface AclEntry extends StoredRecord, Resource {
  readonly subjectType: 'user' | 'role'
  readonly subjectId: string
  readonly operations: readonly AccessClass[]
}

export interface SessionRecord extends StoredRecord {
  readonly userId: string
  readonly expiresAt: number
  readonly createdAt: number
}

export interface Ownership extends StoredRecord, Resource {
  readonly userId: string
}

/** The system buckets and their records. */
export interface SystemRecords {
  readonly _users: User
  readonly _roles: Role
  readonly _user_roles: RoleAssignment
  readonly _acl: AclEntry
  readonly _sessions: SessionRecord
  readonly _resource_owners: Ownership
}

export type SystemBucket = keyof SystemRecords

const text = (value: unknown): boolean => typeof value === 'string' && value !== ''

const checks: { readonly [bucket in SystemBucket]: (record: Readonly<Record<string, unknown>>) => boolean } =
  {
    // An account with the id of the virtual superadmin would be one.
    _users: r => text(r['username']) && typeof r['passwordHash'] === 'string' && r['id'] !== SUPERADMIN_ID,
    _roles: r => text(r['name']) && Array.isArray(r['permissions']),
    _user_roles: r => text(r['userId']) && text(r['roleId']),
    _acl: r =>
      text(r['subjectId']) &&
      (r['subjectType'] === 'user' || r['subjectType'] === 'role') &&
      isResource(r) &&
      Array.isArray(r['operations']),
    _sessions: r => text(r['userId']) && Number.isFinite(r['expiresAt']),
    _resource_owners: r => text(r['userId']) && isResource(r)
  }

function isResource (record: Readonly<Record<string, unknown>>): boolean {
  return (
    text(record['resourceName']) && (resourceTypes as readonly unknown[]).includes(record['resourceType'])
  )
}

/**
 * Returns whether a record of a system bucket has the expected form: the application, or an earlier version,
 * may have written others.
 */
export function isSystemRecord<Bucket extends SystemBucket> (
  bucket: Bucket,
  record: unknown
): record is SystemRecords[Bucket] {
  return (
    typeof record === 'object' &&
    record !== null &&
    text((record as StoredRecord).id) &&
    checks[bucket](record as Record<string, unknown>)
  )
}
