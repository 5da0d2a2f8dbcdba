import t from 'tap'
import { RevisionNotice } from '../../../lib/subscriptions/revision-notice.js'

t.test('one notice is for all revisions that are reached together', async t => {
  const notice = new RevisionNotice()
  t.equal(notice.dueAt, Infinity)
  t.equal(notice.take(9), undefined, 'nothing waits')
  for (const revision of [3, 3, 5]) notice.add(revision)
  t.equal(notice.dueAt, 3)
  t.equal(notice.take(2), undefined)
  t.equal(notice.take(7), 5)
  t.equal(notice.take(7), undefined)
  notice.add(5)
  t.equal(notice.take(Infinity), 5, 'each reply is followed by a notice')
})

t.test('those that are not reached wait for the last of them, which later ones do not move', async t => {
  const notice = new RevisionNotice()
  for (const revision of [3, 5, 8]) notice.add(revision)
  t.equal(notice.take(6), 6)
  t.equal(notice.dueAt, 8)
  notice.add(20)
  t.equal(notice.take(7), undefined)
  t.equal(notice.take(8), 8)
  t.equal(notice.take(19), undefined)
  t.equal(notice.take(21), 20)
  t.equal(notice.dueAt, Infinity)
})
