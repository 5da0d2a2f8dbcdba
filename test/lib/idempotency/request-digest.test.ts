import t from 'tap'
import { digestOf } from '../../../lib/idempotency/request-digest.js'

const base = { id: 1, type: 'store.insert', bucket: 'items', data: { a: [1, null, 'x'], b: { c: true } } }
const digest = async (fields: object): Promise<string> => await digestOf({ ...base, ...fields }, ['secret'])

t.test('a digest is that of type and members, in any order', async t => {
  const one = await digest({})
  t.match(one, /^[\w-]{43}$/)
  const same = [
    { id: 2 }, { idempotencyKey: 'k' }, { revision: true }, { secret: 'x' },
    { data: { b: { c: true }, a: [1.0, null, 'x'] } }
  ]
  for (const fields of same) t.equal(await digest(fields), one, JSON.stringify(fields))
  const others: object[] = [
    { type: 'store.upsert' }, { more: null }, { bucket: 'item', s: '' }, { data: {} },
    { data: { a: [1, null, 'x'], b: { c: true, id: 1 } } }, { data: { a: [1, null, ['x']], b: { c: true } } },
    { data: { a: [1, 'x', null], b: { c: true } } }, { data: { a: ['1', null, 'x'], b: { c: true } } },
    { data: { a: [1, null, 'x', { secret: 1 }], b: { c: true } } }, { data: '{"a":[1,null,"x"]}' }
  ]
  const digests = await Promise.all(others.map(digest))
  t.equal(new Set([one, ...digests]).size, others.length + 1)
})

t.test('long requests give way to others', async t => {
  const data = Array.from({ length: 100_000 }, (_, i) => ({ id: `k${i}`, n: i }))
  let turns = 0
  let waiting = setImmediate(function next () {
    turns++
    waiting = setImmediate(next)
  })
  const one = await digest({ data })
  clearImmediate(waiting)
  t.ok(turns > 1, `${turns} turns`)
  t.equal(await digest({ data: [...data] }), one)
  t.not(await digest({ data: data.slice(1) }), one)
})

t.test('the order of more than a thousand members counts', async t => {
  const names = Array.from({ length: 1_001 }, (_, i) => `k${i}`)
  const inOrder = (keys: string[]): object => ({ data: Object.fromEntries(keys.map(key => [key, 1])) })
  t.not(await digest(inOrder(names)), await digest(inOrder([...names].reverse())))
  const fewer = names.slice(1)
  t.equal(await digest(inOrder(fewer)), await digest(inOrder([...fewer].reverse())))
})
