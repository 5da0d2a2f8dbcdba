import t from 'tap'
import { linesOf, tableOf } from '../../../lib/cli/table.js'
import { widthOf } from '../../../lib/cli/values.js'

const space = { width: 40, colour: false }

t.test('records are a table, numbers on the right, what the store adds at the end', async t => {
  const rows = [{ _version: 1, name: 'cup', stock: 4 }, { name: 'teapot', stock: 12, note: null }]
  t.same(tableOf(rows, space), [
    'name    stock  note  _version',
    'cup         4               1',
    'teapot     12  null'
  ])
})

t.test('no line is wider than the terminal, and what is left out is named', async t => {
  const row = Object.fromEntries([...Array(30).keys()].map(i => [`member${i}`, 'x'.repeat(i * 3)]))
  const lines = tableOf([row, row, row], { ...space, maxRows: 2 })
  t.match(lines.at(-2), /^… and 1 more$/)
  t.match(lines.at(-1), /^… and \d+ more columns: member\d+, /)
  for (const line of lines) t.ok(widthOf(line) <= 40, line)
  const wide = tableOf([{ text: '漢'.repeat(100) }], { ...space, width: 20 })
  for (const line of wide) t.ok(widthOf(line) <= 20, line)
})

t.test('names and values of a server do nothing to the terminal', async t => {
  const lines = tableOf([{ 'a\u001b[2J': '\u001b]0;x\u0007', b: { c: '\u009b' } }], { ...space, width: 100 })
  t.match(lines.join(''), /^[ -~]+$/)
})

t.test('a hundred thousand records are a table in moderate time, thousands of members in it too', async t => {
  const started = performance.now()
  const many = [...Array(100_000).keys()].map(id => ({ id, name: `record ${id}` }))
  t.equal(tableOf(many, space).length, 100_001)
  t.equal(tableOf(many, { ...space, maxRows: 10 }).length, 12)
  const members = Object.fromEntries([...Array(20_000).keys()].map(i => [`m${i}`, i]))
  const broad = tableOf([members, members], space)
  t.equal(broad.length, 4)
  t.ok(performance.now() - started < 10_000)
})

t.test('every other result has its form', async t => {
  t.same(linesOf([], space), ['no rows'])
  t.same(linesOf([1, 20], space), [' 1', '20'])
  t.same(linesOf(['a', { b: 1 }], space), ['a', '{"b":1}'])
  t.same(linesOf(42, space), ['42'])
  t.same(linesOf(null, space), ['null'])
  t.same(linesOf('a\u001b', space), ['"a\\u001b"'])
  t.same(linesOf({ a: 1 }, space), ['{', '  "a": 1', '}'])
  t.same(linesOf([{}, {}], space).length, 3)
  const long = { a: 'x'.repeat(100), b: 1, c: 2 }
  t.same(linesOf(long, { ...space, maxRows: 2 }), ['{', `  "a": "${'x'.repeat(31)}…`, '… and 3 more'])
  t.match(linesOf(long, space)[1], 'x'.repeat(100), 'complete where there is room')
  t.same(linesOf({ records: [{ a: 1 }], hasMore: true }, space), ['a', '1', '{"hasMore":true}'])
})

t.test('colours are there where they are wanted', async t => {
  t.match(tableOf([{ a: 1 }], { ...space, colour: true })[0], '\u001b[1ma\u001b[22m')
})
