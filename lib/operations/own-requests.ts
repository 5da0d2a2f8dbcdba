import { ApplicationCallback } from '../application/application-callback.js'
import type { CallbackEnvironment } from '../application/failure-log.js'
import type { ResourceAccess } from '../permissions/policy.js'
import type { RequestMessage } from '../protocol/messages.js'
import { firstProblem } from '../protocol/shape.js'
import { OWN_MEMBERS, type CheckedOperation } from './operation-options.js'
import { accessesTo, resourceListProblem } from './operation-resources.js'

type Members = Readonly<Record<string, unknown>>

/** A request of an operation of the application, as far as it has been looked at. */
interface Looked {
  readonly input: Members
  readonly isValid: boolean
  resources?: readonly ResourceAccess[]
}

const wholeServer = [{ type: 'server', name: '*', records: false }] as const

/** Checks the requests of one operation of the application, and tells what they use. */
export class OwnRequests {
  readonly #definition: CheckedOperation
  readonly #resources: ApplicationCallback<[input: Members]> | undefined
  /** The resources of a request that is not looked at: those of the definition, or the server. */
  readonly #fixed: readonly ResourceAccess[]
  readonly #looked = new WeakMap<RequestMessage, Looked>()

  constructor (definition: CheckedOperation, environment: CallbackEnvironment) {
    const { name, tier, resources } = definition
    this.#definition = definition
    if (typeof resources === 'function') {
      this.#resources = new ApplicationCallback(`the function resources of ${name}`, resources, environment)
      this.#fixed = accessesTo(wholeServer, name, tier)
    } else {
      this.#fixed = accessesTo(resources ?? wholeServer, name, tier)
    }
  }

  /** Whether a function of the application tells the resources of a request. */
  get hasComputedResources (): boolean {
    return this.#resources !== undefined
  }

  /** Returns the members of the request that the operation declares. */
  inputOf (request: RequestMessage): Members {
    return this.#look(request).input
  }

  /** @throws `VALIDATION_ERROR` naming the first wrong member */
  validate (request: RequestMessage): void {
    const { input, isValid } = this.#look(request)
    if (!isValid) throw firstProblem(this.#definition.checkInput, input)
  }

  /**
   * Returns the resources of a request. The function of the application is asked once, and only about a valid
   * request; any other is refused afterwards.
   * @throws {CallbackError} when that function fails
   */
  resources (request: RequestMessage): readonly ResourceAccess[] {
    if (this.#resources === undefined) return this.#fixed
    const looked = this.#look(request)
    if (!looked.isValid) return this.#fixed
    looked.resources ??= this.#resources.decide(list => this.#accesses(list), looked.input)
    return looked.resources
  }

  /** Returns the name of the first resource of a request for the audit; `*` where it cannot be told. */
  resourceOf (request: RequestMessage): string {
    try {
      return this.resources(request)[0]?.name ?? '*'
    } catch {
      return '*'
    }
  }

  /** Returns the members of a request that the audit records; `undefined` where there are none. */
  detailsOf (request: RequestMessage): Members | undefined {
    const recorded = this.#definition.audit
      .filter(name => Object.hasOwn(request, name))
      .map(name => [name, recordable(request[name])] as const)
      .filter(([, value]) => value !== undefined)
    return recorded.length === 0 ? undefined : Object.fromEntries(recorded)
  }

  /** @throws {TypeError} for a wrong answer of the application */
  #accesses (list: unknown): readonly ResourceAccess[] {
    const found = resourceListProblem(list, true)
    if (found !== undefined) throw new TypeError(`its result${found.path} ${found.problem}`)
    return accessesTo(list as Parameters<typeof accessesTo>[0], this.#definition.name, this.#definition.tier)
  }

  #look (request: RequestMessage): Looked {
    let looked = this.#looked.get(request)
    if (looked === undefined) {
      const input = this.#declared(request)
      looked = { input, isValid: this.#definition.checkInput.Check(input) }
      this.#looked.set(request, looked)
    }
    return looked
  }

  /** Returns the declared members; all of them where the schema says what becomes of others. */
  #declared (request: RequestMessage): Members {
    const { input: { properties, ...keywords } } = this.#definition
    const isClosed = 'additionalProperties' in keywords || 'patternProperties' in keywords
    const names = Object.keys(request).filter(name =>
      isClosed ? !OWN_MEMBERS.has(name) : Object.hasOwn(properties, name))
    return Object.fromEntries(names.map(name => [name, request[name]]))
  }
}

function recordable (value: unknown): unknown {
  if (['string', 'number', 'boolean'].includes(typeof value)) return value
  return Array.isArray(value) ? value.filter(item => typeof item === 'string') : undefined
}
