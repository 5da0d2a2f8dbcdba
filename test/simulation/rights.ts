import type { StoreRecord, WhereFilter } from '@hamicek/noex-store'
import type { StateAt } from './history.js'
import type { Rows } from './plain-evaluation.js'

/** Users of the simulation. */
export const users = ['ada', 'ben', 'cy', 'dan', 'eve', 'fay'] as const

/** The user who may do everything. */
export const ROOT = 'root'

interface RolePermission {
  readonly buckets?: readonly string[]
  readonly where?: WhereFilter
}

/** Roles, and what their holders may read at the beginning; operations change that. */
export const roles: Readonly<Record<string, readonly RolePermission[]>> = {
  all: [{}],
  own: [{ where: { owner: '$userId' } }],
  low: [{ buckets: ['items', 'counted'], where: { n: { $lt: 50 } } }],
  open: [{ buckets: ['items'], where: { state: 'open' } }],
  counted: [{ buckets: ['counted'] }, { buckets: ['items'], where: { owner: '$userId' } }]
}

/** The rules that a role may be given. */
export const changedPermissions: ReadonlyArray<readonly RolePermission[]> = [
  ...Object.values(roles),
  [{ where: { n: { $gte: 20 } } }],
  [{ where: { $or: [{ owner: '$userId' }, { state: 'closed' }] } }],
  [{ buckets: ['lines'] }],
  []
]

/** Returns the id under which a role is stored. */
export const roleId = (name: string): string => `role-${name}`

/** Whether the records of a bucket say who has which rights. */
export const isOfRights = (bucket: string): boolean => bucket === '_roles' || bucket === '_user_roles'

/** Returns which records a user may read at one revision, and a text that is equal for equal rights. */
export function rightsAt (state: StateAt, user: string): { readonly key: string, readonly rows: Rows } {
  if (user === ROOT) return { key: ROOT, rows: () => true }
  const ofUser = (state.buckets.get('_user_roles') ?? []).filter(({ userId }) => userId === user)
  const held = new Set(ofUser.map(record => record['roleId']))
  const permissions = (state.buckets.get('_roles') ?? [])
    .filter(({ id }) => held.has(id))
    .flatMap(role => (role as StoreRecord & { readonly permissions: readonly RolePermission[] }).permissions)
  const rows: Rows = bucket => {
    const fitting = permissions.filter(({ buckets }) => buckets === undefined || buckets.includes(bucket))
    if (fitting.length === 0) return false
    const filters = fitting.map(({ where }) => where)
    if (filters.includes(undefined)) return true
    return { $or: filters.map(where => JSON.parse(JSON.stringify(where).replaceAll('$userId', user))) }
  }
  return { key: `${user} ${JSON.stringify(permissions)}`, rows }
}
