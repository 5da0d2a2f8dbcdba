import { NoexOptionsError, option, options, required, type Resolved } from '../util/option-schema.js'
import { integer, MAX_INTEGER, plainObject } from '../util/option-types.js'

/** The option `rateLimit`. */
export interface RateLimitOptions {
  /** Requests in one window, or what they cost together. */
  maxRequests: number
  /** Length of a window, which begins with the first request, in milliseconds. */
  windowMs: number
  /**
   * Cost of a request by the name of its operation, 0 to `maxRequests`; an `insertMany` costs as much for
   * each of its records, alone and in a transaction. `work`: units of work (see `workBudget`) that cost one
   * request more.
   * @default 1 for each operation, 100_000 for `work`
   */
  costs?: Readonly<Record<string, number>> | undefined
}

/** The member of `costs` that is no operation's. */
const WORK = 'work'

/** Units that about take as much time as a hundred small requests. */
const UNITS_PER_REQUEST = 100_000

export const rateLimitOptions = options<RateLimitOptions>()({
  maxRequests: required(integer(1, MAX_INTEGER)),
  windowMs: required(integer(1, MAX_INTEGER)),
  costs: option(plainObject, {})
}, ({ maxRequests, windowMs, costs }, path) => {
  const { [WORK]: unitsPerRequest = UNITS_PER_REQUEST, ...ofOperations } = costs
  integer(1, MAX_INTEGER).check(unitsPerRequest, `${path}.costs.${WORK}`)
  const cost = integer(0, maxRequests)
  for (const [operation, value] of Object.entries(ofOperations)) {
    cost.check(value, `${path}.costs.${operation}`)
  }
  return {
    maxRequests,
    windowMs,
    costs: new Map(Object.entries(ofOperations)) as ReadonlyMap<string, number>,
    /** Units of work that cost as much as a request. */
    unitsPerRequest
  }
})

/** The option `rateLimit` with its defaults, checked. */
export type ResolvedRateLimit = Resolved<typeof rateLimitOptions>

/** The names of operations, with the name that is meant by one that does not exist. */
interface KnownOperations {
  has: (name: string) => boolean
  didYouMean: (name: string) => string
}

/** Throws unless each of the `costs` is that of an operation that exists. @throws {NoexOptionsError} */
export function checkCosts (limit: ResolvedRateLimit | undefined, operations: KnownOperations): void {
  for (const operation of limit?.costs.keys() ?? []) {
    if (operations.has(operation)) continue
    throw new NoexOptionsError(
      `rateLimit.costs.${operation}`,
      `is the cost of an operation that does not exist${operations.didYouMean(operation)}`
    )
  }
}
