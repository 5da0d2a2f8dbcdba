import t from 'tap'
import { compareRounds } from '../../bench/benchmarks/row.js'
import { rowText } from '../../bench/report.js'

t.test('a row has medians, their ratio, that of single rounds, and whether the target is met', async t => {
  const row = compareRounds('get', 'µs CPU', [10, 20, 30], [10, 30, 60], 1.5)
  t.equal(rowText(row).replaceAll(/ +/g, ' '), 'get µs CPU 20.00 30.00 1.50× 1.00 – 2.00 ≤ 1.50× ok')
  t.match(rowText({ ...row, target: { ratioAtMost: 1.4 } }), '≤ 1.40× MISSED')
})

t.test('a figure by itself is held to a limit, and a note stands behind it', async t => {
  const row = { name: 'bytes', unit: 'bytes', noex: 400, target: { atMost: 399 }, note: 'a note' }
  t.equal(rowText(row).replaceAll(/ +/g, ' '), 'bytes bytes 400.00 ≤ 399 MISSED a note')
})

t.test('what may be added is the difference to the other server', async t => {
  const row = { name: 'get', unit: 'µs CPU', bare: 10, noex: 30 }
  t.match(rowText({ ...row, target: { addedAtMost: 20 } }), '≤ +20 ok')
  t.match(rowText({ ...row, target: { addedAtMost: 19 } }), '≤ +19 MISSED')
})
