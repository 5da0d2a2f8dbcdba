import type { Authenticator } from './access/authenticator.js'
import type { ResolvedAuth } from './access/auth-options.js'
import { ExternalAuthenticator } from './access/external-auth.js'
import { PermissionPolicy } from './access/permission-policy.js'
import { unlimited, type Policy, type QueryFacts } from './access/policy.js'
import { secretProblem } from './access/secret-strength.js'
import type { Clock } from './clock.js'
import { Identity, type IdentityEnvironment } from './identity/identity.js'
import type { StoreAccess } from './store/store-access.js'

/** What the option `auth` comes to. */
export interface Authentication {
  /** Whether a client must log in before it may do anything. */
  readonly required: boolean
  /** What the welcome says: whether to log in. */
  readonly requiresAuth: boolean
  readonly policy: Policy
  /** `undefined` where there are no tokens. */
  readonly authenticator: Authenticator | undefined
  /** `undefined` in every mode but the built-in one. */
  readonly identity: Identity | undefined
}

/** Starts what the option `auth` asks for. Rejects when the built-in identity cannot be set up, and leaves nothing behind. */
export async function startAuthentication (auth: ResolvedAuth | undefined, access: StoreAccess, environment: IdentityEnvironment & { readonly clock: Clock }): Promise<Authentication> {
  const factsOf = (name: string): QueryFacts => access.queryFacts(name)
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
      if (problem !== undefined) environment.log.warn({ advice: 'weak-secret', option: 'auth.gateway.secret' }, `the gateway's secret ${problem} and can be guessed`)
      return {
        ...none,
        required: true,
        requiresAuth: false,
        policy: new PermissionPolicy(auth.permissions, factsOf, environment)
      }
    }
    case 'builtIn': {
      const identity = await Identity.start(access, auth, environment)
      return { required: true, requiresAuth: true, policy: identity.policy, authenticator: identity.authenticator, identity }
    }
  }
}
