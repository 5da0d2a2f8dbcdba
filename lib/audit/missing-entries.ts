import type { Log } from '../util/log.js'
import type { NoexStore } from '../store/noex-store.js'
import { recordEntry, withCommit, type RecordedEntry } from './entry.js'
import { parseNoteText, type EntryNote } from './entry-note.js'
import type { FoundCommits, SinkCommits } from './sink.js'
import type { NotedCommit } from './entry-queue.js'

/** Maximum number of commits that are examined: more than can be queued for a trail at once. */
const MAX_COMMITS = 65_536
/** Milliseconds by which an entry may be older than its commit, when the clock was set back. */
const CLOCK_SLACK_MS = 3_600_000
const ENDED = 'the server ended before the operation did'
const OTHER_TRAIL = 'writes of this store were recorded in another audit trail: ' +
  'unless another service uses it, start once with that trail to restore the entries that a crash took'
const LACKING = 'the audit trail lacks entries that were in it: its files were moved away or removed'
const TOO_MANY = 'the audit trail may lack more entries than were looked for: those of earlier commits'

/** An entry that a crash took from a trail, and the commits that it is about. */
export interface RestoredEntry {
  readonly recorded: RecordedEntry
  readonly commits: readonly NotedCommit[]
}

/** A commit whose entry the trail may lack. */
interface Candidate extends EntryNote {
  readonly revision: number
  readonly time: number
  /** The revision up to which the entries of all commits were in the trail before this one. */
  readonly toldHere: number
}

/** The commits of a store that a trail may lack, and those that were found in it. */
interface Search {
  /** Newest first. */
  readonly candidates: readonly Candidate[]
  readonly found: ReadonlySet<number>
  /** Entries of commits up to this revision are not restored: the trail has them, or is another trail. */
  readonly bound: number
  /** Nor are those of commits up to this time, in epoch milliseconds: they were in the trail. */
  readonly removedUntil: number
}

/**
 * Finds the entries that the notes of a store's commits have and a trail lacks, in the order of the commits:
 * the process ended between commit and trail, or the trail has lost its end. For a request that had not
 * ended, the entry is an error that says so.
 * @throws an error that names the file when the log cannot be read
 */
export async function missingEntries (
  store: Pick<NoexStore, 'epoch' | 'notes'>, sink: SinkCommits, log: Log
): Promise<RestoredEntry[]> {
  const { epoch } = store
  const { candidates, found, bound, removedUntil } = await search(store, sink, log)
  if (candidates.length === MAX_COMMITS && (candidates.at(-1)?.revision ?? 0) > bound) {
    log.error({ trail: sink.trail, before: candidates.at(-1)?.revision }, TOO_MANY)
  }
  // Newest first: the requests by their last commits, and the commits of each request.
  const requests = new Map<string, Candidate[]>()
  for (const candidate of candidates) {
    const commits = requests.get(candidate.request)
    if (commits !== undefined) commits.push(candidate)
    else if (candidate.revision > bound && candidate.time > removedUntil) {
      requests.set(candidate.request, [candidate])
    }
  }
  return [...requests.values()]
    .filter(commits => !commits.some(({ revision }) => found.has(revision)))
    .reverse()
    .map(commits => restoredEntry(commits as [Candidate, ...Candidate[]], epoch))
}

/**
 * Reads commits backwards until the trail has one, and from there to those before it that may have been
 * queued: the `told` of that commit is still true, because a trail loses nothing but its end.
 */
async function search (
  store: Pick<NoexStore, 'epoch' | 'notes'>, { trail, find }: SinkCommits, log: Log
): Promise<Search> {
  const candidates: Candidate[] = []
  const commits = commitsOf(store, trail, log)
  let isOver = false
  const readTo = async (isEnough: (candidate: Candidate) => boolean): Promise<void> => {
    while (!isOver && candidates.length < MAX_COMMITS) {
      const { value, done } = await commits.next()
      if (done === true) isOver = true
      else if (candidates.push(value) && isEnough(value)) return
    }
    isOver = true
  }
  const findFrom = async (since: number): Promise<FoundCommits> => await find({
    epoch: store.epoch,
    revisions: candidates.map(({ revision }) => revision),
    told: candidates.reduce((least, { toldHere }) => Math.min(least, toldHere), Infinity),
    since
  })
  try {
    await readTo(({ revision, toldHere }) => revision <= (candidates[0] ?? { toldHere }).toldHere)
    const [newest] = candidates
    if (newest === undefined) return { candidates, found: new Set(), bound: 0, removedUntil: 0 }
    for (;;) {
      const oldest = candidates.at(-1) as Candidate
      const { revisions, removedUntil = 0 } = await findFrom(oldest.time - CLOCK_SLACK_MS)
      const found = new Set(revisions)
      const bound = candidates.reduce(
        (most, { revision, toldHere }) => found.has(revision) ? Math.max(most, toldHere) : most, -1
      )
      if (bound >= 0 && (isOver || oldest.revision <= bound)) {
        return { candidates, found, bound, removedUntil }
      }
      if (isOver) break
      const count = 2 * candidates.length
      await readTo(({ revision }) => bound < 0 ? candidates.length >= count : revision <= bound)
    }
    // The trail has none of them: it has lost them all, or is another trail.
    const { revisions, removedUntil } = await findFrom(-Infinity)
    const isOther = revisions.length === 0 && removedUntil === undefined
    const bound = isOther ? newest.toldHere : -1
    const lacking = candidates.filter(({ revision }) => revision <= bound)
    if (lacking.length > 0) {
      log.error({ trail, from: lacking.at(-1)?.revision, to: lacking[0]?.revision }, LACKING)
    }
    return { candidates, found: new Set(revisions), bound, removedUntil: removedUntil ?? 0 }
  } finally {
    await commits.return()
  }
}

/** Reads the commits whose entries belong in a trail, newest first. */
async function * commitsOf (
  store: Pick<NoexStore, 'notes'>, trail: string, log: Log
): AsyncGenerator<Candidate, void, undefined> {
  let isFirst = true
  for await (const { revision, time, note } of store.notes()) {
    const parsed = parseNoteText(note)
    if (parsed === undefined) continue
    const toldHere = parsed.told[trail]
    // A commit of another service, or of this one before it was configured with another trail.
    if (toldHere === undefined && isFirst) log.info({ trails: Object.keys(parsed.told), trail }, OTHER_TRAIL)
    isFirst = false
    if (toldHere !== undefined) yield { ...parsed, revision, time, toldHere }
  }
}

/** Makes the entry of a request from its commits, given newest first. */
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
