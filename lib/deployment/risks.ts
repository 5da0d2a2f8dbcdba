import { secretProblem } from '../auth/secret-strength.js'

/** Advice on a risk of a deployment. */
export interface DeploymentAdvice {
  /** Stable name of the risk, for instance `no-rate-limit`. */
  readonly id: AdviceId
  /** Path of the option that removes the risk, for instance `audit.sinks`. */
  readonly option: string
  /** A sentence for the log, in lower case: the possible damage, and the option to set. */
  readonly message: string
}

/** The risks that `checkDeployment` knows. docs/deployment.md, "Checklist", says when each is given. */
export type AdviceId =
  | 'any-origin'
  | 'audit-in-memory'
  | 'default-payload-limit'
  | 'default-subscription-limit'
  | 'error-details'
  | 'no-audit'
  | 'no-auth'
  | 'no-grace-period'
  | 'no-rate-limit'
  | 'no-tls'
  | 'store-behind'
  | 'store-in-memory'
  | 'unlimited-connections'
  | 'weak-secret'

/** The facts of a deployment on which the risks depend. */
export interface Deployment {
  /** Returns the option at a path; `undefined` when it is not set. */
  readonly at: (path: string) => unknown
  /** A host that other machines can reach; `undefined` where there is none. */
  readonly publicHost: string | undefined
  readonly isBehindProxy: boolean
  /** Whether other machines can connect, directly or through a proxy. */
  readonly isExposed: boolean
  readonly isProduction: boolean
  readonly speaksTls: boolean
  readonly hasCookies: boolean
  /** The durability mode of the store; `undefined` where it is not known. */
  readonly durability: unknown
}

/** A risk, and the condition under which a deployment runs it. */
interface Risk {
  readonly id: AdviceId
  readonly option: string
  readonly isRun: (deployment: Deployment) => boolean
  readonly message: string | ((deployment: Deployment) => string)
}

/** All risks, in the order in which `checkDeployment` returns them. */
export const risks: readonly Risk[] = [
  {
    id: 'no-tls',
    option: 'host',
    // A proxy may need another address than loopback to reach the server.
    isRun: ({ publicHost, isBehindProxy, speaksTls }) =>
      publicHost !== undefined && !isBehindProxy && !speaksTls,
    message: ({ publicHost }) =>
      `passwords, tokens and data are sent without encryption on ${publicHost}: set host to the loopback ` +
      'address on which a TLS proxy reaches this server, or name the proxy with realIpHeader or trustProxy'
  },
  {
    id: 'no-auth',
    option: 'auth',
    isRun: ({ at, isExposed }) =>
      isExposed &&
      (at('auth') === undefined || (at('auth.required') === false && at('auth.permissions') === undefined)),
    message: 'any client that can open the WebSocket may read, change and delete everything: set auth'
  },
  {
    id: 'weak-secret',
    option: 'auth.adminSecret',
    isRun: ({ at }) => isWeak(at('auth.adminSecret')),
    message: 'the secret of the superadmin can be guessed: ' +
      'set auth.adminSecret to 32 random characters that come from outside the code'
  },
  {
    id: 'weak-secret',
    option: 'auth.gateway.secret',
    isRun: ({ at }) => isWeak(at('auth.gateway.secret')),
    message: 'the secret that identifies the gateway can be guessed: ' +
      'set auth.gateway.secret to 32 random characters that come from outside the code'
  },
  {
    id: 'weak-secret',
    option: 'auth.scrapeToken',
    isRun: ({ at }) => isWeak(at('auth.scrapeToken')),
    message: 'the token that reads the metrics can be guessed: ' +
      'set auth.scrapeToken to 32 random characters that come from outside the code'
  },
  {
    id: 'any-origin',
    option: 'allowedOrigins',
    isRun: ({ at, hasCookies }) =>
      at('allowedOrigins') === undefined && (hasCookies || at('auth.gateway') !== undefined),
    message: 'a page of any site can connect with the cookies of its visitor: ' +
      'set allowedOrigins to the origins of your own pages'
  },
  {
    id: 'no-audit',
    option: 'audit',
    isRun: ({ at }) => at('auth') !== undefined && at('audit') === undefined,
    message: 'logins and changes are not recorded: set audit, with a sink'
  },
  {
    id: 'audit-in-memory',
    option: 'audit.sinks',
    isRun: ({ at }) =>
      at('audit') !== undefined && at('audit.onEntry') === undefined && !isFilled(at('audit.sinks')),
    message: 'the audit trail is lost when the process ends: set audit.sinks to a jsonlSink or a postgresSink'
  },
  {
    id: 'store-in-memory',
    option: 'store',
    isRun: ({ at, durability, isProduction }) =>
      isProduction && durability === 'memory' && at('cluster') === undefined,
    message: 'all records are lost when the process ends: ' +
      'set store to one that was started with durability: { directory }'
  },
  {
    id: 'store-behind',
    option: 'store',
    isRun: ({ durability, isProduction }) => isProduction && durability === 'adapter',
    message: 'a crash loses changes that were confirmed to clients: ' +
      'set store to one that was started with durability: { directory } in place of persistence'
  },
  {
    id: 'no-rate-limit',
    option: 'rateLimit',
    isRun: ({ at, isExposed }) => isExposed && at('rateLimit') === undefined,
    message: 'one client may use all the time of this server: ' +
      'set rateLimit to a little more than a busy user needs'
  },
  {
    id: 'unlimited-connections',
    option: 'connectionLimits.maxConnections',
    isRun: ({ at, isExposed }) => isExposed && at('connectionLimits.maxConnections') === undefined,
    message: 'connections may be opened until the memory is full: ' +
      'set connectionLimits.maxConnections to the number that this machine can hold'
  },
  {
    id: 'default-payload-limit',
    option: 'maxPayloadBytes',
    isRun: ({ at }) => at('maxPayloadBytes') === undefined,
    message: 'a client may send frames of 1 MiB, which few applications need: ' +
      'set maxPayloadBytes to the size of your largest request'
  },
  {
    id: 'default-subscription-limit',
    option: 'connectionLimits.maxSubscriptionsPerConnection',
    isRun: ({ at }) => at('connectionLimits.maxSubscriptionsPerConnection') === undefined,
    message: 'a client may hold 100 live queries, each of which takes work at every change: ' +
      'set connectionLimits.maxSubscriptionsPerConnection to the number that one of your pages opens'
  },
  {
    id: 'error-details',
    option: 'exposeErrorDetails',
    isRun: ({ at, isProduction }) => isProduction && (at('exposeErrorDetails') ?? true) === true,
    message: 'error replies show values of records to their clients: set exposeErrorDetails to false'
  },
  {
    id: 'no-grace-period',
    option: 'shutdown.gracePeriodMs',
    isRun: ({ at }) => (at('shutdown.gracePeriodMs') ?? 0) === 0,
    message: 'each restart disconnects its clients without notice: ' +
      'set shutdown.gracePeriodMs, for instance to 5000'
  }
]

function isWeak (secret: unknown): boolean {
  return typeof secret === 'string' && secretProblem(secret) !== undefined
}

function isFilled (list: unknown): boolean {
  return Array.isArray(list) && list.length > 0
}
