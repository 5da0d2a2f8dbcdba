import t from 'tap'
import { configOf, keyOf, nameOf, type LiveRequest } from '../../../lib/subscriptions/live-request.js'

const none = { getQueryInfo: () => undefined }

function requestOf (part: Partial<LiveRequest>): LiveRequest {
  const scope = { key: '', rows: () => true as const }
  return { params: undefined, page: undefined, scope, owner: 'c', account: 'a', ...part }
}

const keyOfFind = (find: object, part: Partial<LiveRequest> = {}): string => {
  const request = requestOf({ find: { bucket: 'items', ...find }, ...part })
  return keyOf(request, configOf(none, request) as never)
}

t.test('equal searches share a key, and others have others', async t => {
  t.equal(keyOfFind({ filter: { a: 1, b: 2 } }), keyOfFind({ filter: { b: 2, a: 1 } }))
  t.equal(keyOfFind({}, { owner: 'd', account: 'b' }), keyOfFind({}))
  const others: ReadonlyArray<readonly [find: object, part?: Partial<LiveRequest>]> = [
    [{}],
    [{ filter: { a: 1 } }],
    [{ filter: { a: '1' } }],
    [{ filter: JSON.parse('{"__proto__":1}') }],
    [{ limit: 1 }],
    [{ offset: 1 }],
    [{ sort: { a: 'asc', b: 'asc' } }],
    [{ sort: { b: 'asc', a: 'asc' } }],
    [{ fields: ['a', 'b'] }],
    [{ fields: ['b', 'a'] }],
    [{ aggregate: { function: 'count' } }],
    [{}, { page: { limit: 1 } }],
    [{}, { page: { limit: 1, after: 'x' } }],
    [{}, { scope: { key: 'own', rows: () => true } }]
  ]
  const keys = others.map(([find, part]) => keyOfFind(find, part))
  t.equal(new Set(keys).size, keys.length)
})

t.test('a defined query becomes its own search, with its parameters', async t => {
  const config = { bucket: 'items', filter: { a: '{{ params.a }}' }, sort: { n: 'asc' } }
  const store = {
    getQueryInfo: (name: string) => ({ name, ...(name === 'own' && { config }) })
  } as never
  t.equal(configOf(store, requestOf({ query: 'code' })), undefined)
  t.throws(() => configOf(store, requestOf({ query: 'own', params: {} })), { code: 'VALIDATION_ERROR' })
  t.equal(nameOf({ query: 'own' }), 'own')
  t.equal(nameOf({ find: { bucket: 'items' } }), 'find in items')
})
