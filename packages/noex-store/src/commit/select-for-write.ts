import type { Bucket } from '../bucket/bucket.js'
import type { Row } from '../bucket/row.js'
import type { Engine } from '../engine.js'
import { select, visitMatches, type Selection } from '../query/visit.js'
import type { WhereFilter } from '../types/filter.js'

/**
 * Finds the rows that match at the moment at which the write is made. Looking for them may take several
 * slices, in which others write: what they have changed is looked at once more. The caller commits in the
 * same step.
 */
export function selectForWrite (engine: Engine, bucket: Bucket, filter: WhereFilter): Row[] | Promise<Row[]> {
  const selection = select(bucket, filter)
  const rows: Row[] = []
  const { position } = engine.history
  const end = engine.history.begin()
  let pending: Promise<void> | undefined
  try {
    pending = visitMatches(engine, selection, (_record, row) => {
      rows.push(row)
      return undefined
    })
  } finally {
    if (pending === undefined) end()
  }
  if (pending === undefined) return rows
  return pending.then(() => correct(engine, selection, filter, rows, position)).finally(end)
}

function correct (
  engine: Engine, { bucket, filter }: Selection, where: WhereFilter, found: readonly Row[], position: number
): Row[] | Promise<Row[]> {
  // Of another definition, or gone.
  const current = engine.bucket(bucket.name)
  if (current !== bucket) return selectForWrite(engine, current, where)
  const changes = engine.history.since(position, bucket.name)
  if (changes === undefined) return selectForWrite(engine, bucket, where)
  if (changes.length === 0) return [...found]
  const rows = new Set(found)
  for (const change of changes) {
    if (change.type === 'clear') {
      rows.clear()
    } else if ('key' in change) {
      const row = bucket.row(change.key)
      if (row !== undefined) rows.add(row)
    }
  }
  return [...rows]
    .filter(({ record }) => record !== undefined && (filter === undefined || filter.test(record)))
    .sort((a, b) => a.place - b.place)
}
