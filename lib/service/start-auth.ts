import type { Authenticator } from '../auth/authenticator.js'
import type { ResolvedAuth } from '../auth/auth-options.js'
import { ExternalAuthenticator } from '../auth/external-authenticator.js'
import { PermissionPolicy, type PermissionRule } from '../permissions/rule-policy.js'
import { unlimited, type Policy, type QueryFacts } from '../permissions/policy.js'
import { ruleProblem } from '../permissions/permission.js'
import { secretProblem } from '../auth/secret-strength.js'
import type { Clock } from '../util/clock.js'
import { Identity, type IdentityEnvironment } from '../identity/identity.js'
import type { RowRule } from '../store/field-warnings.js'
import type { SharedStore } from '../store/shared-store.js'

/** The parts that the option `auth` configures. */
export interface Authentication {
  /** Whether a client must log in before it may do anything. */
  readonly required: boolean
  /** Whether a client must log in over the connection; sent with the welcome message. */
  readonly requiresAuth: boolean
  readonly policy: Policy
  /** `undefined` where no tokens are used. */
  readonly authenticator: Authenticator | undefined
  /** `undefined` in every mode but `builtIn`. */
  readonly identity: Identity | undefined
}

/** Starts the parts of the option `auth`. Rejects when the built-in identity cannot be set up. */
export async function startAuthentication (
  auth: ResolvedAuth | undefined,
  sharedStore: SharedStore,
  environment: IdentityEnvironment & { readonly clock: Clock }
): Promise<Authentication> {
  const factsOf = (name: string): QueryFacts => sharedStore.queryFacts(name)
  const none = { authenticator: undefined, identity: undefined }
  switch (auth?.mode) {
    case undefined:
      return { ...none, required: false, requiresAuth: false, policy: unlimited }
    case 'external':
      return {
        required: auth.required,
        requiresAuth: auth.required,
        policy: new PermissionPolicy(auth.permissions, factsOf, environment),
        authenticator: new ExternalAuthenticator(auth, environment),
        identity: undefined
      }
    case 'gateway': {
      const problem = auth.gateway.secret === undefined ? undefined : secretProblem(auth.gateway.secret)
      if (problem !== undefined) {
        environment.log.warn(
          { advice: 'weak-secret', option: 'auth.gateway.secret' },
          `the gateway's secret ${problem} and can be guessed`
        )
      }
      return {
        ...none,
        required: true,
        requiresAuth: false,
        policy: new PermissionPolicy(auth.permissions, factsOf, environment)
      }
    }
    case 'builtIn': {
      const identity = await Identity.start(sharedStore, auth, environment)
      return {
        required: true,
        requiresAuth: true,
        policy: identity.policy,
        authenticator: identity.authenticator,
        identity
      }
    }
  }
}

/** Returns the permissions with a `where`, as they are at present. */
export function rowRulesOf (auth: ResolvedAuth | undefined, identity: Identity | undefined): RowRule[] {
  const rules = auth === undefined || auth.mode === 'builtIn'
    ? rulesOfRoles(identity)
    : auth.permissions?.rules ?? []
  return rules.flatMap(({ role, buckets, where }) => where === undefined ? [] : [{ role, buckets, where }])
}

/** Returns the permissions of all roles in the store; invalid ones are left out. */
function rulesOfRoles (identity: Identity | undefined): PermissionRule[] {
  const roles = identity?.directory.tables._roles.all() ?? []
  return roles.flatMap(({ name, permissions }) =>
    permissions.filter(entry => ruleProblem(entry) === undefined).map(entry => ({ ...entry, role: name })))
}
