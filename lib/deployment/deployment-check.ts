import { readAddress } from '../handshake/client-address.js'
import type { NoexOptions } from '../options/options.js'
import { isPlainObject } from '../util/option-schema.js'
import { risks, type Deployment, type DeploymentAdvice } from './risks.js'

export type { AdviceId, DeploymentAdvice } from './risks.js'

/** The options to check: those of the plugin, or of `NoexServer.start`. */
export interface DeploymentOptions extends NoexOptions {
  readonly host?: string | undefined
  readonly fastify?: { readonly trustProxy?: unknown, readonly https?: unknown } | undefined
}

/** Facts of a deployment that its options do not show. */
export interface DeploymentPlace {
  /**
   * Hosts on which the server listens.
   * @default the option `host`, or else `'0.0.0.0'`
   */
  readonly host?: string | readonly string[] | undefined
  /**
   * Whether the application runs in production, where error replies should not show values of records.
   * @default whether `NODE_ENV` is `production`
   */
  readonly production?: boolean | undefined
  /**
   * Whether Fastify trusts a proxy to name the addresses of clients.
   * @default by `fastify.trustProxy`
   */
  readonly trustProxy?: boolean | undefined
  /**
   * Whether Fastify itself uses TLS.
   * @default by `fastify.https`
   */
  readonly https?: boolean | undefined
  /**
   * Whether the application reads cookies, as with `@fastify/cookie`: a hook that accepts upgrades by a
   * cookie accepts those of every page that its owner visits. `auth.validate` receives no cookies unless
   * `allowedOrigins` is set.
   * @default false
   */
  readonly hasCookies?: boolean | undefined
}

/**
 * Compares the options of the plugin or of `NoexServer` with the needs of a server in production. Returns
 * advice on each risk; an empty list for a deployment without a known risk. It does not change or validate
 * the options, and does not throw for options that boot. The same advice is logged, one line for each risk,
 * when an application begins to listen where other machines can reach it.
 * @example
 * for (const { option, message } of checkDeployment(options)) console.warn(`${option}: ${message}`)
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

/** Returns the durability mode of a store, which may be any value: options are checked elsewhere. */
function durabilityOf (store: unknown): unknown {
  return (store as { durability?: { mode?: unknown } } | null | undefined)?.durability?.mode
}

/** Returns whether `NODE_ENV` is `production`. */
export function isProduction (): boolean {
  return process.env['NODE_ENV'] === 'production'
}

function memberAt (options: object, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>((group, name) => (isPlainObject(group) ? group[name] : undefined), options)
}

/** Returns whether only this machine can reach a server on `host`: an address, or the name `localhost`. */
export function isLoopback (host: string): boolean {
  const address = readAddress(host)
  if (address === undefined) return host.toLowerCase() === 'localhost'
  return address === '::1' || address.startsWith('127.')
}
