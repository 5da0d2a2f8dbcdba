import { permissionRules, RULES_PATH } from '../auth/auth-options.js'
import { adviceOnBucket, adviceOnPermission } from '../permissions/name-advice.js'
import type { KnownNames, NameAdvice } from '../permissions/name-advice.js'
import { OperationNames } from '../permissions/operation-names.js'
import { ANONYMOUS } from '../permissions/permission-options.js'
import type { OperationResource } from '../operations/application-operation.js'
import type { Identity } from '../identity/identity.js'
import type { Log } from '../util/log.js'
import { didYouMean, nearestNames, quoted } from '../util/nearest.js'
import type { ResolvedOptions } from '../options/options.js'

/** Number of names that are logged; of the others, their number is logged. */
const MAX_ADVICE = 50

/** The parts of the service that use names, and the existing names. */
interface NameSources {
  readonly options: ResolvedOptions
  readonly identity: Identity | undefined
  readonly operations: Iterable<string>
  /** See `KnownNames`. */
  readonly recordOperations: Iterable<string>
  readonly bucketNames: readonly string[]
  /** See `KnownNames`. */
  readonly topics: readonly string[]
}

/**
 * Warns of names in permissions, in roles and in procedures of the application that do not exist: a log line
 * each, with `advice: 'unknown-name'` and the path as `option`.
 */
export function adviseOnNames (sources: NameSources, log: Log): void {
  const { options: { auth, operations, procedures, store }, identity } = sources
  const known: KnownNames = {
    operations: new OperationNames(sources.operations),
    recordOperations: new OperationNames(sources.recordOperations),
    namingOperations: new OperationNames(
      operations.filter(({ resources }) => resources !== undefined).map(({ name }) => name)
    ),
    buckets: new Set(sources.bucketNames),
    queries: new Set(store.getQueries().map(({ name }) => name)),
    topics: new Set(sources.topics)
  }
  const ofRules = permissionRules(auth).map((rule, i) => {
    const at = `${RULES_PATH}[${i}]`
    return [...adviceOnRole(`${at}.role`, rule.role), ...adviceOnPermission(at, rule, known)]
  })
  const ofProcedures = procedures.definitions.map(({ buckets }, i) => buckets.flatMap(({ path, bucket }) =>
    adviceOnBucket(`procedures.definitions[${i}].${path}`, bucket, known, 'bucket')))
  const ofOperations = operations.map(({ resources }, i) =>
    typeof resources === 'function' ? [] : adviceOnResources(`operations[${i}].resources`, resources, known))
  logAdvice([
    ...ofRules.flat(), ...identity?.adviceOnRoles(known) ?? [], ...ofProcedures.flat(), ...ofOperations.flat()
  ], log)
}

/** Returns advice on the buckets and queries that an operation of the application names. */
function adviceOnResources (
  at: string, resources: readonly OperationResource[] = [], known: KnownNames
): NameAdvice[] {
  return resources.flatMap(({ type, name }, i) => {
    if (type === 'bucket') return adviceOnBucket(`${at}[${i}]`, name, known, 'bucket')
    if (type !== 'query' || known.queries.has(name)) return []
    const [near] = nearestNames(name, known.queries)
    return [{ at: `${at}[${i}]`, message: `there is no query ${quoted(name)} so far${didYouMean(near)}` }]
  })
}

/**
 * Returns advice on a name like `anonymous`: all other roles come from tokens and gateways, and are not
 * known.
 */
function adviceOnRole (at: string, role: string): NameAdvice[] {
  const [near] = nearestNames(role, [ANONYMOUS])
  if (near === undefined) return []
  return [{ at, message: `${quoted(role)} is no role of this server${didYouMean(near)}` }]
}

function logAdvice (advice: readonly NameAdvice[], log: Log): void {
  for (const { at, message } of advice.slice(0, MAX_ADVICE)) {
    log.warn({ advice: 'unknown-name', option: at }, message)
  }
  const more = advice.length - MAX_ADVICE
  if (more > 0) log.warn({ advice: 'unknown-name', more }, 'and more names')
}
