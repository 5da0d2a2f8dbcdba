import t from 'tap'
import { fit, jsonText, lineOf, pad, widthOf } from '../../../lib/cli/values.js'

const hostile = 'a\u001b[2J\u009b31m\u202e\u2028\u007f\u00ad\u{e0001}\\"\n'

t.test('JSON is safe for a terminal, and means the same', async t => {
  const text = jsonText({ [hostile]: hostile })
  t.match(text, /^[ -~]+$/)
  t.same(JSON.parse(text), { [hostile]: hostile })
  t.equal(jsonText({ a: [1, null] }, 2), '{\n  "a": [\n    1,\n    null\n  ]\n}')
  t.equal(jsonText(undefined), 'null')
  t.equal(jsonText('Příliš žluťoučký, 漢字, 🙂'), '"Příliš žluťoučký, 漢字, 🙂"', 'letters stay')
})

t.test('a line has neither escapes nor more columns than it may', async t => {
  t.match(lineOf(hostile, 200), /^[ -~]+$/)
  const values = [hostile, 'x'.repeat(10_000), { a: 'x'.repeat(100) }, '漢'.repeat(50), 'e\u0301'.repeat(50)]
  for (const value of values) {
    for (const columns of [1, 2, 7, 40]) {
      t.ok(widthOf(lineOf(value, columns)) <= columns, `${columns} columns`)
    }
  }
  t.equal(lineOf('short', 5), 'short')
  t.equal(lineOf('longer', 5), 'long…')
  t.equal(lineOf(undefined, 5), '')
  t.equal(lineOf(null, 5), 'null')
  t.equal(fit('漢字', 3), '漢…')
  t.equal(fit('a', 0), '')
})

t.test('columns are those of a terminal', async t => {
  t.equal(widthOf('abc'), 3)
  t.equal(widthOf('漢字'), 4)
  t.equal(widthOf('e\u0301'), 1)
  t.equal(widthOf('🙂'), 2)
  t.equal(pad('漢', 4), '漢  ')
  t.equal(pad('7', 3, true), '  7')
  t.equal(pad('long', 2), 'long')
})
