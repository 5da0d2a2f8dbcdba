import type { Tier } from './policy.js'

const levels: Readonly<Record<Tier, number>> = { read: 1, write: 2, admin: 3 }

/** The roles that have a meaning of their own, and how far each reaches. PROTOCOL.md, "Tiers". */
const builtInRoles: ReadonlyMap<string, Tier> = new Map([
  ['reader', 'read'],
  ['writer', 'write'],
  ['admin', 'admin']
])

/** Whether `tier` reaches as far as `needed`. */
export function reaches (tier: Tier, needed: Tier): boolean {
  return levels[tier] >= levels[needed]
}

/** Tells whether a role has a tier by its name. */
export function isBuiltInRole (role: string): boolean {
  return builtInRoles.has(role)
}

/** The farthest tier among the built-in roles of a session; `undefined` when it has none. */
export function tierOf (roles: readonly string[]): Tier | undefined {
  let farthest: Tier | undefined
  for (const role of roles) {
    const tier = builtInRoles.get(role)
    if (tier !== undefined && (farthest === undefined || levels[tier] > levels[farthest])) farthest = tier
  }
  return farthest
}
