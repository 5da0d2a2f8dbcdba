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
  const keys = [
    keyOfFind({}), keyOfFind({ filter: { a: 1 } }), keyOfFind({ filter: { a: '1' } }), keyOfFind({ limit: 1 }),
    keyOfFind({ offset: 1 }), keyOfFind({ sort: { a: 'asc', b: 'asc' } }), keyOfFind({ sort: { b: 'asc', a: 'asc' } }),
    keyOfFind({ fields: ['a', 'b'] }), keyOfFind({ fields: ['b', 'a'] }), keyOfFind({ aggregate: { function: 'count' } }),
    keyOfFind({}, { page: { limit: 1 } }), keyOfFind({}, { page: { limit: 1, after: 'x' } }),
    keyOfFind({}, { scope: { key: 'own', rows: () => true } }), keyOfFind({ filter: JSON.parse('{"__proto__":1}') })
  ]
  t.equal(new Set(keys).size, keys.length)
})

t.test('a defined query becomes its own search, with its parameters', async t => {
  const store = {
    getQueryInfo: (name: string) => name === 'code' ? { name } : {
      name, config: { bucket: 'items', filter: { a: '{{ params.a }}' }, sort: { n: 'asc' } }
    }
  } as never
  t.equal(configOf(store, requestOf({ query: 'code' })), undefined)
  t.throws(() => configOf(store, requestOf({ query: 'own', params: {} })), { code: 'VALIDATION_ERROR' })
  t.equal(nameOf({ query: 'own' }), 'own')
  t.equal(nameOf({ find: { bucket: 'items' } }), 'find in items')
})
