import t from 'tap'
import { CodeGroups } from '../../../lib/subscriptions/code-groups.js'
import type { LiveQuery } from '../../../lib/subscriptions/live-query.js'
import type { LiveRequest } from '../../../lib/subscriptions/live-request.js'

function requestOf (params: unknown, scope = ''): LiveRequest {
  const of = { key: scope, rows: () => true as const }
  return { query: 'q', params, page: undefined, scope: of, owner: '', account: '' }
}

/** Stands for a live query. */
function liveQueryOf (params: unknown): LiveQuery {
  return { request: requestOf(params) } as unknown as LiveQuery
}

t.test('a live query is found by the parameters that it uses', async t => {
  const groups = new CodeGroups()
  const one = liveQueryOf({ a: 1, junk: 1 })
  t.equal(groups.put(one, 'all'), one)
  t.equal(groups.find(requestOf({ a: 1, junk: 2 })), undefined)
  t.equal(groups.put(one, new Set(['a'])), one)
  t.equal(groups.find(requestOf({ a: 1, junk: 2 })), one)
  t.equal(groups.find(requestOf({ a: '1', junk: 1 })), undefined)
  t.equal(groups.find(requestOf([['a', 1]])), undefined)
  t.equal(groups.find(requestOf({ a: 1 }, 'other records')), undefined)
  const same = liveQueryOf({ a: 1, junk: 3 })
  t.equal(groups.put(same, new Set(['a'])), one, 'the one that is there')
  groups.delete(same)
  t.equal(groups.find(requestOf({ a: 1 })), one)
  groups.delete(one)
  t.equal(groups.find(requestOf({ a: 1, junk: 1 })), undefined)
})

t.test('names that a client chooses make no more groups than a search can look into', async t => {
  const groups = new CodeGroups()
  const many = Array.from({ length: 2_000 }, (_, i) => liveQueryOf({ name: `n${i}`, [`n${i}`]: i }))
  many.forEach((one, i) => { t.equal(groups.put(one, new Set(['name', `n${i}`])), one) })
  many.forEach((one, i) => { t.equal(groups.find(requestOf({ name: `n${i}`, [`n${i}`]: i })), one) })
  t.equal(groups.find(requestOf({ name: 'other', other: 1 })), undefined)
  for (const one of many) groups.delete(one)
  t.equal(groups.find(many[0]?.request as LiveRequest), undefined)
})
