import { existsSync } from 'node:fs'
import { Store } from '@hamicek/noex-store'
import type { SealedEntry } from '../../lib/audit/chain/chain.js'
import { parseNoteText } from '../../lib/audit/entry-note.js'
import { readTrail } from '../../lib/audit/file/trail-reader.js'
import { verifyTrail } from '../../lib/exports/audit.js'

/** The result of a comparison of a trail with the log of a store. */
interface TrailAndLog {
  /** Descriptions of the differences. */
  readonly differences: string[]
  /** Number of requests that have written. */
  readonly requests: number
  /** Entries that a start has restored. */
  readonly recovered: number
  /** Number of successful requests that have written, by operation. */
  readonly successes: Readonly<Record<string, number>>
}

/** Compares a trail with the log of a store that has stopped and was never cut. */
export async function compareTrailWithLog (directory: string, trail: string): Promise<TrailAndLog> {
  const store = await Store.start({ durability: { directory, onNotice () {} } })
  const differences: string[] = []
  const requests = new Map<string, number[]>()
  const wholes = new Set<number>()
  for await (const { revision, note } of store.notes()) {
    const parsed = parseNoteText(note)
    if (parsed === undefined) {
      differences.push(`the note of revision ${revision} is not one of the audit`)
      continue
    }
    if (parsed.whole) wholes.add(revision)
    requests.set(parsed.request, [revision, ...requests.get(parsed.request) ?? []])
  }
  const { epoch } = store
  await store.stop()
  const entries: SealedEntry[] = []
  if (existsSync(trail)) {
    for await (const { entry } of readTrail([trail])) if (entry?.epoch === epoch) entries.push(entry)
  }
  const known = new Set([...requests.values()].flat())
  for (const { revision = 0, operation } of entries) {
    if (known.has(revision)) continue
    differences.push(`${operation} names revision ${revision}, which the log does not have`)
  }
  for (const revisions of requests.values()) {
    const own = entries.filter(({ revision = 0 }) => revisions.includes(revision))
    const [entry] = own
    if (own.length !== 1) differences.push(`${own.length} entries for the revisions ${revisions.join()}`)
    if (entry !== undefined && entry.revision !== revisions.at(-1)) {
      differences.push(`entry ${entry.seq} names revision ${entry.revision} of ${revisions.join()}`)
    }
    if (entry?.result === 'error' && wholes.has(entry.revision as number)) {
      differences.push(`entry ${entry.seq} is an error, but the log has its write`)
    }
  }
  const verified = await verifyTrail({ files: [trail] })
  if (!verified.ok) differences.push(`the trail is bad: ${JSON.stringify(verified)}`)
  const successes: Record<string, number> = {}
  for (const { operation, result } of entries) {
    if (result === 'success') successes[operation] = (successes[operation] ?? 0) + 1
  }
  const recovered = entries.filter(({ details }) => details?.['recovered'] === true).length
  return { differences, requests: requests.size, recovered, successes }
}
