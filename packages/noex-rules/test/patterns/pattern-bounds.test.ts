import t from 'tap'
import { compileKeyPattern } from '../../src/patterns/key-pattern.js'
import { compileTopicPattern } from '../../src/patterns/topic-pattern.js'
import { bestCpuTime, slowness } from '../support/cpu-time.js'

const compilers = [['topics', compileTopicPattern, '.'], ['keys', compileKeyPattern, ':']] as const

for (const [name, compile, separator] of compilers) {
  t.test(`a pattern of ${name} is refused`, async t => {
    for (const value of [undefined, null, 1, true, {}, [], ['a'], Symbol('a'), () => 'a', Object('a')]) {
      t.throws(() => compile(value as unknown as string), { name: 'PatternError', code: 'PATTERN_ERROR' })
    }
    t.throws(() => compile(''), { name: 'PatternError' }, 'when it is empty')
    t.throws(() => compile('a'.repeat(513)), { name: 'PatternError' }, 'from 513 characters on')
    t.throws(
      () => compile(Array(33).fill('a').join(separator)), { name: 'PatternError' }, 'from 33 segments on'
    )
    t.throws(() => compile('*'.repeat(9)), { name: 'PatternError' }, 'from 9 wildcards in a segment on')
    t.throws(() => compile(`a${separator}${'b*'.repeat(9)}`), { name: 'PatternError' })
  })

  t.test(`a pattern of ${name} is accepted up to the limits`, async t => {
    t.equal(compile('a'.repeat(512)).matches('a'.repeat(512)), true)
    t.equal(compile(Array(32).fill('a').join(separator)).matches(Array(32).fill('a').join(separator)), true)
    t.equal(compile('a*'.repeat(8)).matches('ab'.repeat(8)), true)
    t.equal(compile('*'.repeat(8)).matches('a'.repeat(8)), true)
    t.equal(compile('*'.repeat(8)).matches('a'.repeat(7)), false)
  })

  t.test(`a pattern of ${name} takes less than 5 ms for any text of 10 KB`, async t => {
    const limit = 5 * slowness()
    const texts = [
      'a', separator, `a${separator}`, 'ab', `aab${separator}`, '*', `*${separator}`
    ].map(text => text.repeat(10_240 / text.length))
    const many = `**${separator}`
    const patterns = [
      '*a*a*a*a*a*a*a*b',
      'a*a*a*a*a*a*a*a*',
      `*${'a'.repeat(250)}b*`,
      `*b${'a'.repeat(250)}*`,
      `*${'ab'.repeat(120)}c*${'ab'.repeat(120)}c`,
      `${many}${`*${separator}`.repeat(29)}b${separator}**`,
      `${many}${`a${separator}`.repeat(29)}b${separator}**`,
      `${many}${`*a*${separator}`.repeat(29)}b*${separator}**`,
      `${many}${`a${separator}**${separator}`.repeat(15)}b`,
      `${many.repeat(31)}*`,
      `${many.repeat(15)}b${separator}${many.repeat(15)}b`
    ]
    for (const pattern of patterns) {
      const { matches } = compile(pattern)
      const slowest = Math.max(...texts.map(text => bestCpuTime(() => { matches(text) })))
      t.ok(slowest < limit, `${pattern.slice(0, 24)}… took ${slowest} ms`)
    }
  })
}
