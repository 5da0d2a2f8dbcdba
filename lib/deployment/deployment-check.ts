import { secretProblem } from '../auth/secret-strength.js'
import { isPlainObject } from '../util/option-schema.js'
import type { NoexOptions } from '../options/options.js'
import { isLoopback } from './loopback.js'

/** A risk of a deployment, and the option that mends it. */
export interface DeploymentAdvice {
  /** Stable name of the risk, for instance `no-rate-limit`. */
  readonly id: AdviceId
  /** Path of the option that mends it, for instance `audit.sinks`. */
  readonly option: string
  /** What can happen and what to set, in one sentence, in lower case like a line of the log. */
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

/** What is checked: the options of the plugin, or what `NoexServer.start` takes. */
export interface DeploymentOptions extends NoexOptions {
  readonly host?: string | undefined
  readonly fastify?: { readonly trustProxy?: unknown, readonly https?: unknown } | undefined
}

/** What the options do not tell about a deployment. */
export interface DeploymentPlace {
  /**
   * Hosts that are listened on.
   * @default the option `host`, or else `'0.0.0.0'`
   */
  readonly host?: string | readonly string[] | undefined
  /**
   * Whether the application runs in production, where error replies should tell nothing.
   * @default whether `NODE_ENV` is `production`
   */
  readonly production?: boolean | undefined
  /**
   * Whether Fastify trusts a proxy to name clients.
   * @default by `fastify.trustProxy`
   */
  readonly trustProxy?: boolean | undefined
  /**
   * Whether Fastify itself speaks TLS.
   * @default by `fastify.https`
   */
  readonly https?: boolean | undefined
  /**
   * Whether the application reads cookies, as with `@fastify/cookie`: a hook that lets upgrades in by a
   * cookie lets in every page that its owner looks at. `auth.validate` gets no cookies unless
   * `allowedOrigins` is set.
   * @default false
   */
  readonly hasCookies?: boolean | undefined
}

/** The place with everything known, as the risks ask about it. */
interface Deployment {
  /** The member of the options at a path; `undefined` when there is none. */
  readonly at: (path: string) => unknown
  /** A host that other machines can reach. */
  readonly publicHost: string | undefined
  readonly isBehindProxy: boolean
  /** Whether strangers can send anything: directly or through the proxy. */
  readonly isExposed: boolean
  readonly isProduction: boolean
  readonly speaksTls: boolean
  readonly hasCookies: boolean
  /** How the store outlives the process; `undefined` where it does not tell. */
  readonly durability: unknown
}

interface Risk {
  readonly id: AdviceId
  readonly option: string
  readonly isRun: (deployment: Deployment) => boolean
  readonly message: string | ((deployment: Deployment) => string)
}

const risks: readonly Risk[] = [
  {
    id: 'no-tls',
    option: 'host',
    // Who has named a proxy has one in front, and may need another address than loopback to be reached by it.
    isRun: ({ publicHost, isBehindProxy, speaksTls }) =>
      publicHost !== undefined && !isBehindProxy && !speaksTls,
    message: ({ publicHost }) =>
      `passwords, tokens and data cross the network in the clear on ${publicHost}: set host to the loopback address on which a TLS proxy reaches this server, or name the proxy with realIpHeader or trustProxy`
  },
  {
    id: 'no-auth',
    option: 'auth',
    isRun: ({ at, isExposed }) =>
      isExposed &&
      (at('auth') === undefined || (at('auth.required') === false && at('auth.permissions') === undefined)),
    message: 'whoever can open the WebSocket may read, change and drop everything: set auth'
  },
  {
    id: 'weak-secret',
    option: 'auth.adminSecret',
    isRun: ({ at }) => isWeak(at('auth.adminSecret')),
    message:
      'the secret of the superadmin can be guessed: set auth.adminSecret to 32 random characters that come from outside the code'
  },
  {
    id: 'weak-secret',
    option: 'auth.gateway.secret',
    isRun: ({ at }) => isWeak(at('auth.gateway.secret')),
    message:
      'the secret that tells the gateway from others can be guessed: set auth.gateway.secret to 32 random characters that come from outside the code'
  },
  {
    id: 'any-origin',
    option: 'allowedOrigins',
    isRun: ({ at, hasCookies }) =>
      at('allowedOrigins') === undefined && (hasCookies || at('auth.gateway') !== undefined),
    message:
      'a page of any site can connect with the cookies of whoever looks at it: set allowedOrigins to the origins of your own pages'
  },
  {
    id: 'no-audit',
    option: 'audit',
    isRun: ({ at }) => at('auth') !== undefined && at('audit') === undefined,
    message: 'nobody will be able to tell who has logged in and changed what: set audit, with a sink'
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
    isRun: ({ durability, isProduction }) => isProduction && durability === 'memory',
    message: 'all records are lost when the process ends: ' +
      'set store to one that was started with durability: { directory }'
  },
  {
    id: 'store-behind',
    option: 'store',
    isRun: ({ durability, isProduction }) => isProduction && durability === 'adapter',
    message: 'a crash takes back changes that clients were told are made: ' +
      'set store to one that was started with durability: { directory } in place of persistence'
  },
  {
    id: 'no-rate-limit',
    option: 'rateLimit',
    isRun: ({ at, isExposed }) => isExposed && at('rateLimit') === undefined,
    message:
      'one client may take all the time that this server has: set rateLimit to a little more than an eager user needs'
  },
  {
    id: 'unlimited-connections',
    option: 'connectionLimits.maxConnections',
    isRun: ({ at, isExposed }) => isExposed && at('connectionLimits.maxConnections') === undefined,
    message:
      'connections may come until the memory is full: set connectionLimits.maxConnections to what this machine can carry'
  },
  {
    id: 'default-payload-limit',
    option: 'maxPayloadBytes',
    isRun: ({ at }) => at('maxPayloadBytes') === undefined,
    message:
      'a client may send frames of 1 MiB, which few applications need: set maxPayloadBytes to the largest request of yours'
  },
  {
    id: 'default-subscription-limit',
    option: 'connectionLimits.maxSubscriptionsPerConnection',
    isRun: ({ at }) => at('connectionLimits.maxSubscriptionsPerConnection') === undefined,
    message:
      'a client may hold 100 live queries, each of which costs work at every change: set connectionLimits.maxSubscriptionsPerConnection to what a page of yours opens'
  },
  {
    id: 'error-details',
    option: 'exposeErrorDetails',
    isRun: ({ at, isProduction }) => isProduction && (at('exposeErrorDetails') ?? true) === true,
    message: 'error replies tell values of records to their clients: set exposeErrorDetails to false'
  },
  {
    id: 'no-grace-period',
    option: 'shutdown.gracePeriodMs',
    isRun: ({ at }) => (at('shutdown.gracePeriodMs') ?? 0) === 0,
    message:
      'each new release cuts its clients off without a word: set shutdown.gracePeriodMs, for instance to 5000'
  }
]

/**
 * Compares the options of the plugin or of `NoexServer`, as they are written, with what a server in
 * production needs, and tells what is missing: an empty list for a deployment without a known risk. It
 * changes nothing, validates nothing and does not throw on options that boot. The same is logged, one line
 * for each risk, when an application begins to listen where others can reach it.
 */
export function checkDeployment (
  options: DeploymentOptions,
  place: DeploymentPlace = {}
): readonly DeploymentAdvice[] {
  const deployment = deploymentOf(options, place)
  return risks.filter(({ isRun }) => isRun(deployment)).map(({ id, option, message }) =>
    Object.freeze({ id, option, message: typeof message === 'string' ? message : message(deployment) }))
}

function deploymentOf (options: DeploymentOptions, place: DeploymentPlace): Deployment {
  const at = (path: string): unknown => memberAt(options, path)
  const hosts = place.host ?? options.host ?? '0.0.0.0'
  const publicHost = [hosts].flat().find(host => !isLoopback(host))
  const isBehindProxy =
    at('realIpHeader') !== undefined || (place.trustProxy ?? Boolean(at('fastify.trustProxy')))
  return {
    at,
    publicHost,
    isBehindProxy,
    isExposed: publicHost !== undefined || isBehindProxy,
    isProduction: place.production ?? isProduction(),
    speaksTls: place.https ?? Boolean(at('fastify.https')),
    hasCookies: place.hasCookies ?? false,
    durability: durabilityOf(options.store)
  }
}

/** The store may be anything: options are checked elsewhere. */
function durabilityOf (store: unknown): unknown {
  return (store as { durability?: { mode?: unknown } } | null | undefined)?.durability?.mode
}

/** Whether the environment says that this is production. */
export function isProduction (): boolean {
  return process.env['NODE_ENV'] === 'production'
}

function memberAt (options: object, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>((group, name) => (isPlainObject(group) ? group[name] : undefined), options)
}

function isWeak (secret: unknown): boolean {
  return typeof secret === 'string' && secretProblem(secret) !== undefined
}

function isFilled (list: unknown): boolean {
  return Array.isArray(list) && list.length > 0
}
