import type { WhereFilter } from '@hamicek/noex-store'
import { NoexServerError } from '../protocol/errors.js'
import { checkFilter } from '../store/filter.js'
import type { Session } from '../protocol/session.js'

/** Stands in a `where` for the id of the user of the request. */
const USER = '$userId'

/** Stands in a `where` for the roles of the user of the request, as the list of `$in` or `$nin`. */
const ROLES = '$roles'

/** The record filter of a permission, in which values may stand for the user of the request. */
export class Where {
  /** Whether it depends on the user id. */
  readonly isPersonal: boolean
  readonly #filter: Readonly<Record<string, unknown>>
  readonly #isConstant: boolean

  /** `filter` has passed `whereProblem`. */
  constructor (filter: Readonly<Record<string, unknown>>) {
    const text = JSON.stringify(filter)
    this.isPersonal = text.includes(`"${USER}"`)
    this.#isConstant = !this.isPersonal && !text.includes(`"${ROLES}"`)
    this.#filter = structuredClone(filter)
  }

  /** Returns the filter for a session; `false`, no records, where it needs a user and there is none. */
  for (session: Pick<Session, 'userId' | 'roles'> | undefined): WhereFilter | false {
    if (this.#isConstant) return this.#filter
    if (session === undefined && this.isPersonal) return false
    return filled(this.#filter, session?.userId, session?.roles ?? []) as WhereFilter
  }
}

function filled (value: unknown, userId: string | undefined, roles: readonly string[]): unknown {
  if (value === USER) return userId
  if (value === ROLES) return roles
  if (Array.isArray(value)) return value.map(item => filled(item, userId, roles))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, filled(item, userId, roles)]))
}

/** A problem with a value; `path` names the member that has it, and is empty for the value itself. */
export interface Problem {
  readonly path: string
  readonly problem: string
}

/** Returns the problem with the `where` of a permission; `undefined` when valid. */
export function whereProblem (filter: unknown): Problem | undefined {
  const misplaced = misplacedRoles(filter, 'where')
  if (misplaced !== undefined) {
    return { path: misplaced, problem: `"${ROLES}" can only be the list of $in or $nin` }
  }
  try {
    checkFilter(filled(filter, 'user', ['role']), 'where')
  } catch (error) {
    if (!(error instanceof NoexServerError)) throw error
    const [path = '', ...problem] = error.message.split(': ')
    return { path, problem: problem.join(': ') }
  }
  return Object.keys(filter as object).length === 0
    ? { path: 'where', problem: 'must name at least one field' }
    : undefined
}

/** Returns the path of a `$roles` that is not the list of `$in` or `$nin`: it would select no record. */
function misplacedRoles (value: unknown, path: string): string | undefined {
  if (value === ROLES) return /\.\$n?in$/.test(path) ? undefined : path
  if (typeof value !== 'object' || value === null) return undefined
  for (const [name, item] of Object.entries(value)) {
    const found = misplacedRoles(item, Array.isArray(value) ? `${path}[${name}]` : `${path}.${name}`)
    if (found !== undefined) return found
  }
  return undefined
}
