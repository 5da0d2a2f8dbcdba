import type { Chain } from './chain.js'
import type { ChainScheduler } from './chain-scheduler.js'
import type { CompleteClock } from '../util/clock.js'
import { ServiceError, ServiceTimeoutError } from '../errors.js'
import { type CallContext, ServiceContext } from './call-context.js'
import type { Counters } from '../state/stats.js'
import { isThenable } from '../util/thenable.js'

/** A method of a service, found and ready to be called. */
interface ServiceCall {
  readonly service: string
  readonly method: string
  readonly call: (args: readonly unknown[]) => unknown
}

/** What rules can call: the application's objects, by name. */
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

  /** Throws `ServiceError` for what is no service, and for what is not a function that it or its class declares. */
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
   * Has services called at a place in a chain, and what they ask for done. Gives `undefined` when the
   * place is left before; what then still fails is told to `onLateFailure`.
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
   * Calls a method at a place in a chain. Rejects with what the method throws, and with
   * `ServiceTimeoutError` when the chain has waited for services as long as it may.
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
      // A thenable may answer with another one, fail when it is asked, or answer twice: a promise sees to it.
      Promise.resolve(answer).finally(cancel).then(resolve, reject)
    })
  }
}

type AnyFunction = (...args: never) => unknown

/** A function that an object or one of its classes declares. What all objects and all functions have is none. */
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
