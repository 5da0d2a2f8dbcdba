import t from 'tap'
import { recordParams, sortedMembers, usedKey } from '../../../lib/subscriptions/recorded-params.js'

type Params = Record<string, any>

/** Returns the names that `read` has used of the parameters. */
function usedBy (read: (params: Params) => unknown, given: unknown = { a: 1, b: { c: 2 } }): unknown {
  const { params, used } = recordParams(given)
  read(params as Params)
  const names = used()
  return names === 'all' ? names : [...names]
}

t.test('the parameters that a query reads are known by their names', async t => {
  t.same(usedBy(() => {}), [])
  t.same(usedBy(params => params['a']), ['a'])
  t.same(usedBy(params => params['b'].c), ['b'])
  t.same(usedBy(params => params['missing']), ['missing'])
  t.same(usedBy(params => 'a' in params), ['a'])
  t.same(usedBy(params => Object.hasOwn(params, 'a')), ['a'])
  t.same(usedBy(params => params['constructor']), ['constructor'])
  t.same(usedBy(params => params[Symbol.iterator as never]), [])
  t.same(usedBy(params => Object.keys(params)), 'all')
  t.same(usedBy(params => ({ ...params })), 'all')
  t.same(usedBy(params => JSON.stringify(params)), 'all')
  for (const given of [null, 1, 'text', [1]]) t.same(usedBy(() => {}, given), 'all')
  t.same(usedBy(params => Array.from({ length: 1_000 }, (_, i) => params[String(i)])), 'all', 'so many')
})

t.test('a query has parameters of its own', async t => {
  const given = JSON.parse('{ "a": { "b": [1] }, "__proto__": { "c": 1 } }') as Params
  const text = JSON.stringify(given)
  const { params } = recordParams(given) as { params: Params }
  params['a'].b.push(2)
  params['d'] = 1
  delete params['a']
  t.equal(JSON.stringify(given), text)
  t.equal(({} as Params)['c'], undefined)
})

t.test('equal parameters have equal keys, and others have others', async t => {
  const a = new Set(['a'])
  t.equal(usedKey({ a: { x: 1, y: 2 }, b: 1 }, a), usedKey({ b: 2, a: { y: 2, x: 1 } }, a))
  t.equal(usedKey({ b: 1, a: 1 }, 'all'), usedKey({ a: 1, b: 1 }, 'all'))
  const texts = [
    { a: 1 }, { a: '1' }, { a: null }, {}, { a: [1] }, { a: { 0: 1 } }, [['a', 1]], null, undefined, 'a', 1,
    JSON.parse('{ "a": { "__proto__": 1 } }')
  ].map(params => usedKey(params, a))
  t.equal(new Set(texts).size, texts.length)
  const proto = new Set(['__proto__'])
  t.not(usedKey(JSON.parse('{ "__proto__": 1 }'), proto), usedKey({}, proto))
  t.same(Object.keys(sortedMembers(JSON.parse('{ "b": 1, "__proto__": 2 }')) as object), ['__proto__', 'b'])
})
