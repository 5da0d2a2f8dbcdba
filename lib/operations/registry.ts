import type { ResolvedAuth } from '../auth/auth-options.js'
import { NoexServerError, NothingNamedError } from '../protocol/errors.js'
import { noRuleEngine, notConfigured } from '../protocol/refusals.js'
import { audit } from './audit.js'
import { auth } from './auth.js'
import { identityAcl } from './identity-acl.js'
import { identityRoles } from './identity-roles.js'
import { identitySession } from './identity-session.js'
import { identityUsers } from './identity-users.js'
import type { OperationTable, OwnOperation } from './context.js'
import type { Operation } from './operation.js'
import { procedures } from './procedures.js'
import { rules as ruleEvents } from './rules.js'
import { rulesAdmin } from './rules-admin.js'
import { server } from './server.js'
import { storeAdmin } from './store-admin.js'
import { storeQuery } from './store-query.js'
import { storeSubscribe } from './store-subscribe.js'
import { storeRead } from './store-read.js'
import { storeTransaction } from './store-transaction.js'
import { storeWrite } from './store-write.js'

const always: readonly Operation[] = [
  ...storeRead,
  ...storeWrite,
  storeTransaction,
  ...storeQuery,
  ...storeSubscribe,
  ...storeAdmin,
  ...procedures,
  ...server
]
const rules: readonly Operation[] = [...ruleEvents, ...rulesAdmin]
const identity: readonly Operation[] = [
  ...identitySession,
  ...identityUsers,
  ...identityRoles,
  ...identityAcl
]

/** The `auth` operations of gateway mode, in which the gateway decides about the session. */
const underGateway = auth.filter(({ name }) => name === 'auth.whoami')

/** All operations of the protocol, by name: the single source for dispatch, permissions, audit and docs. */
export const operations: ReadonlyMap<string, Operation> = tableOf([
  ...always,
  ...auth,
  ...identity,
  ...audit,
  ...rules
])

/** The operations that each mode of authentication adds. */
const ofMode: Readonly<Record<ResolvedAuth['mode'], readonly Operation[]>> = {
  external: auth,
  gateway: underGateway,
  builtIn: [...auth, ...identity]
}

/** The refusals of operations of a namespace whose feature is not configured. */
const absent: ReadonlyMap<string, NoexServerError> = new Map([
  ['auth', notConfigured('Authentication')],
  ['audit', notConfigured('The audit trail')],
  ['identity', notConfigured('Identity management')],
  ['rules', noRuleEngine()]
])

/** The configured features on which operations depend. */
export interface Features {
  readonly mode: ResolvedAuth['mode'] | undefined
  readonly hasAudit: boolean
  readonly hasRules: boolean
  /** The operations of the application. */
  readonly own: readonly OwnOperation[]
}

/** The operations of a service, and its refusals of all others. */
export class OperationRegistry implements OperationTable {
  readonly own: readonly OwnOperation[]
  readonly #table: ReadonlyMap<string, Operation>
  readonly #namespaces: ReadonlySet<string>

  constructor ({ mode, hasAudit, hasRules, own }: Features) {
    this.own = own
    const offered = [
      ...always,
      ...(mode === undefined ? [] : ofMode[mode]),
      ...(hasAudit ? audit : []),
      ...(hasRules ? rules : []),
      ...own
    ]
    this.#table = tableOf(offered)
    this.#namespaces = new Set(offered.map(({ name }) => namespaceOf(name)))
  }

  find (type: string): Operation | undefined {
    return this.#table.get(type)
  }

  /** The operations, in the order of the table. */
  values (): Iterable<Operation> {
    return this.#table.values()
  }

  /** Returns the refusal of an operation that is not there: `UNKNOWN_OPERATION` or `RULES_NOT_AVAILABLE`. */
  unknown (type: string): NoexServerError {
    const namespace = namespaceOf(type)
    const refusal = this.#namespaces.has(namespace) ? undefined : absent.get(namespace)
    return refusal ?? new NothingNamedError('operation', type)
  }
}

function tableOf (list: readonly Operation[]): ReadonlyMap<string, Operation> {
  return new Map(list.map(operation => [operation.name, operation]))
}

function namespaceOf (type: string): string {
  return type.slice(0, Math.max(type.indexOf('.'), 0))
}
