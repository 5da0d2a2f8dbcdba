import t from 'tap'
import { rowsIn, shortNames, shortText } from '../../../lib/util/short-text.js'
import { usedBytes } from '../../hostile/used-bytes.js'

t.test('names are few and short, and rows are those of a list', t => {
  const names = shortNames(Array.from({ length: 1_000 }, (_, i) => `${i}`.repeat(1_000)))
  t.same([names.length, Math.max(...names.map(({ length }) => length))], [20, 64])
  t.same([[1, 2], { records: [1] }, { records: 1 }, null, 'text', undefined].map(rowsIn),
    [2, 1, undefined, undefined, undefined, undefined])
  t.end()
})

t.test('a text that is cut within a character is well-formed', t => {
  t.equal(shortText(`${'x'.repeat(9)}\u{1F600}`, 10), `${'x'.repeat(9)}\uFFFD`)
  t.equal(shortText('a\uD83D', 10), 'a\uFFFD')
  t.equal(shortText('short', 10), 'short')
  t.end()
})

t.test('a cut text does not keep the long one', t => {
  const before = usedBytes()
  const kept = Array.from({ length: 100 }, (_, i) => shortText(`${i}${'x'.repeat(1_000_000)}`, 64))
  t.ok(usedBytes() - before < 10_000_000)
  t.equal(kept.length, 100)
  t.end()
})
