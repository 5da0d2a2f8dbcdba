import { appendFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { emptyChain, seal, type ChainHead } from '../../../../lib/audit/chain/chain.js'
import { findCommits } from '../../../../lib/audit/file/trail-reader.js'
import { recordEntry, withCommit } from '../../../../lib/audit/entry.js'
import { TrailFiles } from '../../../../lib/audit/file/segments.js'
import { numberedEntry } from '../../../support/audit-trail-files.js'
import { temporaryDirectory } from '../../../support/temporary-directory.js'

const [epoch, other] = ['one', 'other']

t.test('commits are looked for from the end of a trail, no further than they can stand', t => {
  const files = new TrailFiles(join(temporaryDirectory(t), 'trail.jsonl'))
  let head: ChainHead = emptyChain
  const write = (path: string, timestamp: number, revision?: number, history = epoch): void => {
    const recorded = recordEntry({ ...numberedEntry(head.seq + 1), timestamp })
    const { json } = revision === undefined ? recorded : withCommit(recorded, { revision, epoch: history })
    const sealed = seal(json, head)
    head = sealed
    appendFileSync(path, `${sealed.line}\n`)
  }
  const find = (revisions: number[], told = 0, since = 0): number[] =>
    [...findCommits(files, { epoch, revisions, told, since }).revisions]
  t.same(find([1, 2]), [], 'there is no trail yet')
  for (const revision of [3, 4, 6]) write(files.closed(1), 100 + revision, revision)
  for (const revision of [5, 8, 7]) write(files.closed(4), 100 + revision, revision)
  write(files.current, 200)
  write(files.current, 201, 9, other)
  write(files.current, 202, 11)
  appendFileSync(files.current, '{"half of a li')
  t.same(find([9, 10, 11], 8), [11, 7], 'those of another history do not count')
  t.same(find([5, 6, 7, 8]), [11, 7, 8, 5, 6], 'in all segments')
  t.same(find([3, 8], 5), [11, 7, 8, 5], 'not behind an entry of what is told')
  t.same(find([6, 8], 4), [11, 7, 8, 5, 6], 'but up to it')
  t.same(find([3, 8], 0, 106), [11, 7, 8, 5], 'and not behind one that is too old')
  const all = { epoch, revisions: [1], told: 0, since: 0 }
  t.notOk('removedUntil' in findCommits(files, all), 'the first entry of all is there')
  rmSync(files.closed(1))
  t.equal(findCommits(files, all).removedUntil, 105, 'it was removed')
  t.notOk('removedUntil' in findCommits(files, { ...all, told: 8 }), 'the search has not come to the oldest')
  t.end()
})
