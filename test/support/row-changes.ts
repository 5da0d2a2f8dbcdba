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
