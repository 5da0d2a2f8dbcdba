import t from 'tap'
import { checkOptions, jsonOf, mustBe, mustBeOneOf } from '../../../lib/client/checks.js'

t.test('a value is of a kind whose words have its type', async t => {
  const right: Array<[unknown, string]> = [
    ['x', 'a non-empty string'], [5, 'a number above 0'], [Infinity, 'a number above 0'],
    [0, '0 or a greater number'], [true, 'a boolean'], [false, 'a boolean'], [false, 'an object or false'],
    [{}, 'an object or false'], [() => {}, 'a function'], [[], 'an array'], [null, 'an object or null'],
    [Object.create(null), 'an object']
  ]
  for (const [value, kind] of right) t.doesNotThrow(() => { mustBe('x', value, kind) }, kind)
  const wrong: Array<[unknown, string]> = [
    ['', 'a non-empty string'], [0, 'a number above 0'], [-1, '0 or a greater number'],
    [NaN, '0 or a greater number'], [5n, 'a number above 0'], ['5', 'a number above 0'], [null, 'an object'],
    [[], 'an object'], [{}, 'an array'], [undefined, 'an object'],
    [true, 'an object or false'], [Symbol('x'), 'a non-empty string'],
    [Object('x'), 'a non-empty string']
  ]
  for (const [value, kind] of wrong) {
    t.throws(() => { mustBe('f: x', value, kind) }, { name: 'TypeError', message: `f: x must be ${kind}` })
  }
})

t.test('options are those that are not undefined, each read once', async t => {
  let reads = 0
  const options = { a: undefined, get b () { return ++reads } }
  t.same(checkOptions('f', options, { a: 'a boolean', b: 'a number above 0' }), { b: 1 })
  t.equal(reads, 1)
  t.throws(() => checkOptions('f', { b: 'x' } as object, { b: 'a boolean' } as object), {
    message: 'f: b must be a boolean'
  })
})

t.test('what there is not is named, with what there is, and no more than a part of a long name', async t => {
  t.doesNotThrow(() => { mustBeOneOf('there is no event', 'open', ['close', 'open']) })
  t.throws(() => { mustBeOneOf('there is no event', 'Opened', ['close', 'open', 'error']) }, {
    message: /^there is no event Opened: there are open, /
  })
  t.throws(() => { mustBeOneOf('there is no event', 'x'.repeat(1e6), ['a']) }, {
    message: /^there is no event x{40}: there are a$/
  })
})

t.test('what is no JSON is named, with the reason', async t => {
  t.equal(jsonOf('x', { a: [1, 'b', null] }), '{"a":[1,"b",null]}')
  t.equal(jsonOf('x', { a: 1 }, (name, value) => name === 'a' ? 2 : value), '{"a":2}')
  const cyclic: unknown[] = []
  cyclic.push(cyclic)
  const wrong: Array<[unknown, RegExp]> = [
    [cyclic, /circular/i], [5n, /BigInt/], [undefined, /: undefined$/], [() => {}, /: undefined$/],
    [{ toJSON () { throw new Error('mine') } }, /mine/]
  ]
  for (const [value, reason] of wrong) {
    t.throws(() => jsonOf('x', value), { name: 'TypeError', message: /^x must be JSON: / })
    t.throws(() => jsonOf('x', value), { message: reason })
  }
})
