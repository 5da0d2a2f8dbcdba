import { isDeepStrictEqual } from 'node:util'
import type { LiveRequest, LiveView } from '../support/live-client.js'
import type { WatchingClient } from './client.js'
import type { StateAt } from './history.js'
import { chainProblem, placeOf, type Shown } from './pages.js'
import { expectedResults, isCode, isUnsteady } from './queries.js'
import { rightsAt } from './rights.js'

/** Results that are kept, to be compared with what other clients show. */
const MAX_KEPT = 20_000

interface Expected {
  /** Results of which each is right; none where the query may not be read or fails. */
  readonly results: readonly unknown[]
}

/** Says what clients may show, by the plain evaluation of the states that the log tells of. */
export class Oracle {
  readonly #kept = new Map<string, Promise<Expected>>()
  readonly #texts = new WeakMap<object, string>()

  /** Forgets everything: revisions mean other states from now on. */
  forget (): void {
    this.#kept.clear()
  }

  /** Returns what a user may be shown for a request at one state, by the rights of that or another one. */
  async expected (request: LiveRequest, user: string, state: StateAt, rightsOf = state): Promise<Expected> {
    const { key, rows } = rightsAt(rightsOf, user)
    const { query, params, find } = request
    const id = `${state.revision} ${key} ${JSON.stringify([query, params, find])}`
    let expected = this.#kept.get(id)
    if (expected === undefined) {
      expected = expectedResults(request, state, rows).then(results => ({ results: results.map(asJson) }))
      this.#kept.set(id, expected)
      if (this.#kept.size > MAX_KEPT) this.#kept.delete(this.#kept.keys().next().value as string)
    }
    return await expected
  }

  /** Whether what is shown is one of the results, or a page of it. */
  isOneOf (shown: Shown, { results }: Expected): boolean {
    if (shown.request.page === undefined) return results.some(result => this.#isSame(shown.data, result))
    return results.some(list => typeof placeOf(shown, list as unknown[], this.#isSameRow) !== 'string')
  }

  /** Returns what is wrong with the pages of a client that are of one list. */
  chainProblem (pages: readonly Shown[], { results }: Expected): string | undefined {
    return results.length === 0 ? undefined : chainProblem(pages, results[0] as unknown[], this.#isSameRow)
  }

  #isSame (shown: unknown, result: unknown): boolean {
    if (!Array.isArray(shown) || !Array.isArray(result)) return isDeepStrictEqual(shown, result)
    return shown.length === result.length && shown.every((row, i) => this.#isSameRow(row, result[i]))
  }

  readonly #isSameRow = (a: unknown, b: unknown): boolean =>
    this.#textOf(a) === this.#textOf(b) || isDeepStrictEqual(a, b)

  #textOf (row: unknown): string {
    if (typeof row !== 'object' || row === null) return JSON.stringify(row)
    let text = this.#texts.get(row)
    if (text === undefined) this.#texts.set(row, text = JSON.stringify(row))
    return text
  }
}

/** Whether a view is as it should be when nothing is under way any more. */
export async function isRightAtRest (
  client: WatchingClient, view: LiveView, state: StateAt, oracle = new Oracle()
): Promise<boolean> {
  const { request } = view
  const expected = await oracle.expected(request, client.user, state)
  if (view.state !== 'live') {
    const refusal = client.refusals.get(view)
    return expected.results.length === 0 || refusal === 'VALIDATION_ERROR' || isUnsteady(request)
  }
  // A query in code that fails leaves what was shown.
  if (isUnsteady(request) || (expected.results.length === 0 && isCode(request))) return true
  return oracle.isOneOf(view, expected)
}

/** Returns a result as JSON gives it to a client. */
function asJson (result: unknown): unknown {
  if (Array.isArray(result) && result.every(row => isPlain(row))) return result
  return result === undefined ? null : JSON.parse(JSON.stringify(result))
}

function isPlain (row: unknown): boolean {
  return typeof row === 'object' && row !== null && Object.values(row).every(value => value !== undefined)
}
