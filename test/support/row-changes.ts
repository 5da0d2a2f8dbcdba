import type { ChangeHistory } from '../../lib/subscriptions/change-history.js'
import type { KeyedRows } from '../../lib/subscriptions/live-source.js'
import type { Row } from './live-list.js'

/** A change of a row, as histories take it. */
export type Change = Parameters<ChangeHistory['add']>[1][number]

/** Builds a change of a row. */
export function changeOf (key: unknown, wasIn: boolean, moved = false): Change {
  return { key, wasIn, moved }
}

/** Returns rows with the key field `id`, as a source has them. */
export function rowsOf (list: readonly Row[]): KeyedRows {
  return {
    size: list.length,
    indexOf: key => list.findIndex(({ id }) => id === key),
    row: key => list.find(({ id }) => id === key)
  }
}

/** Returns the changes that make one list the other one; `moved` tells which rows of both have moved. */
export function changesBetween (
  before: readonly Row[], after: readonly Row[], moved: (key: unknown) => boolean
): Change[] {
  const changes: Change[] = []
  for (const row of before) {
    const now = after.find(({ id }) => id === row['id'])
    if (now === undefined) changes.push(changeOf(row['id'], true))
    else if (now !== row || moved(row['id'])) changes.push(changeOf(row['id'], true, moved(row['id'])))
  }
  for (const { id } of after) if (!before.some(row => row['id'] === id)) changes.push(changeOf(id, false))
  return changes
}
