import fc from 'fast-check'
import t from 'tap'
import { compileTopicPattern, matchesTopic } from '../../src/patterns/topic-pattern.js'

/** A tenth in a run that is not thorough, as in `sampled` of the tests of the plugin. */
const RUNS = process.env['THOROUGH'] === '1' ? 2_000 : 200

const table: ReadonlyArray<
  readonly [pattern: string, matching: readonly string[], others: readonly string[]]
> = [
  ['*', ['a', 'a.b', 'a.b.c', ''], []],
  ['a', ['a'], ['b', 'A', 'a.b', 'aa', '']],
  ['a.b', ['a.b'], ['a', 'a.c', 'a.b.c', 'x.a.b']],
  ['a.*', ['a.b', 'a.b.c', 'a.b.c.d'], ['a', 'b.a', 'aa.b']],
  ['*.*', ['a.b', 'a.b.c'], ['a']],
  ['a.*.c', ['a.b.c'], ['a.c', 'a.b.x.c', 'a.b.c.d']],
  ['*.b', ['a.b'], ['b', 'a.b.c', 'a.a.b']],
  ['bucket.*.*', [
    'bucket.users.inserted', 'bucket.users.inserted.now'
  ], ['bucket.users', 'bucket', 'other.users.inserted']],
  ['bucket.*.inserted', ['bucket.users.inserted'], ['bucket.users.deleted', 'bucket.inserted']],
  ['*.b.*', ['a.b.c', 'a.b.c.d'], ['a.b', 'b.c', 'a.c.b']],
  ['a.b*', ['a.bcd', 'a.b*', 'a.bb'], ['a.b', 'a.bcd.e', 'a.cb', 'a.b.c']],
  ['*b', ['ab', 'bb', 'aab'], ['b', 'a.b', 'ba']],
  ['a*c', ['abc', 'abbc', 'acc'], ['ac', 'a.c', 'abcd', 'xabc']],
  ['a*b*c', ['axbxc', 'abbbc'], ['abc', 'axbc', 'abxc', 'axbx']],
  ['*b*', ['abc', 'bbb', 'xxbxx'], ['b', 'ab', 'bc', 'acc']],
  ['a**c', ['abbc', 'abbbc'], ['ac', 'abc', 'a.b.c']],
  ['**', ['a', 'a.b', 'a.b.c'], []],
  ['a.**', ['a.b', 'a.b.c'], ['a', 'b.a']],
  ['**.c', ['a.c', 'a.b.c', 'c.c.c'], ['c', 'a.c.b', 'a.xc']],
  ['a.**.c', ['a.b.c', 'a.b.b.c', 'a.c.c'], ['a.c', 'a.b', 'b.a.c']],
  ['**.b.**', ['a.b.c', 'a.a.b.c', 'b.b.b', 'a.b.c.d'], ['b', 'a.b', 'b.c', 'a.c.c']],
  ['**.a.b.**.c', ['x.a.b.x.c', 'x.a.a.b.x.y.c'], ['x.a.b.c', 'x.a.x.b.x.c', 'a.b.x.c']],
  ['**.**', ['a.b', 'a.b.c'], ['a']],
  ['**.*', ['a.b', 'a.b.c'], ['a']],
  ['a..b', ['a..b'], ['a.b', 'a.x.b']],
  ['a:*', ['a:b'], ['a:', 'a.b', 'a']]
]

t.test('a topic pattern', async t => {
  for (const [pattern, matching, others] of table) {
    t.test(`${pattern} matches what it should, and nothing else`, async t => {
      const { matches } = compileTopicPattern(pattern)
      t.same(matching.filter(topic => !matches(topic)), [])
      t.same(others.filter(topic => matches(topic)), [])
    })
  }

  for (const character of '\\^$.|?+()[]{}/-,#&~"\'`@!%=<>; \t\n') {
    t.test(`takes ${JSON.stringify(character)} as it is`, async t => {
      t.equal(matchesTopic(`a${character}b`, `a${character}b`), true)
      t.equal(matchesTopic(`a${character}b`, 'aXb'), false)
      t.equal(matchesTopic(`${character}*`, `${character}b`), true)
      t.equal(matchesTopic(`${character}*`, 'Xb'), false)
      t.equal(matchesTopic(`x.${character}`, `x.${character}`), true)
      t.equal(matchesTopic(`(${character}*`, `(${character}b`), true)
    })
  }

  t.test('without wildcards is exact, and matches its own text alone', async t => {
    t.equal(compileTopicPattern('a.b').exact, 'a.b')
    t.equal(compileTopicPattern('a.*').exact, undefined)
    t.equal(compileTopicPattern('a*').exact, undefined)
    t.equal(compileTopicPattern('a.*').pattern, 'a.*')
  })

  t.test('agrees with what it is made of, segment by segment', async t => {
    const segment = fc.array(fc.constantFrom('a', 'b', '*'), { minLength: 1, maxLength: 4 })
      .map(parts => parts.join(''))
    const pattern = fc.array(segment, { minLength: 1, maxLength: 4 }).map(parts => parts.join('.'))
    const topic = fc.array(fc.stringMatching(/^[ab]{1,4}$/), { minLength: 1, maxLength: 5 })
      .map(parts => parts.join('.'))
    t.doesNotThrow(() => fc.assert(fc.property(pattern, topic, (pattern, topic) => {
      return matchesTopic(pattern, topic) === isMatch(pattern.split('.'), topic.split('.'))
    }), { numRuns: RUNS }))
  })
})

/** Matches a pattern by its definition, at any cost in time. */
function isMatch (pattern: readonly string[], topic: readonly string[]): boolean {
  const [segment, ...later] = pattern
  if (segment === undefined) return topic.length === 0
  if (topic.length === 0) return false
  if (segment === '**' || (segment === '*' && later.length === 0)) {
    return topic.some((_, index) => isMatch(later, topic.slice(index + 1)))
  }
  return isGlobMatch(segment, topic[0]!) && isMatch(later, topic.slice(1))
}

function isGlobMatch (glob: string, text: string): boolean {
  if (glob === '') return text === ''
  if (text === '') return false
  if (glob[0] !== '*') return glob[0] === text[0] && isGlobMatch(glob.slice(1), text.slice(1))
  return [...text].some((_, index) => isGlobMatch(glob.slice(1), text.slice(index + 1)))
}
