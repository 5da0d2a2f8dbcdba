import { didYouMean, nearestNames, quoted } from '../util/nearest.js'
import type { OperationNames } from './operation-names.js'
import type { PermissionEntry } from './permission.js'

/** The names that exist at present. Others may follow, so an unknown name is worth no more than a warning. */
export interface KnownNames {
  readonly operations: OperationNames
  /** The operations that a permission with `where` can allow: they read or change records. */
  readonly recordOperations: OperationNames
  /** The operations of the application that name what they use. */
  readonly namingOperations: OperationNames
  readonly buckets: ReadonlySet<string>
  readonly queries: ReadonlySet<string>
  /**
   * The topics, facts and timers that trigger rules. Clients may use any other topic, so advice concerns only
   * names that are near to one of these.
   */
  readonly topics: ReadonlySet<string>
}

/** A name that is probably misspelt, or a member without effect. */
export interface NameAdvice {
  /** Its place, for instance `auth.permissions.rules[0].buckets`. */
  readonly at: string
  /** The text for the log, in lower case. */
  readonly message: string
}

/** Returns advice on unknown names in the permission at `at`, and on members that have no effect. */
export function adviceOnPermission (
  at: string,
  { allow, buckets, topics, where }: PermissionEntry,
  known: KnownNames
): NameAdvice[] {
  const patterns = typeof allow === 'string' ? [allow] : allow
  const allowsAny = (prefix: string): boolean =>
    patterns.some(pattern => known.operations.fits(pattern, prefix))
  const namesResources = patterns.some(pattern => known.namingOperations.fits(pattern))
  const advice: NameAdvice[] = []
  if (where !== undefined) {
    for (const pattern of patterns) {
      if (!known.operations.fits(pattern) || known.recordOperations.fits(pattern)) continue
      advice.push({
        at: `${at}.where`,
        message: `never allows ${quoted(pattern)}, which neither reads nor changes single records; ` +
          'it needs a permission of its own, without where'
      })
    }
  }
  if (buckets !== undefined) {
    if (buckets.length === 0 && allowsAny('store.')) {
      advice.push(adviceOnEmpty(`${at}.buckets`, 'store operation', 'bucket'))
    }
    if (!allowsAny('store.') && !namesResources) {
      advice.push({ at: `${at}.buckets`, message: 'restricts nothing: no store operation is allowed here' })
    }
    for (const name of buckets) {
      if (known.queries.has(name)) continue
      advice.push(...adviceOnBucket(`${at}.buckets`, name, known, 'bucket or query'))
    }
  }
  if (topics !== undefined) {
    if (topics.length === 0 && allowsAny('rules.')) {
      advice.push(adviceOnEmpty(`${at}.topics`, 'rules operation', 'topic'))
    }
    if (!allowsAny('rules.') && !namesResources) {
      advice.push({ at: `${at}.topics`, message: 'restricts nothing: no rules operation is allowed here' })
    }
    for (const name of topics) {
      const [near] = known.topics.has(name) ? [] : nearestNames(name, known.topics)
      if (near !== undefined) {
        advice.push({ at: `${at}.topics`, message: `${quoted(name)} triggers no rule${didYouMean(near)}` })
      }
    }
  }
  return advice
}

/** Builds the advice on an empty list. */
function adviceOnEmpty (at: string, operation: string, what: string): NameAdvice {
  return {
    at,
    message: `is empty: no ${operation} is allowed here; leave it out to allow every ${what}, ` +
      'or leave out the permission'
  }
}

/** Returns advice on a bucket that does not exist. */
export function adviceOnBucket (
  at: string,
  name: string,
  { buckets, queries }: KnownNames,
  what: 'bucket' | 'bucket or query'
): NameAdvice[] {
  if (buckets.has(name)) return []
  const [near] = nearestNames(name, what === 'bucket' ? buckets : [...buckets, ...queries])
  return [{ at, message: `there is no ${what} ${quoted(name)} so far${didYouMean(near)}` }]
}
