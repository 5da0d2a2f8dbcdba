import { Server as TlsServer } from 'node:tls'
import type { FastifyInstance } from 'fastify'
import type { NoexOptions } from '../options/options.js'
import type { Log } from '../util/log.js'
import { hasForeignUpgradeListener } from '../lifecycle/upgrade-guard.js'
import { BootLog } from './boot-log.js'
import { checkDeployment, isLoopback, isProduction } from './deployment-check.js'

/**
 * Logs when the application listens, because the facts are known only then: the advice of `checkDeployment`,
 * and the presence of an upgrade listener that may answer the upgrades at `url`.
 */
export function adviseOnListen (fastify: FastifyInstance, options: NoexOptions, url: string, log: Log): void {
  fastify.addHook('onReady', (done) => {
    BootLog.end(log)
    done()
  })
  fastify.addHook('onListen', (done) => {
    adviseAbout(fastify, options, log)
    if (hasForeignUpgradeListener(fastify.server)) {
      BootLog.warn(log, { path: url },
        `another upgrade listener of this server receives the upgrades at ${url}, too: ` +
        'unless it ignores that path, it answers first and clients cannot connect')
    }
    done()
  })
}

/** Logs advice, unless other machines cannot reach the application and it is not in production. */
function adviseAbout (fastify: FastifyInstance, options: NoexOptions, log: Log): void {
  // A Unix socket has a path in place of an address; other machines cannot reach it.
  const addresses = fastify.addresses() as Array<{ address: string } | string>
  const host = addresses.flatMap(address => typeof address === 'string' ? [] : [address.address])
  const trustProxy = trustsProxy(fastify)
  if (!isProduction() && !trustProxy && options.realIpHeader === undefined && host.every(isLoopback)) return
  const hasCookies = fastify.hasRequestDecorator('cookies')
  const https = (fastify.server as object) instanceof TlsServer
  for (const { id, option, message } of checkDeployment(options, { host, trustProxy, https, hasCookies })) {
    // Logged at the start of the service already, since an application need not listen.
    if (id !== 'weak-secret') BootLog.warn(log, { advice: id, option }, message)
  }
}

/** Returns the option `trustProxy`, which Fastify does not expose before there is a request. */
function trustsProxy (fastify: FastifyInstance): boolean {
  for (
    let instance: object | null = fastify;
    instance !== null;
    instance = Object.getPrototypeOf(instance) as object | null
  ) {
    const key = Object.getOwnPropertySymbols(instance).find(
      symbol => symbol.description === 'fastify.options'
    )
    if (key !== undefined) {
      return Boolean((Reflect.get(instance, key) as { trustProxy?: unknown } | undefined)?.trustProxy)
    }
  }
  return false
}
