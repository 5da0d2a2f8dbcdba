import { Server as TlsServer } from 'node:tls'
import type { FastifyInstance } from 'fastify'
import type { Log } from '../log.js'
import type { NoexOptions } from '../options.js'
import { checkDeployment, isProduction } from '../deployment/deployment-check.js'
import { isLoopback } from '../deployment/loopback.js'

/**
 * Logs the advice of `checkDeployment` once, when the application listens: only then is it known where. An application
 * that others cannot reach and that is not in production is somebody's desk: it hears nothing.
 */
export function adviseOnListen (fastify: FastifyInstance, options: NoexOptions, log: Log): void {
  fastify.addHook('onListen', (done) => {
    // A Unix socket has a path in place of an address; other machines cannot reach it.
    const host = (fastify.addresses() as Array<{ address: string } | string>).flatMap(address => typeof address === 'string' ? [] : [address.address])
    const trustProxy = trustsProxy(fastify)
    if (isProduction() || trustProxy || options.realIpHeader !== undefined || !host.every(isLoopback)) {
      const hasCookies = fastify.hasRequestDecorator('cookies')
      const https = (fastify.server as object) instanceof TlsServer
      for (const { id, option, message } of checkDeployment(options, { host, trustProxy, https, hasCookies })) {
        // Said when the service was started, to applications that do not listen as well.
        if (id !== 'weak-secret') log.warn({ advice: id, option }, message)
      }
    }
    done()
  })
}

/** Fastify does not tell its option `trustProxy`, nor does anything else that can be asked before there is a request. */
function trustsProxy (fastify: FastifyInstance): boolean {
  for (let instance: object | null = fastify; instance !== null; instance = Object.getPrototypeOf(instance) as object | null) {
    const key = Object.getOwnPropertySymbols(instance).find(symbol => symbol.description === 'fastify.options')
    if (key !== undefined) return Boolean((Reflect.get(instance, key) as { trustProxy?: unknown } | undefined)?.trustProxy)
  }
  return false
}
