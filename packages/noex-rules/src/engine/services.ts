import { ServiceError, ServiceTimeoutError } from '../errors.js'
import type { Counters } from '../state/stats.js'
import type { CompleteClock } from '../util/clock.js'
import { isThenable } from '../util/thenable.js'
import { type CallContext, ServiceContext } from './call-context.js'
import type { ChainScheduler } from './chain-scheduler.js'
import type { Chain } from './chain.js'

/** A method of a service that can be called. */
interface ServiceCall {
  readonly service: string
  readonly method: string
  readonly call: (args: readonly unknown[]) => unknown
}

/** The services that rules can call: objects of the application, by name. */
export class Services {
  readonly #services: Readonly<Record<string, object>>
  readonly #chains: ChainScheduler
  readonly #clock: CompleteClock
  readonly #counters: Counters

  constructor (
    services: Readonly<Record<string, object>>,
    chains: ChainScheduler,
    clock: CompleteClock,
    counters: Counters
  ) {
    this.#services = services
    this.#chains = chains
    this.#clock = clock
    this.#counters = counters
  }

  /**
   * Finds a method. Throws `ServiceError` for an unknown service, and for anything but a function that the
   * service or its class declares.
   */
  find (service: string, method: string): ServiceCall {
    if (!Object.hasOwn(this.#services, service)) {
      throw new ServiceError(service, method, 'there is no such service')
    }
    const target = this.#services[service]!
    const declared = declaredMethod(target, method)
    if (declared === undefined) throw new ServiceError(service, method, 'the service has no such method')
    return { service, method, call: args => Reflect.apply(declared, target, args) }
  }

  /**
   * Runs calls of services in a context of a chain, and processes their requests. Resolves to `undefined`
   * when the context is detached first; a later failure goes to `onLateFailure`.
   */
  async callInContext<T> (
    chain: Chain,
    level: number,
    calls: (context: CallContext) => Promise<T>,
    onLateFailure: (error: unknown) => void
  ): Promise<T | undefined> {
    let isLeft = false
    let leave!: () => void
    const left = new Promise<undefined>(resolve => {
      leave = () => {
        isLeft = true
        resolve(undefined)
      }
    })
    const context = new ServiceContext(chain, level, leave)
    const answer = calls(context)
    answer.catch((error: unknown) => { if (isLeft) onLateFailure(error) })
    try {
      return await Promise.race([answer, left])
    } finally {
      await context.close()
    }
  }

  /**
   * Calls a method in a context of a chain. Rejects with an error of the method, and with
   * `ServiceTimeoutError` when the chain has waited for services for `serviceTimeoutMs`.
   */
  call (
    { service, method, call }: ServiceCall,
    args: readonly unknown[],
    context: CallContext
  ): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const answer = this.#chains.runInside(context, () => call(args))
      if (!isThenable(answer)) {
        resolve(answer)
        return
      }
      const timeoutMs = context.chain.serviceTimeLeft
      const cancel = this.#clock.after(timeoutMs, () => {
        this.#counters.servicesTimedOut++
        reject(new ServiceTimeoutError(service, method, Math.round(timeoutMs)))
      })
      // A native promise handles a thenable that resolves to another one, throws, or settles twice.
      Promise.resolve(answer).finally(cancel).then(resolve, reject)
    })
  }
}

type AnyFunction = (...args: never) => unknown

/**
 * Returns a function that an object or one of its classes declares; none that all objects or functions
 * inherit.
 */
function declaredMethod (target: object, method: string): AnyFunction | undefined {
  if (method === 'constructor' || method.startsWith('_')) return undefined
  let owner: object | null = target
  for (; owner !== null; owner = Object.getPrototypeOf(owner) as object | null) {
    if (owner !== target && isBuiltInPrototype(owner)) return undefined
    const descriptor = Object.getOwnPropertyDescriptor(owner, method)
    if (descriptor !== undefined) {
      return typeof descriptor.value === 'function' ? descriptor.value as AnyFunction : undefined
    }
  }
  return undefined
}

function isBuiltInPrototype (prototype: object): boolean {
  return prototype === Function.prototype || Object.getPrototypeOf(prototype) === null
}
