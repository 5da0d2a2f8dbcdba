import t from 'tap'
import { noteText } from '../../../lib/audit/entry-note.js'
import { recordEntry } from '../../../lib/audit/entry.js'
import { missingEntries } from '../../../lib/audit/missing-entries.js'
import type { FoundCommits, WantedCommits } from '../../../lib/audit/sink.js'
import type { Log } from '../../../lib/util/log.js'
import { numberedEntry } from '../../support/audit-trail-files.js'

const trail = '/trail.jsonl'
const epoch = 'one'

/** Finds the missing entries when a log has the commits up to `newest` and a trail those of `find`. */
async function missing (newest: number, find: (wanted: WantedCommits) => FoundCommits) {
  const recorded = recordEntry(numberedEntry(1))
  const errors: object[] = []
  const log = { error (details: object) { errors.push(details) } } as unknown as Log
  let read = 0
  const store = {
    epoch,
    async * notes () {
      for (let revision = newest; revision > 0; revision--) {
        read++
        const told: Array<readonly [string, number]> = [[JSON.stringify(trail), Math.max(0, revision - 3)]]
        const note = noteText({ request: `r${revision}`, whole: true }, told, recorded)
        yield { revision, time: revision, note }
      }
    }
  }
  const sink = { trail, find: async (wanted: WantedCommits) => find(wanted) }
  const entries = await missingEntries(store, sink, log)
  return { revisions: entries.map(({ recorded: { entry } }) => entry.revision as number), errors, read }
}

const upTo = (last: number) => ({ told, revisions }: WantedCommits): FoundCommits => {
  const lowest = Math.min(told, ...revisions)
  return { revisions: Array.from({ length: Math.max(1, last - lowest + 1) }, (_, i) => last - i) }
}

t.test('what is read of the log is about as much as the trail has lost', async t => {
  const none = await missing(100_000, upTo(100_000))
  t.match(none, { revisions: [], errors: [] })
  t.ok(none.read < 10, `${none.read} read`)
  const some = await missing(100_000, upTo(99_000))
  t.match(some, { errors: [] })
  t.same(some.revisions, Array.from({ length: 1_000 }, (_, i) => 99_001 + i))
  t.ok(some.read < 5_000, `${some.read} read`)
})

t.test('no more commits are looked at than the bound, and the log says so', async t => {
  const { revisions, errors, read } = await missing(70_000, upTo(10))
  t.equal(revisions.length, 65_536)
  t.equal(revisions[0], 70_000 - 65_536 + 1)
  t.same(errors, [{ trail, before: 70_000 - 65_536 + 1 }])
  t.ok(read <= 65_537)
})

t.test('commits before the oldest entry of a trail that has removed some are passed over', async t => {
  const { revisions, errors } = await missing(100, () => ({ revisions: [], removedUntil: 97 }))
  t.same(revisions, [98, 99, 100])
  t.same(errors, [])
})
