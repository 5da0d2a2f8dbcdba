import t from 'tap'
import {
  compileKeyPattern,
  compileKeyPatternFrom,
  matchesFactPattern,
  matchesTimerPattern
} from '../../src/patterns/key-pattern.js'

const table: ReadonlyArray<
  readonly [pattern: string, matching: readonly string[], others: readonly string[]]
> = [
  ['*', ['a', 'a.b', 'b'], ['a:b', 'a:b:c']],
  ['a', ['a'], ['b', 'a:b']],
  ['a:b', ['a:b'], ['a', 'a:b:c']],
  ['a:*', ['a:b', 'a:c'], ['a', 'a:b:c', 'b:a']],
  ['*:*', ['a:b'], ['a', 'a:b:c']],
  ['*:b', ['a:b'], ['b', 'a:c', 'a:a:b']],
  ['a:*:c', ['a:b:c'], ['a:c', 'a:b:b:c']],
  ['cust*:1', ['customer:1', 'custx:1'], ['cust:1', 'customer:2', 'customer:1:x']],
  ['a:b*', ['a:bc', 'a:bcd'], ['a:b', 'a:bc:d']],
  ['*:total', ['cart:total'], ['total', 'cart:x:total']],
  ['**', ['a', 'a:b', 'a:b:c'], []],
  ['a:**', ['a:b', 'a:b:c'], ['a', 'b:a']],
  ['a:**:z', ['a:b:z', 'a:b:c:z'], ['a:z', 'a:b']],
  ['a.*', ['a.b', 'a.b.c'], ['a.', 'a', 'a.b:c']]
]

t.test('a key pattern', async t => {
  for (const [pattern, matching, others] of table) {
    t.test(`${pattern} matches what it should, and nothing else`, async t => {
      for (const matches of [compileKeyPattern(pattern).matches, matchesFactPattern.bind(
        null, pattern
      ), matchesTimerPattern.bind(null, pattern)]) {
        t.same(matching.filter(key => !matches(key)), [])
        t.same(others.filter(key => matches(key)), [])
      }
    })
  }

  for (const character of '\\^$.|?+()[]{}/-,#') {
    t.test(`takes ${JSON.stringify(character)} as it is`, async t => {
      t.equal(matchesFactPattern(`a${character}b`, `a${character}b`), true)
      t.equal(matchesFactPattern(`a${character}b`, 'aXb'), false)
      t.equal(matchesFactPattern(`${character}*:x`, `${character}b:x`), true)
      t.equal(matchesFactPattern(`${character}*:x`, 'Xb:x'), false)
    })
  }
})

t.test('a key pattern of pieces', async t => {
  const compile = (...texts: string[]) =>
    compileKeyPatternFrom(texts.map((text, index) => ({ text, isLiteral: index % 2 === 1 })))

  t.test('takes a literal * as it is', async t => {
    const { exact, matches } = compile('user:', '*')
    t.equal(exact, 'user:*')
    t.equal(matches('user:*'), true)
    t.equal(matches('user:1'), false)
    const open = compile('*:', '*', ':x')
    t.equal(open.matches('a:*:x'), true)
    t.equal(open.matches('a:b:x'), false)
  })

  t.test('takes a literal : as one of the key', async t => {
    const { matches } = compile('user:', 'a:b', ':*')
    t.equal(matches('user:a:b:x'), true)
    t.equal(matches('user:a:x'), false)
    t.equal(matches('user:a:b'), false)
  })

  t.test('puts a literal beside a wildcard', async t => {
    const { matches } = compile('user:', 'a*', '*:x')
    t.equal(matches('user:a*1:x'), true)
    t.equal(matches('user:ab1:x'), false)
  })

  t.test('makes no ** of two wildcards with nothing between them', async t => {
    const { matches } = compile('*', '', '*')
    t.equal(matches('ab'), true)
    t.equal(matches('a'), false)
    t.equal(matches('a:b'), false)
  })

  t.test('with nothing in it matches the empty key alone', async t => {
    const { exact, matches } = compile('', '')
    t.equal(exact, '')
    t.equal(matches('a'), false)
  })

  t.test('is as long as it likes without a wildcard, and refused with one', async t => {
    t.equal(compile('user:', 'x'.repeat(600)).matches(`user:${'x'.repeat(600)}`), true)
    t.throws(() => compile('*:', 'x'.repeat(600)), { name: 'PatternError' })
    t.throws(() => compile('*:', ':'.repeat(40)), { name: 'PatternError' })
  })
})
