import type { Tier } from '../permissions/policy.js'
import type { PermissionEntry } from '../permissions/permission.js'

/** The role that may do everything, and its virtual holder, who has no account. */
export const SUPERADMIN = 'superadmin'
export const SUPERADMIN_ID = '__superadmin__'

/** A role that is there from the start. */
export interface SystemRole {
  readonly name: string
  readonly description: string
  readonly permissions: readonly PermissionEntry[]
}

/** An operation as the roles know it. */
export interface NamedOperation {
  readonly name: string
  readonly tier: Tier | undefined
}

/** The roles that are there from the start. What a reader and a writer may do is listed, so that it shows. */
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
