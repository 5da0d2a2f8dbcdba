import type { Log } from '../log.js'
import type { NoexStore } from '../store/noex-store.js'
import { recordEntry, withCommit } from './entry.js'
import { parseNoteText, type EntryNote } from './entry-note.js'
import type { SinkCommits } from './sink.js'
import type { RestoredEntry } from './sink-queue.js'

/** Commits that are looked at: more than can be on the way to a trail at once. */
const MAX_COMMITS = 65_536
/** How much older than its commit an entry may be when a clock was set back, in milliseconds. */
const CLOCK_SLACK_MS = 3_600_000
const ENDED = 'the server ended before the operation did'
const OTHER_TRAIL = 'writes of this store were recorded in another audit trail: ' +
  'a start with that one brings back what a crash has taken from it'

/** A commit that the trail may not have. */
interface Candidate extends EntryNote {
  readonly revision: number
  readonly time: number
}

/**
 * Finds the entries that commits of a store keep and a trail does not have, in the order of the commits: the
 * process has ended between the two. Of a request that had not ended, the entry is an error that says so.
 * @throws naming the file when the log cannot be read
 */
export async function missingEntries (
  store: Pick<NoexStore, 'epoch' | 'notes'>, { trail, find }: SinkCommits, log: Log
): Promise<RestoredEntry[]> {
  const candidates = await findCandidates(store, trail, log)
  if (candidates.length === 0) return []
  const { epoch } = store
  const found = new Set(await find({
    epoch,
    revisions: candidates.map(({ revision }) => revision),
    told: Math.min(...candidates.map(({ told }) => told[trail] as number)),
    since: Math.min(...candidates.map(({ time }) => time)) - CLOCK_SLACK_MS
  }))
  // Newest first: so are the commits of each, and the requests by their last commits.
  const requests = new Map<string, Candidate[]>()
  for (const candidate of candidates) {
    const commits = requests.get(candidate.request)
    if (commits === undefined) requests.set(candidate.request, [candidate])
    else commits.push(candidate)
  }
  return [...requests.values()]
    .filter(commits => !commits.some(({ revision }) => found.has(revision)))
    .reverse()
    .map(commits => restoredEntry(commits as [Candidate, ...Candidate[]], epoch))
}

async function findCandidates (
  store: Pick<NoexStore, 'notes'>, trail: string, log: Log
): Promise<Candidate[]> {
  const candidates: Candidate[] = []
  let told: number | undefined
  let hasWarned = false
  for await (const { revision, time, note } of store.notes()) {
    if (told !== undefined && revision <= told) break
    const parsed = parseNoteText(note)
    if (parsed === undefined) continue
    const toldHere = parsed.told[trail]
    if (toldHere === undefined) {
      // Another service's, or this one's before it was given another trail.
      if (!hasWarned && told === undefined) log.warn({ trails: Object.keys(parsed.told), trail }, OTHER_TRAIL)
      hasWarned = true
      continue
    }
    told ??= toldHere
    if (revision <= told || candidates.push({ ...parsed, revision, time }) === MAX_COMMITS) break
  }
  return candidates
}

/** Makes the entry of a request of its commits, the last one first. */
function restoredEntry (commits: readonly [Candidate, ...Candidate[]], epoch: string): RestoredEntry {
  const [{ entry, whole, revision }] = commits
  const { details, ...rest } = entry
  const recorded = recordEntry({
    ...rest,
    ...(whole ? { result: 'success' } : { result: 'error', error: ENDED }),
    details: { ...details, recovered: true }
  })
  return { recorded: withCommit(recorded, { revision, epoch }), commits: commits.toReversed() }
}
