import type { Tier } from './policy.js'

const levels: Readonly<Record<Tier, number>> = { read: 1, write: 2, admin: 3 }

/** The built-in roles with the highest tier that each may use. PROTOCOL.md, "Tiers". */
const builtInRoles: ReadonlyMap<string, Tier> = new Map([
  ['reader', 'read'],
  ['writer', 'write'],
  ['admin', 'admin']
])

/** Whether `tier` includes `needed`. */
export function includesTier (tier: Tier, needed: Tier): boolean {
  return levels[tier] >= levels[needed]
}

/** Whether a role is built in and so has a tier. */
export function isBuiltInRole (role: string): boolean {
  return builtInRoles.has(role)
}

/** Returns the highest tier among the built-in roles of a session; `undefined` when it has none. */
export function tierOf (roles: readonly string[]): Tier | undefined {
  let highest: Tier | undefined
  for (const role of roles) {
    const tier = builtInRoles.get(role)
    if (tier !== undefined && (highest === undefined || levels[tier] > levels[highest])) highest = tier
  }
  return highest
}
