import { Server as TlsServer } from 'node:tls'
import type { FastifyInstance } from 'fastify'
import type { Log } from '../util/log.js'
import type { NoexOptions } from '../options/options.js'
import { checkDeployment, isProduction } from './deployment-check.js'
import { isLoopback } from './loopback.js'
import { BootLog } from './boot-log.js'
import { hasForeignUpgradeListener } from '../lifecycle/upgrade-guard.js'

/**
 * Logs once, when the application listens, what is known only then: the advice of `checkDeployment`, and an
 * upgrade listener that may stand in the way of the socket at `url`.
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
        `another upgrade listener of this server hears of the upgrades at ${url}, too: ` +
        'unless it leaves that path alone, its answer comes before ours and clients cannot connect')
    }
    done()
  })
}

/** Says nothing to an application that others cannot reach and that is not in production. */
function adviseAbout (fastify: FastifyInstance, options: NoexOptions, log: Log): void {
  // A Unix socket has a path in place of an address; other machines cannot reach it.
  const addresses = fastify.addresses() as Array<{ address: string } | string>
  const host = addresses.flatMap(address => typeof address === 'string' ? [] : [address.address])
  const trustProxy = trustsProxy(fastify)
  if (!isProduction() && !trustProxy && options.realIpHeader === undefined && host.every(isLoopback)) return
  const hasCookies = fastify.hasRequestDecorator('cookies')
  const https = (fastify.server as object) instanceof TlsServer
  for (const { id, option, message } of checkDeployment(options, { host, trustProxy, https, hasCookies })) {
    // Said when the service was started, to applications that do not listen as well.
    if (id !== 'weak-secret') BootLog.warn(log, { advice: id, option }, message)
  }
}

/**
 * Fastify does not tell its option `trustProxy`, nor does anything else that can be asked before there is a
 * request.
 */
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
