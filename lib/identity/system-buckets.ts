import type { BucketDefinition, FieldDefinition } from '@hamicek/noex-store'
import { accessClasses, resourceTypes, type SystemBucket } from './records.js'

const id: FieldDefinition = { type: 'string', generated: 'uuid' }
const name: FieldDefinition = { type: 'string', required: true }
const timestamp: FieldDefinition = { type: 'number', generated: 'timestamp' }
const resourceType: FieldDefinition = { type: 'string', required: true, enum: [...resourceTypes] }

/**
 * Definitions of the buckets of the built-in identity. No field refers to another bucket: the store would
 * refuse references to the virtual superadmin, which has no record. Sessions have no TTL in the store, which
 * would end long ones early: `SessionService` deletes expired ones.
 */
export const systemBuckets: Readonly<Record<SystemBucket, BucketDefinition>> = {
  _users: {
    key: 'id',
    schema: {
      id,
      username: { type: 'string', required: true, unique: true, minLength: 3, maxLength: 64 },
      passwordHash: { type: 'string', required: true },
      displayName: { type: 'string', maxLength: 256 },
      email: { type: 'string', format: 'email' },
      enabled: { type: 'boolean', default: true },
      metadata: { type: 'object' }
    },
    indexes: ['username', 'email']
  },
  _roles: {
    key: 'id',
    schema: {
      id,
      name: { type: 'string', required: true, unique: true, minLength: 1, maxLength: 64 },
      description: { type: 'string' },
      system: { type: 'boolean', default: false },
      permissions: { type: 'array' }
    },
    indexes: ['name']
  },
  _user_roles: {
    key: 'id',
    schema: { id, userId: name, roleId: name, grantedBy: { type: 'string' }, grantedAt: timestamp },
    indexes: ['userId', 'roleId']
  },
  _acl: {
    key: 'id',
    schema: {
      id,
      subjectType: { type: 'string', required: true, enum: ['user', 'role'] },
      subjectId: name,
      resourceType,
      resourceName: name,
      operations: { type: 'array', required: true, items: { type: 'string', enum: [...accessClasses] } },
      grantedBy: { type: 'string' },
      grantedAt: timestamp
    },
    indexes: ['subjectId', 'resourceName']
  },
  _sessions: {
    key: 'id',
    schema: {
      id,
      userId: name,
      expiresAt: { type: 'number', required: true },
      createdAt: timestamp,
      ip: { type: 'string' },
      userAgent: { type: 'string' }
    },
    indexes: ['userId']
  },
  _resource_owners: {
    key: 'id',
    schema: { id, userId: name, resourceType, resourceName: name, createdAt: timestamp },
    indexes: ['userId', 'resourceName']
  }
}
