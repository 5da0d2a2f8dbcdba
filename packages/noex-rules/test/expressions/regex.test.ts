import t from 'tap'
import { compileRegex, matchesRegex } from '../../src/expressions/regex.js'
import { bestCpuTime, slowness } from '../support/cpu-time.js'

t.test('an expression', async t => {
  const table: ReadonlyArray<
    readonly [expression: string, found: readonly string[], others: readonly string[]]
  > = [
    ['', ['', 'a'], []],
    ['a', ['a', 'bab'], ['', 'b', 'A']],
    ['^a|b$', ['ax', 'xb'], ['xa', 'bx']],
    ['^\\d{4}-\\d{2}-\\d{2}$', ['2024-01-31'], ['2024-1-31', 'x2024-01-31']],
    ['^[\\w.+-]+@[\\w-]+\\.[\\w.]+$', ['a.b+c@d-e.cz'], ['a@b', '@b.cz']],
    ['(?<year>\\d+)', ['x1'], ['x']],
    ['(?:ab){2,3}?c', ['ababc'], ['abc']],
    ['\\bcat\\b', ['a cat.'], ['concat']],
    ['[^a-c]', ['d'], ['abc']],
    ['[\\s\\S]', ['\n'], ['']],
    ['a.c', ['abc', 'a😀c'], ['a\nc']],
    ['\\u010d', ['č'], ['c']],
    ['\\x41\\t', ['A\t'], ['A']],
    ['\\p{Lu}', ['Č'], ['č']],
    ['\\.\\*\\/\\-', ['.*/-'], ['xx']],
    ['x{,2}', ['x{,2}'], ['xx']]
  ]
  for (const [expression, found, others] of table) {
    t.test(`${JSON.stringify(expression)} is found where it stands`, async t => {
      const { isFoundIn } = compileRegex(expression)
      t.same(found.filter(text => !isFoundIn(text)), [])
      t.same(others.filter(text => isFoundIn(text)), [])
    })
  }

  const refused: Readonly<Record<string, readonly string[]>> = {
    'look-around': ['(?=a)', '(?!a)', '(?<=a)', '(?<!a)', 'a(?=b)c'],
    'back-references': ['(a)\\1', '(?<x>a)\\k<x>', '\\9'],
    'inline flags': ['(?i)a', '(?s:a)', '(?-i)a', '(?P<x>a)', '(?'],
    'what JavaScript reads otherwise': ['\\Aa', 'a\\z', '\\Qa\\E', '[[:alpha:]]', '\\C', '\\a'],
    'malformed ones': [
      '(', ')', 'a)', '[', '[]', '[^]', '[z-a]', '*', '+a', 'a**', 'a{2,1}', '\\', '(?<>a)', '(?<1>a)',
      '\\p{Nothing}'
    ],
    'large ones': [
      'a'.repeat(501), 'a{1000}', 'a{1001}', '((a{10}){10}){10}', '(a{500}){500}',
      `(${'a?'.repeat(200)}){100}`, 'x{1000}'.repeat(70), '\\pL'.repeat(100), `(?:${'a'.repeat(50)}){9}`
    ]
  }
  for (const [kind, expressions] of Object.entries(refused)) {
    t.test(`is refused: ${kind}`, async t => {
      for (const expression of expressions) {
        t.throws(
          () => compileRegex(expression),
          { name: 'ExpressionError', code: 'EXPRESSION_ERROR' },
          expression.slice(0, 30)
        )
        t.equal(matchesRegex(expression, 'a'), false)
      }
    })
  }

  t.test('is found in no text that is too long for it', async t => {
    const small = compileRegex('a')
    t.equal(small.maxTextLength, 10_000)
    t.equal(small.isFoundIn('a'.repeat(10_000)), true)
    t.throws(() => small.isFoundIn('a'.repeat(10_001)), {
      name: 'ResolutionError', message: /10001 characters is too long/
    })

    const large = compileRegex('[ab]{1,120}')
    t.ok(large.maxTextLength >= 200 && large.maxTextLength < 1000)
    t.equal(large.isFoundIn('a'.repeat(large.maxTextLength)), true)
    t.throws(() => large.isFoundIn('a'.repeat(large.maxTextLength + 1)), { name: 'ResolutionError' })
  })

  t.test('is compiled once for many texts, and forgotten in time', async t => {
    for (let count = 0; count < 250; count++) {
      t.equal(matchesRegex(`^x${count % 125}$`, `x${count % 125}`), true)
    }
    const [, cold] = [matchesRegex('^[a-z]{50}$', ''), matchesRegex('^[a-z]{50}$', 'a'.repeat(50))]
    t.equal(cold, true)
  })
})

/** Expressions that take exponential time elsewhere, and those that are expensive for automata. */
const hostile = [
  '^(a+)+$', '(a|a)*$', '(a|aa)+$', '(\\w+\\s?)+$', '([a-zA-Z]+)*!', '^(([a-z])+.)+[A-Z]([a-z])+$',
  '(x+x+)+y', '(.*)(.*)(.*)(.*)(.*)[x-z]{3}$',
  '((((.*)*)*a?)*[^a]?)*[x-z]{9}$', '(a?){40}a{40}[x-z]', '(a|b)*a(a|b){5}[x-z]', '(a|b)*a(a|b){20}[x-z]',
  '(a|b)*a(a|b){80}[x-z]',
  '\\b(a|b)*a(a|b){20}\\b[x-z]', '(?:a.{20}b.{20}a)[x-z]', 'a.{0,60}b.{0,60}[x-z]',
  '(.{0,9}(a|b)){10}[x-z]$', '(\\pL*\\pL*){9}[x-z]',
  `(?:${'[\\pL]?'.repeat(20)})*[x-z]`, `${'(?:\\b|\\B)*'.repeat(30)}[x-z]`, '(a*)*(a*)*(a*)*(a*)*[x-z]',
  '(?:a?b?c?d?e?){24}[x-z]',
  `${'('.repeat(30)}a*${')*'.repeat(30)}[x-z]`, `${'[^a]*'.repeat(60)}[x-z]`
]

t.test('a hostile expression is refused, or takes less than 5 ms for the worst text', async t => {
  const limit = 5 * slowness()
  for (const expression of hostile) {
    let compiled
    try { compiled = compileRegex(expression) } catch (error) { t.match(error, { name: 'ExpressionError' }) }
    if (compiled === undefined) continue

    const { maxTextLength, isFoundIn } = compiled
    const texts = [
      ...['a', 'aab', 'ab ', 'abcdefg h', 'ač日'].map(text => text.repeat(maxTextLength / text.length)),
      randomText(maxTextLength)
    ]
    const slowest = Math.max(...texts.map(text => bestCpuTime(() => { isFoundIn(text) })))
    t.ok(slowest < limit, `${expression.slice(0, 30)} took ${slowest} ms`)
  }
})

t.test('a hostile expression is compiled or refused in less than 10 ms', async t => {
  const limit = 10 * slowness()
  const sources = [
    ...hostile, '\\pL'.repeat(25), '[^\\pL\\pN]'.repeat(
      12
    ), '[\\u0100-\\uffff]'.repeat(30), 'a|'.repeat(249), '('.repeat(500), '(?:'.repeat(160), '['.repeat(500),
    `${'('.repeat(250)}${')'.repeat(250)}`, '(?:a?){249}', '{1,1000}'.repeat(
      60
    ), 'x{1000}'.repeat(70), `${'('.repeat(50)}a${'){9}'.repeat(50)}`
  ]
  for (const source of sources) {
    const time = bestCpuTime(() => {
      try { compileRegex(source) } catch (error) {
        if ((error as Error).name !== 'ExpressionError') {
          throw error
        }
      }
    })
    t.ok(time < limit, `${source.slice(0, 30)} took ${time} ms`)
  }
})

/** Returns a text of a and b, the same each time. */
function randomText (length: number): string {
  let state = 12345
  return Array.from({ length }, () => {
    state = (state * 1103515245 + 12345) & 0x7fffffff
    return (state >> 16) % 2 === 0 ? 'a' : 'b'
  }).join('')
}
