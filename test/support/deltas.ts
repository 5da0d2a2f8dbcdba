import type { NetChanges } from '../../lib/subscriptions/change-history.js'
import { deltaOf } from '../../lib/subscriptions/delta.js'
import type { Row } from './live-list.js'
import { rowsOf } from './row-changes.js'

/** Returns what the server sends to make one list with the key field `id` another one. */
export function deltaBetween (before: readonly Row[], after: readonly Row[]): any {
  const keysBefore = before.map(({ id }) => id)
  const keysAfter = after.map(({ id }) => id)
  // Those that have kept their order: any rows that stand in the same one in both.
  let last = -1
  const still = new Set<unknown>()
  for (const id of keysAfter) {
    const index = keysBefore.indexOf(id)
    if (index > last) {
      still.add(id)
      last = index
    }
  }
  const touches: NetChanges = new Map([...new Set([...keysBefore, ...keysAfter])].flatMap(id => {
    const former = before.find(row => row['id'] === id)
    const now = after.find(row => row['id'] === id)
    const isSame = JSON.stringify(former) === JSON.stringify(now)
    if (former !== undefined && now !== undefined && still.has(id) && isSame) return []
    const wasIn = former !== undefined
    return [[id, { wasIn, hasMoved: wasIn && now !== undefined && !still.has(id) }] as const]
  }))
  return JSON.parse(deltaOf(rowsOf(after), touches))
}
