import type { LiveQuery } from './live-query.js'
import type { LiveRequest } from './live-request.js'
import { usedKey, type UsedNames } from './recorded-params.js'

/** Groups of one query: live queries that would need another one are found by all of their parameters. */
const MAX_GROUPS = 16

/** Live queries that use the same parameters, by the values of these. */
interface Group {
  readonly used: UsedNames
  readonly byKey: Map<string, LiveQuery>
}

interface Place {
  readonly group: Group
  readonly key: string
  readonly signature: string
}

/** The live queries in code, found by the parameters that they use. */
export class CodeGroups {
  /** By query and records that may be read, then by the parameters that are used. */
  readonly #groups = new Map<string, Map<string, Group>>()
  readonly #places = new Map<LiveQuery, Place>()

  /** Returns the live query that has the result for these parameters. */
  find (request: LiveRequest): LiveQuery | undefined {
    for (const { used, byKey } of this.#groups.get(nameOf(request))?.values() ?? []) {
      const liveQuery = byKey.get(usedKey(request.params, used))
      if (liveQuery !== undefined) return liveQuery
    }
    return undefined
  }

  /**
   * Puts a live query where those are found that use these parameters. Returns the one that is there already
   * with the same values, or this one.
   */
  put (liveQuery: LiveQuery, used: UsedNames): LiveQuery {
    const name = nameOf(liveQuery.request)
    const exact = signatureOf(used)
    const place = this.#places.get(liveQuery)
    if (place?.signature === exact) return liveQuery
    this.delete(liveQuery)
    let groups = this.#groups.get(name)
    if (groups === undefined) this.#groups.set(name, groups = new Map())
    // Each search looks into each group.
    const isNew = !groups.has(exact)
    const names = isNew && groups.size >= MAX_GROUPS ? 'all' : used
    const signature = signatureOf(names)
    let group = groups.get(signature)
    if (group === undefined) groups.set(signature, group = { used: names, byKey: new Map() })
    const key = usedKey(liveQuery.request.params, names)
    const known = group.byKey.get(key)
    if (known !== undefined) return known
    group.byKey.set(key, liveQuery)
    this.#places.set(liveQuery, { group, key, signature })
    return liveQuery
  }

  delete (liveQuery: LiveQuery): void {
    const place = this.#places.get(liveQuery)
    if (place === undefined) return
    this.#places.delete(liveQuery)
    const { group, key, signature } = place
    group.byKey.delete(key)
    if (group.byKey.size > 0) return
    const name = nameOf(liveQuery.request)
    const groups = this.#groups.get(name)
    groups?.delete(signature)
    if (groups?.size === 0) this.#groups.delete(name)
  }
}

function signatureOf (used: UsedNames): string {
  return used === 'all' ? 'all' : JSON.stringify([...used].sort())
}

function nameOf ({ query, scope }: LiveRequest): string {
  return JSON.stringify([query, scope.key])
}
