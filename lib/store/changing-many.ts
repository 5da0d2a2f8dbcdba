import type { StoreRecord, WhereFilter } from '@hamicek/noex-store'
import { compileFilter } from './compiled-filter.js'
import { listOf } from './list-sets.js'
import { candidates, eachMatch } from './sliced-reads.js'
import type { StoreAccess } from './store-access.js'
import { UNITS_PER_WRITE, type Work } from './work.js'

/** Units of looking for records that the store may do by itself, in one step: a few milliseconds. */
const UNITS_IN_ONE_STEP = 10_000

/**
 * Counts the work of changing all records that match, and returns a filter for the same records that the
 * store is done with soon.
 * Where looking for them takes longer, it has been done here, in slices; the store then looks only at those
 * that were found, and
 * still compares them with `filter` itself. To be used at once.
 * @throws `VALIDATION_ERROR` when it is too much work
 */
export async function narrowFilter (
  access: StoreAccess, bucket: string, filter: WhereFilter, work: Work
): Promise<WhereFilter> {
  const definition = access.definition(bucket)
  const { conditions } = compileFilter(filter)
  if (Object.keys(filter).length === 0) {
    work.take(await access.bucket(bucket).count() * UNITS_PER_WRITE)
    return filter
  }
  const find = async (): Promise<readonly StoreRecord[]> => {
    const { records } = await candidates(access.bucket(bucket), definition, filter)
    return records
  }
  let records = await find()
  if (records.length * conditions <= UNITS_IN_ONE_STEP) {
    work.take(records.length * conditions)
    return filter
  }
  const keys = new Set<unknown>()
  const add = (record: StoreRecord): void => { keys.add(record[definition.key]) }
  await eachMatch(records, filter, work, add)
  // Others have had their turn meanwhile: what they have changed is looked at too, until nothing is new.
  for (let changed = changedSince(records, records = await find(), definition.key); changed.length > 0;
    changed = changedSince(records, records = await find(), definition.key)) {
    await eachMatch(changed, filter, work, add)
  }
  work.take(keys.size * UNITS_PER_WRITE)
  // Matches nothing, and the store is done with each record at once.
  if (keys.size === 0) return { $or: [] }
  return { $and: [{ [definition.key]: { $in: listOf(keys) } }, filter] }
}

/**
 * The records of `now` that are not in `before`. The order of both is that in which their keys came into the
 * bucket.
 */
function changedSince (
  before: readonly StoreRecord[], now: readonly StoreRecord[], key: string
): StoreRecord[] {
  const changed: StoreRecord[] = []
  let old = 0
  for (const record of now) {
    while (old < before.length && before[old] !== record && before[old]?.[key] !== record[key]) old++
    if (before[old] !== record) changed.push(record)
    old++
  }
  return changed
}
