import type { OperationNames } from '../permissions/operation-names.js'
import { checkGroup, isInteger, isPlainObject, NoexOptionsError, type Checks } from '../util/option-schema.js'

/** How much a user, or an address on which nobody is logged in, may ask for. */
export interface RateLimitOptions {
  /** Requests in one window, or what they cost together. */
  maxRequests: number
  /** A window begins with the first request and ends this many milliseconds later. */
  windowMs: number
  /**
   * What a request of an operation costs, by its name; 0: nothing, but no more than `maxRequests`. An
   * `insertMany` costs it for
   * each of its records, alone and in a transaction. `work`: units of work (see `workBudget`) that cost one
   * request more.
   * @default 1 for each operation, 100_000 for `work`
   */
  costs?: Readonly<Record<string, number>> | undefined
}

/** Checked. */
export interface ResolvedRateLimit {
  readonly maxRequests: number
  readonly windowMs: number
  readonly costs: ReadonlyMap<string, number>
  /** Units of work that cost as much as a request. */
  readonly unitsPerRequest: number
}

const allowed: Checks = {
  maxRequests: isInteger(1, Number.MAX_SAFE_INTEGER),
  windowMs: isInteger(1, Number.MAX_SAFE_INTEGER),
  costs: isObject
}

/** The name among the costs that is no operation's. */
const WORK = 'work'

/** Units that about take as much time as a hundred small requests. */
const UNITS_PER_REQUEST = 100_000

/** Checks the option `rateLimit`. @throws {NoexOptionsError} */
export function resolveRateLimit (value: unknown): ResolvedRateLimit | undefined {
  if (value === undefined) return undefined
  if (!isPlainObject(value)) throw new NoexOptionsError('rateLimit', 'must be an object')
  checkGroup(value, allowed, 'rateLimit.')
  const { maxRequests, windowMs, costs = {} } = value as Partial<RateLimitOptions>
  if (maxRequests === undefined) throw new NoexOptionsError('rateLimit.maxRequests', 'is required')
  if (windowMs === undefined) throw new NoexOptionsError('rateLimit.windowMs', 'is required')
  const cost = isInteger(0, maxRequests)
  const { [WORK]: unitsPerRequest = UNITS_PER_REQUEST, ...ofOperations } = costs
  isInteger(1, Number.MAX_SAFE_INTEGER)(unitsPerRequest, `rateLimit.costs.${WORK}`)
  for (const [operation, value] of Object.entries(ofOperations)) cost(value, `rateLimit.costs.${operation}`)
  return { maxRequests, windowMs, costs: new Map(Object.entries(ofOperations)), unitsPerRequest }
}

/** Throws unless each of the `costs` is that of an operation that exists. @throws {NoexOptionsError} */
export function checkCosts (
  limit: ResolvedRateLimit | undefined,
  operations: Pick<OperationNames, 'has' | 'didYouMean'>
): void {
  for (const operation of limit?.costs.keys() ?? []) {
    if (operations.has(operation)) continue
    throw new NoexOptionsError(
      `rateLimit.costs.${operation}`,
      `is the cost of an operation that does not exist${operations.didYouMean(operation)}`
    )
  }
}

function isObject (value: unknown, path: string): void {
  if (!isPlainObject(value)) throw new NoexOptionsError(path, 'must be an object')
}
