import { NoexOptionsError, option, options, requireObject, type ValueType } from '../util/option-schema.js'
import { array, either, nonEmptyText, synchronousCallback } from '../util/option-types.js'
import type { AuthSession } from '../protocol/session.js'
import { ruleProblem, type PermissionEntry } from './permission.js'
import { Where } from './where.js'

/** One of `permissions.rules`: what a role is allowed. */
export interface PermissionRule extends PermissionEntry {
  /** The role that it is for; `anonymous` is that of clients which have not logged in. */
  role: string
}

/** The function `check` of the option `auth.permissions`. */
export type PermissionCheck = (
  session: AuthSession | null,
  operation: string,
  resource: string
) => boolean | undefined

/** The option `auth.permissions`. PROTOCOL.md, "Permissions". */
export interface PermissionConfig {
  /**
   * Decides where neither `check` nor a rule does.
   * @default 'allow'
   */
  default?: 'allow' | 'deny' | undefined
  /**
   * Rights of each role; the first rule that fits decides, with its `where`.
   * @default []
   */
  rules?: readonly PermissionRule[] | undefined
  /**
   * Asked before the rules, for everything that a request uses: `true` and `false` decide, `undefined`
   * leaves it to the rules. `session` is `null` for an anonymous client. It is also asked before each push,
   * so it must be quick. Not an async function; a promise, any other answer, or an error denies with
   * `INTERNAL_ERROR`, and the log says so.
   * @default none
   */
  check?: PermissionCheck | undefined
}

/** The role of a client that has not logged in. */
export const ANONYMOUS = 'anonymous'

const rules: ValueType = {
  text: 'array of rules',
  check (value, path) {
    array.check(value, path)
    for (const [i, rule] of (value as unknown[]).entries()) checkRule(rule, `${path}[${i}]`)
  }
}

function checkRule (rule: unknown, path: string): void {
  const { role, ...entry } = requireObject(rule, path)
  nonEmptyText.check(role, `${path}.role`)
  const found = ruleProblem(entry)
  if (found !== undefined) {
    throw new NoexOptionsError(found.path === '' ? path : `${path}.${found.path}`, found.problem)
  }
  const where = entry['where'] as Record<string, unknown> | undefined
  if (role === ANONYMOUS && where !== undefined && new Where(where).isPersonal) {
    throw new NoexOptionsError(`${path}.where`, 'asks for the user, and an anonymous client has none')
  }
}

export const permissionOptions = options<PermissionConfig>()({
  default: option(either('allow', 'deny'), 'allow'),
  rules: option(rules, []),
  check: option(synchronousCallback, undefined)
})
