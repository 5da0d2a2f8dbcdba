import { Type, type TObject, type TSchema } from 'typebox'
import { Compile, type Validator } from 'typebox/compile'
import type { Tier } from '../permissions/policy.js'
import type { ApplicationOperation } from '../protocol/messages.js'
import { didYouMean, nearestNames, quoted } from '../util/nearest.js'
import {
  isPlainObject, NoexOptionsError, option, options, requireObject, type Schema
} from '../util/option-schema.js'
import { callback, integer, synchronousCallback } from '../util/option-types.js'
import type { HandlerContext, OperationResource } from './application-operation.js'
import { jsonOf, schemaProblem } from './json-schema.js'
import { resourceListProblem } from './operation-resources.js'

/** The options of the operations of the application. */
export interface OperationOptions {
  /**
   * [Operations of the application](operations.md), from `operation({ … })`: clients call them by name, like
   * those of the server.
   * @default []
   */
  operations?: readonly ApplicationOperation[] | undefined
  /**
   * Time that a client waits for a handler of `operations`, in milliseconds. A later result is dropped, and
   * later writes of it are refused.
   * @limit `INTERNAL_ERROR`
   * @default 30_000
   */
  operationTimeoutMs?: number | undefined
}

/** An operation of the option `operations`, checked. */
export interface CheckedOperation {
  readonly name: string
  readonly tier: Tier
  readonly input: TObject
  readonly output: TSchema | undefined
  readonly checkInput: Validator
  readonly checkOutput: Validator | undefined
  readonly resources:
    readonly OperationResource[] | ((input: unknown) => readonly OperationResource[]) | undefined
  readonly audit: readonly string[]
  readonly secrets: readonly string[]
  readonly handler: (context: HandlerContext<unknown>) => unknown
}

/** The namespaces of the server: those of its operations, of its entries in the audit, and reserved ones. */
const OWN_NAMESPACES: ReadonlySet<string> = new Set([
  'store', 'rules', 'procedures', 'server', 'auth', 'identity', 'audit', 'connection', 'session', 'presence',
  'noex', 'cluster', 'console'
])

/** Members of a request that are those of the protocol. */
export const OWN_MEMBERS: ReadonlySet<string> = new Set(['id', 'type', 'idempotencyKey', 'revision'])

const NAME = /^[a-z]\w{0,63}\.[a-z]\w{0,63}$/i

const tiers: ReadonlySet<unknown> = new Set<Tier>(['read', 'write', 'admin'])

const members = ['name', 'input', 'output', 'tier', 'resources', 'audit', 'secrets', 'handler']

/** The schema of the option `operations`; `type` and `fallback` are for the documents. */
const operationList: Schema<readonly CheckedOperation[]> & {
  readonly type: object, readonly fallback: object
} = {
  type: { text: 'array of `operation(…)`' },
  fallback: [],
  resolve (given, path) {
    if (given === undefined) return []
    if (!Array.isArray(given)) {
      throw new NoexOptionsError(path, 'must be an array of operations, from operation()')
    }
    const places = new Map<string, string>()
    return Array.from(given, (definition: unknown, index) => {
      const place = `${path}[${index}]`
      const checked = checkDefinition(definition, place)
      const earlier = places.get(checked.name)
      if (earlier !== undefined) {
        throw new NoexOptionsError(`${place}.name`, `is ${quoted(checked.name)}, as that of ${earlier}`)
      }
      places.set(checked.name, place)
      return checked
    })
  }
}

export const operationOptions = options<OperationOptions>()({
  operations: operationList,
  operationTimeoutMs: option(integer(1, 3_600_000), 30_000)
})

/** @throws {NoexOptionsError} for the first member that is unknown, wrong or missing */
function checkDefinition (definition: unknown, place: string): CheckedOperation {
  const given = requireObject(definition, place)
  const unknown = Object.keys(given).find(name => !members.includes(name))
  if (unknown !== undefined) {
    const [near] = nearestNames(unknown, members)
    throw new NoexOptionsError(`${place}.${unknown}`, `is unknown${didYouMean(near)}`)
  }
  const { name, tier = 'write', resources, audit = [], secrets = [], handler } = given
  checkName(name, `${place}.name`)
  const input = checkInput(given['input'] ?? Type.Object({}), `${place}.input`)
  const output = given['output'] === undefined ? undefined : checkSchema(given['output'], `${place}.output`)
  if (!tiers.has(tier)) throw new NoexOptionsError(`${place}.tier`, 'must be "read", "write" or "admin"')
  checkResources(resources, `${place}.resources`)
  const declared = Object.keys(input.schema.properties)
  checkMembers(secrets, declared, `${place}.secrets`)
  checkMembers(audit, declared.filter(member => !secrets.includes(member)), `${place}.audit`)
  if (handler === undefined) throw new NoexOptionsError(`${place}.handler`, 'is required')
  callback.check(handler, `${place}.handler`)
  return {
    name,
    tier: tier as Tier,
    input: input.schema,
    output: output?.schema,
    checkInput: input.validator,
    checkOutput: output?.validator,
    resources: resources as CheckedOperation['resources'],
    audit: [...audit],
    secrets: [...secrets],
    handler: handler as CheckedOperation['handler']
  }
}

function checkName (name: unknown, path: string): asserts name is string {
  if (typeof name !== 'string' || !NAME.test(name)) {
    throw new NoexOptionsError(path,
      'must be a namespace and a name with a dot between them, each of up to 64 letters, digits and "_" ' +
      'that begin with a letter: for instance "shop.placeOrder"')
  }
  const dot = name.indexOf('.')
  const namespace = name.slice(0, dot)
  if (!OWN_NAMESPACES.has(namespace.toLowerCase())) return
  throw new NoexOptionsError(path,
    `is ${quoted(name)}, and the namespace ${namespace} is the server's own: take another one, ` +
    `for instance "shop${name.slice(dot)}"`)
}

interface Compiled<Of> {
  readonly schema: Of
  readonly validator: Validator
}

/** Returns the schema of a request, whose members are none of the protocol's. */
function checkInput (given: unknown, path: string): Compiled<TObject> {
  const { type, properties } = requireObject(given, path)
  if (type !== 'object' || !isPlainObject(properties)) {
    throw new NoexOptionsError(path, 'must be the schema of an object, from Type.Object({ … })')
  }
  const taken = Object.keys(properties).find(name => OWN_MEMBERS.has(name))
  if (taken !== undefined) {
    const other = `order${taken.slice(0, 1).toUpperCase()}${taken.slice(1)}`
    throw new NoexOptionsError(`${path}.properties.${taken}`,
      `is a member of every request: take another name, for instance ${quoted(other)}`)
  }
  return checkSchema(given, path) as Compiled<TObject>
}

function checkSchema (given: unknown, path: string): Compiled<TSchema> {
  const schema = requireObject(given, path)
  const shown = jsonOf(schema)
  if (shown === undefined) throw new NoexOptionsError(path, 'must be JSON: clients are shown it')
  const found = schemaProblem(shown, path)
  if (found !== undefined) throw new NoexOptionsError(found.path, found.problem)
  try {
    return { schema: schema as TSchema, validator: Compile(schema) as Validator }
  } catch (error) {
    throw new NoexOptionsError(path, 'cannot be compiled', { cause: error })
  }
}

function checkResources (resources: unknown, path: string): void {
  if (resources === undefined) return
  if (typeof resources === 'function') {
    synchronousCallback.check(resources, path)
    return
  }
  const found = resourceListProblem(resources)
  if (found !== undefined) throw new NoexOptionsError(path + found.path, found.problem)
}

function checkMembers (
  names: unknown, declared: readonly string[], path: string
): asserts names is string[] {
  if (!Array.isArray(names)) throw new NoexOptionsError(path, 'must be a list of members of the input')
  for (const [index, name] of (names as unknown[]).entries()) {
    if (declared.includes(name as string)) continue
    const [near] = nearestNames(String(name), declared)
    throw new NoexOptionsError(`${path}[${index}]`,
      `is ${quoted(String(name))}, which is no member of the input that may be here${didYouMean(near)}`)
  }
}
