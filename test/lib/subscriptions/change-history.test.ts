import fc from 'fast-check'
import t from 'tap'
import { ChangeHistory } from '../../../lib/subscriptions/change-history.js'
import { changeOf } from '../../support/row-changes.js'

t.test('changes of several commits become one of each row', async t => {
  const history = new ChangeHistory(10)
  history.add(11, [changeOf('a', false), changeOf('b', true, true)], 3)
  history.add(13, [changeOf('a', true), changeOf('c', true)], 3)
  history.add(14, [changeOf('c', false), changeOf('d', false)], 3)
  history.add(15, [changeOf('d', true)], 3)
  t.same([...history.since(10) ?? []], [
    ['a', { wasIn: false, hasMoved: false }],
    ['b', { wasIn: true, hasMoved: true }],
    ['c', { wasIn: true, hasMoved: true }],
    ['d', { wasIn: false, hasMoved: false }]
  ], 'c has left and come back: it may have another place')
  t.same([...history.since(13) ?? []].map(([key]) => key), ['c', 'd'])
  t.same([...history.since(15) ?? []], [])
  t.equal(history.since(9), undefined, 'before the first result nothing is known')
  t.equal(history.firstAfter(11), 13)
  t.equal(history.firstAfter(15), Infinity)
  history.reset(20)
  t.equal(history.since(19), undefined)
  t.same([...history.since(20) ?? []], [])
  t.equal(history.bytes, 0)
})

t.test('a commit is known as a whole or not at all, and no more is kept than the list is long', async () => {
  fc.assert(fc.property(
    fc.array(fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 90 }), { maxLength: 40 }),
    fc.integer({ min: 0, max: 400 }),
    (commits, rows) => {
      const history = new ChangeHistory(0)
      commits.forEach((keys, i) => { history.add(i + 1, keys.map(key => changeOf(key, true)), rows) })
      const { floor } = history
      for (let revision = 0; revision <= commits.length; revision++) {
        const expected = new Set(commits.slice(revision).flat())
        const net = history.since(revision)
        if ((net === undefined) !== (revision < floor)) return false
        const found = [...net?.keys() ?? expected]
        if (found.length !== expected.size || found.some(key => !expected.has(key as number))) return false
      }
      return history.bytes <= Math.max(256, rows) * 64
    }
  ))
})
