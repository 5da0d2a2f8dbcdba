import type { Test } from 'tap'
import { createLiveQueries, type LiveQueries } from '../../lib/client/live-queries.js'
import type { LiveQuery, QueryState } from '../../lib/client/types.js'
import { FakeLink, type FakeRequest } from './fake-link.js'

/** Makes the live queries of a client whose server is the test; they end with it. */
export function startQueries (t: Test, lingerMs = 60_000): { link: FakeLink, queries: LiveQueries } {
  const link = new FakeLink()
  const queries = createLiveQueries(link, { lingerMs })
  link.listener = queries
  t.teardown(() => { queries.close() })
  return { link, queries }
}

/** Watches a query. Returns the states that its listener has seen, beginning with the present one. */
export function watch<T> (query: LiveQuery<T>): { states: Array<QueryState<T>>, stop: () => void } {
  const states = [query.state]
  return { states, stop: query.subscribe(() => { states.push(query.state) }) }
}

let replies = 0

/** Answers the next request, which must subscribe, with a keyed list; returns the id of the subscription. */
export function answer (request: FakeRequest, data: unknown, members: object = {}): string {
  const subscriptionId = `sub-${++replies}`
  request.reply({ subscriptionId, epoch: 'e', revision: 1, key: 'id', data, ...members })
  return subscriptionId
}

/** Keeps what is reported for the time of a test. */
export function reports (t: Test): unknown[] {
  const reported: unknown[] = []
  const { error } = console
  console.error = (...given: unknown[]) => { reported.push(...given) }
  t.teardown(() => { console.error = error })
  return reported
}
