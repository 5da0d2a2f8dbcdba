import fc from 'fast-check'
import t from 'tap'
import { didYouMean, nearestNames, quoted } from '../../../lib/util/nearest.js'
import { sampled } from '../../support/sampled.js'

/** Typing errors between two texts, by the textbook. */
function slips (a: string, b: string): number {
  const table = Array.from(
    { length: a.length + 1 },
    (_, i) => Array.from({ length: b.length + 1 }, (_, j) => i === 0 ? j : j === 0 ? i : 0)
  )
  const at = (i: number, j: number): number => table[i]?.[j] ?? Infinity
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const swapped = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? at(i - 2, j - 2) + 1 : Infinity
      const row = table[i] as number[]
      row[j] = Math.min(
        at(i - 1, j) + 1,
        at(i, j - 1) + 1,
        at(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1),
        swapped
      )
    }
  }
  return at(a.length, b.length)
}

t.test('The nearest names are those with one or two typing errors, the most similar first', async t => {
  type Names = readonly string[]
  const table: ReadonlyArray<readonly [name: string, candidates: Names, expected: Names]> = [
    ['ordres', ['users', 'orders', 'items'], ['orders']],
    ['item', ['items', 'terms', 'iten'], ['items', 'iten']],
    ['Items', ['items'], ['items']],
    ['store.gett', ['store.all', 'store.get'], ['store.get']],
    ['store.insrt', ['store.insert', 'store.insertMany'], ['store.insert']],
    ['qty', ['quantity', 'qt', 'sty'], ['qt', 'sty']],
    ['id', ['is', 'ID'], ['ID']],
    ['nothing like it', ['items'], []],
    ['items', ['items'], []],
    ['', ['a'], []],
    ['x'.repeat(65), ['x'.repeat(64)], []]
  ]
  for (const [name, candidates, expected] of table) {
    t.same(
      nearestNames(name, candidates),
      expected,
      name.slice(0, 20)
    )
  }
})

t.test('A name is near by its number of typing errors', async t => {
  const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 10 })
  fc.assert(fc.property(word, word, (a, b) => {
    const isNear = a !== b && slips(a, b) <= Math.min(2, Math.floor(a.length / 3))
    return nearestNames(a, [b]).length === (isNear ? 1 : 0)
  }), { numRuns: sampled(5_000) })
  t.pass()
})

t.test('Of very many names, the first thousand are compared', async t => {
  const names = Array.from({ length: 1_000 }, (_, i) => `name number ${i}`)
  t.same(nearestNames('ordres', [...names, 'orders']), [])
  t.same(nearestNames('ordres', [...names.slice(1), 'orders']), ['orders'])
})

t.test('A message shows a name in quotes, and the beginning of a long one', async t => {
  t.equal(quoted('a'), '"a"')
  t.equal(quoted('x'.repeat(10_000)), `"${'x'.repeat(128)}…"`)
  t.equal(didYouMean('orders'), '; did you mean "orders"?')
  t.equal(didYouMean(undefined), '')
})
