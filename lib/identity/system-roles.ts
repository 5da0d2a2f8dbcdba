import type { Tier } from '../permissions/policy.js'
import type { PermissionEntry } from '../permissions/permission.js'

/** The role that may do everything, and the id of the virtual user that has it without an account. */
export const SUPERADMIN = 'superadmin'
export const SUPERADMIN_ID = '__superadmin__'

/** A role that the server creates in every store with accounts. */
interface SystemRole {
  readonly name: string
  readonly description: string
  readonly permissions: readonly PermissionEntry[]
}

/** The part of an operation on which the permissions of system roles depend. */
export interface NamedOperation {
  readonly name: string
  readonly tier: Tier | undefined
}

/**
 * Returns the system roles. The operations of readers and writers are listed by name, so that clients see
 * them.
 */
export function systemRoles (operations: Iterable<NamedOperation>): SystemRole[] {
  const data = [...operations].filter(({ name }) => /^(?:store|rules|procedures)\./.test(name))
  const named = (...tiers: Tier[]): string[] =>
    data.filter(({ tier }) => tier !== undefined && tiers.includes(tier)).map(({ name }) => name)
  return [
    { name: SUPERADMIN, description: 'May do everything', permissions: [{ allow: '*' }] },
    {
      name: 'admin',
      description: 'Manages data, users and access',
      permissions: [{ allow: ['store.*', 'rules.*', 'procedures.*', 'server.*', 'audit.*'] }]
    },
    {
      name: 'writer',
      description: 'Reads and writes data',
      permissions: [{ allow: named('read', 'write') }]
    },
    { name: 'reader', description: 'Reads data', permissions: [{ allow: named('read') }] }
  ]
}
